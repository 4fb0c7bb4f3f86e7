-- A number means what it meant for ever, and earlier programs read the names.
SELECT 1;
