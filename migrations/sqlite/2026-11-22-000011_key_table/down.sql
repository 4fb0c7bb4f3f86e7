DROP INDEX api_keys_state;
DROP TABLE key_forms;
DROP TABLE key_summary_position;
DROP TABLE key_summaries;
