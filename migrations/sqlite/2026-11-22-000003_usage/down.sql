DROP TABLE key_addresses;
DROP TABLE usage_marks;
DROP TABLE usage_rollup;
DROP TABLE usage_totals;
DROP TABLE usage_hours;
DROP TABLE usage_minutes;
