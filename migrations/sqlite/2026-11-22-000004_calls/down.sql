DROP TABLE calls;
DROP TABLE agents;
