-- When each key last made use of each of its rights: what tells keys that may do more than they do.
-- Kept with the hour rows, so up to an hour behind; requests that were refused are no use.
CREATE TABLE scope_uses (
    key_number BIGINT NOT NULL,
    -- As keys have it, such as calls:read.
    scope      TEXT COLLATE "C" NOT NULL,
    -- Milliseconds since 1970.
    last_at    BIGINT NOT NULL,
    PRIMARY KEY (key_number, scope)
);
INSERT INTO scope_uses (key_number, scope, last_at)
SELECT h.key_number, r.name || CASE h.cell / 8 % 2 WHEN 0 THEN ':read' ELSE ':write' END, MAX(h.last_at)
FROM usage_hours h JOIN resources r ON r.number = h.cell / 16
WHERE h.cell % 8 < 3 GROUP BY h.key_number, h.cell / 8, r.name;
