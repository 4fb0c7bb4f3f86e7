DROP TABLE key_errors;
