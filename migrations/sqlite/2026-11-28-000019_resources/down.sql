DROP TABLE servers;
DROP TABLE resources;
