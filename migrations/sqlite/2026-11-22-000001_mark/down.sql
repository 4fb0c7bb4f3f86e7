DROP TABLE bitting;
