-- What is counted at a connection besides the requests of its scopes, as far as there are numbers.
INSERT INTO resources (number, name)
SELECT number, name FROM (
    SELECT
        (SELECT GREATEST(99, MAX(number)) FROM resources) + ROW_NUMBER() OVER (ORDER BY number) AS number,
        'other@' || handle AS name
    FROM connections
    WHERE removed_at IS NULL AND 'other@' || handle NOT IN (SELECT name FROM resources)
) AS others
WHERE number <= 4095;
