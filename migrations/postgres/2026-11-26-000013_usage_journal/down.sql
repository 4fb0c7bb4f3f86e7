DROP TABLE usage_journal;
