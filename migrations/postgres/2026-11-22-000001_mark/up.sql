-- Marks the database as Bitting's own; one row.
CREATE TABLE bitting (
    one             BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    brand           TEXT NOT NULL,
    -- The oldest generation of the program that can work with this schema.
    oldest_program  BIGINT NOT NULL,
    -- The highest time any process has seen: a clock set back revives nothing.
    high_water      TIMESTAMP NOT NULL
);
