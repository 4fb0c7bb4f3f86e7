-- The hour rows of all keys added up, so that figures over all keys are one range.
CREATE TABLE usage_sums (
    hour BIGINT NOT NULL,
    cell BIGINT NOT NULL,
    n    BIGINT NOT NULL,
    PRIMARY KEY (hour, cell)
);
INSERT INTO usage_sums (hour, cell, n)
SELECT hour, cell, CAST(SUM(n) AS BIGINT) FROM usage_hours GROUP BY hour, cell;

-- All that the overview reads, so that it reads nothing else.
CREATE INDEX calls_overview ON calls (occurred_at, status, duration_seconds);
CREATE INDEX leads_overview ON leads (created_at, status);
