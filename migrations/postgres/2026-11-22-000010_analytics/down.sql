DROP INDEX leads_overview;
DROP INDEX calls_overview;
DROP TABLE usage_sums;
