//! Setting a database back to what it held before, all at once and without ending a session, as a
//! pooler that leads to another server or a restore in place does.

use super::database::{Backend, TestDatabase};

/// Remembers what the database holds.
pub fn db_save(database: &TestDatabase) {
    match database.backend {
        Backend::Sqlite => {
            let copy = database.folder().join("saved.db");
            let _ = std::fs::remove_file(&copy);
            database.db_execute(&format!("VACUUM INTO '{}'", copy.display()));
        }
        Backend::Postgres => database.db_execute(
            "DROP SCHEMA IF EXISTS saved CASCADE; CREATE SCHEMA saved; \
             DO $$ DECLARE t TEXT; BEGIN \
             FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
             EXECUTE format('CREATE TABLE saved.%I AS TABLE public.%I', t, t); END LOOP; END $$; \
             CREATE TABLE saved.numbers AS SELECT sequencename AS name, last_value AS last \
             FROM pg_sequences WHERE schemaname = 'public'",
        ),
    }
}

/// What sets PostgreSQL back, inside a transaction.
pub const SET_POSTGRES_BACK: &str = "SET LOCAL session_replication_role = replica; \
    DO $$ DECLARE t TEXT; BEGIN \
    FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
    EXECUTE format('DELETE FROM public.%I', t); \
    EXECUTE format('INSERT INTO public.%I OVERRIDING SYSTEM VALUE SELECT * FROM saved.%I', t, t); \
    END LOOP; END $$; \
    SELECT setval(format('public.%I', name)::regclass, COALESCE(last, 1), last IS NOT NULL) \
    FROM saved.numbers";

/// Sets it back to that; numbers are given out anew.
pub fn db_set_back(database: &TestDatabase) {
    match database.backend {
        Backend::Sqlite => {
            let tables = database.db_texts(
                "SELECT name FROM sqlite_schema WHERE type = 'table' \
                 AND name NOT LIKE 'knowledge_base_words%'",
            );
            let restored = tables.iter().map(|table| {
                format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved.{table};")
            });
            database.db_execute(&format!(
                "ATTACH '{}' AS saved; PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; {} COMMIT",
                database.folder().join("saved.db").display(),
                restored.collect::<String>()
            ));
        }
        // A server that writes meanwhile may hold what this waits for, and wait for what this holds.
        Backend::Postgres => {
            let set_back = || database.db_try(&format!("BEGIN; {SET_POSTGRES_BACK}; COMMIT"));
            while let Err(why) = set_back() {
                assert!(why.to_string().contains("deadlock detected"), "{why}");
            }
        }
    }
}
