//! The schema that migrations make: the one the program reads, the same on both databases, undone
//! as it was done, made once however many processes start, and strict by itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bitting::config::Options;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::json;

use crate::support::{
    Backend, Binary, TestDatabase, TestServer, binary, eventually, on_both, rounds, tool,
};

/// The folder with a database's migrations.
fn folder(backend: Backend) -> PathBuf {
    let name = match backend {
        Backend::Sqlite => "sqlite",
        Backend::Postgres => "postgres",
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(name)
}

/// The names of the migrations, in order.
fn names(backend: Backend) -> Vec<String> {
    let entries = std::fs::read_dir(folder(backend)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn sql(backend: Backend, migration: &str, file: &str) -> String {
    std::fs::read_to_string(folder(backend).join(migration).join(file)).unwrap()
}

/// `bitting migrate` on this database.
fn migrate(database: &TestDatabase) -> String {
    binary::run_ok(&database.folder(), &["migrate", "--database-url", &database.url])
}

/// A table: its columns as `name type` or `name type nullable`, and its primary key.
type Tables = BTreeMap<String, (Vec<String>, String)>;

/// What the program believes: the tables of the house, and those of the built-in API.
fn declared() -> Tables {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let source = read("src/store/schema.rs") + &read("src/records/store/schema.rs");
    let mut tables = Tables::new();
    for block in source.split("diesel::table! {").skip(1) {
        let (head, rest) = block.split_once('{').unwrap();
        let (name, key) = head.trim().trim_end_matches(')').split_once(" (").unwrap();
        let columns = rest.split_once('}').unwrap().0.lines().filter_map(|line| {
            let (column, kind) = line.trim().trim_end_matches(',').split_once(" -> ")?;
            Some(match kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>')) {
                Some(kind) => format!("{column} {kind} nullable"),
                None => format!("{column} {kind}"),
            })
        });
        tables.insert(name.to_owned(), (columns.collect(), key.to_owned()));
    }
    tables
}

/// What the names of the tables and the index of the full-text index begin with.
const FULL_TEXT: &str = "knowledge_base_words";

/// What the database has.
fn present(database: &TestDatabase) -> Tables {
    // One line a column: table, column, type in schema.rs's words, nullability, place in the key.
    let columns = match database.backend {
        Backend::Sqlite => {
            "SELECT t.name || '|' || c.name || '|' || c.type || '|' || (1 - c.\"notnull\") || '|' || c.pk
             FROM sqlite_schema t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid"
        }
        Backend::Postgres => {
            "SELECT t.relname || '|' || a.attname || '|' || format_type(a.atttypid, a.atttypmod)
               || '|' || CASE WHEN a.attnotnull THEN 0 ELSE 1 END
               || '|' || COALESCE(array_position(i.indkey::int[], a.attnum::int) + 1, 0)
             FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0
             LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary
             WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace
             ORDER BY t.relname, a.attnum"
        }
    };
    let mut tables: BTreeMap<String, (Vec<String>, BTreeMap<i32, String>)> = BTreeMap::new();
    for line in database.db_texts(columns) {
        let [table, column, kind, nullable, key] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        // The full-text index is each database's own, and not in diesel's words.
        if table == "__diesel_schema_migrations" || table.starts_with(FULL_TEXT) {
            continue;
        }
        let kind = match kind {
            "INTEGER" | "BIGINT" | "bigint" => "BigInt",
            "TEXT" | "text" => "Text",
            "BLOB" | "bytea" => "Binary",
            "BOOLEAN" | "boolean" => "Bool",
            "TIMESTAMP" | "timestamp without time zone" => "Timestamp",
            other => other,
        };
        let known = tables.entry(table.to_owned()).or_default();
        known.0.push(format!("{column} {kind}{}", if nullable == "1" { " nullable" } else { "" }));
        match key.parse().unwrap() {
            0 => {}
            place => drop(known.1.insert(place, column.to_owned())),
        }
    }
    let key = |key: BTreeMap<i32, String>| key.into_values().collect::<Vec<_>>().join(", ");
    tables.into_iter().map(|(name, (columns, k))| (name, (columns, key(k)))).collect()
}

/// Everything the database says of its own schema, to be compared with itself.
fn schema(database: &TestDatabase) -> Vec<String> {
    let everything = match database.backend {
        Backend::Sqlite => {
            "SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_schema
             WHERE name NOT LIKE 'sqlite_%' ORDER BY 1"
        }
        Backend::Postgres => {
            "SELECT 'column ' || table_name || ' ' || ordinal_position || column_name || ' ' || data_type
               || is_nullable || COALESCE(collation_name, '') || COALESCE(identity_generation, '')
             FROM information_schema.columns WHERE table_schema = 'public'
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
             UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
             WHERE connamespace = 'public'::regnamespace
             UNION ALL SELECT 'sequence ' || sequencename FROM pg_sequences ORDER BY 1"
        }
    };
    let mut found = database.db_texts(everything);
    found.retain(|line| !line.contains("__diesel_schema_migrations"));
    found
}

/// The rows that a start writes: the mark, the roll-up's place and what has been migrated.
fn first_rows(database: &TestDatabase) -> Vec<String> {
    database.db_texts(
        "SELECT brand || oldest_program || CAST(high_water AS TEXT) FROM bitting
         UNION ALL SELECT CAST(hour AS TEXT) || key_number || minutes_from FROM usage_rollup
         UNION ALL SELECT version || CAST(run_on AS TEXT) FROM __diesel_schema_migrations",
    )
}

on_both! {
    fn the_program_and_the_database_agree_on_every_column(backend) {
        let database = TestDatabase::new(backend);
        migrate(&database);
        let declared = declared();
        assert!(declared.len() >= 11, "{declared:?}");
        assert_eq!(declared, present(&database));
    }
}

#[test]
fn both_databases_have_the_same_migrations_and_indexes() {
    assert_eq!(names(Backend::Sqlite), names(Backend::Postgres));
    let indexes = |backend, query: &str| {
        let database = TestDatabase::new(backend);
        migrate(&database);
        let mut names = database.db_texts(query);
        names.retain(|name| !name.starts_with(FULL_TEXT));
        names
    };
    let sqlite = indexes(
        Backend::Sqlite,
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
    );
    let postgres = indexes(
        Backend::Postgres,
        "SELECT indexname FROM pg_indexes LEFT JOIN pg_constraint ON conname = indexname
         WHERE schemaname = 'public' AND conname IS NULL ORDER BY indexname",
    );
    assert!(!sqlite.is_empty());
    assert_eq!(sqlite, postgres);
}

on_both! {
    fn every_migration_is_undone_as_it_was_done(backend) {
        let database = TestDatabase::new(backend);
        let names = names(backend);
        let mut states = vec![schema(&database)];
        for name in &names {
            database.db_execute(&sql(backend, name, "up.sql"));
            states.push(schema(&database));
        }
        let complete = states.last().unwrap().clone();
        for (name, before) in names.iter().zip(&states).rev() {
            database.db_execute(&sql(backend, name, "down.sql"));
            assert_eq!(&schema(&database), before, "{name}");
        }
        for name in &names {
            database.db_execute(&sql(backend, name, "up.sql"));
        }
        assert_eq!(schema(&database), complete);
        let migrated = TestDatabase::new(backend);
        migrate(&migrated);
        assert_eq!(schema(&migrated), complete);
    }
}

on_both! {
    fn a_second_start_changes_nothing(backend) {
        let database = TestDatabase::new(backend);
        migrate(&database);
        let before = (schema(&database), first_rows(&database));
        let bytes = |database: &TestDatabase| std::fs::read(database.folder().join("test.db")).ok();
        let file = bytes(&database);
        assert!(migrate(&database).ends_with("is ready"));
        assert_eq!((schema(&database), first_rows(&database)), before);
        assert_eq!(bytes(&database), file);
    }
}

on_both! {
    /// One migrates, the others wait, and every one of them works.
    fn many_processes_may_start_at_once_on_an_empty_database(backend) {
        for round in 0..3 {
            let database = TestDatabase::new(backend);
            let key = ["key", "create", "--name", "race", "--scope", "calls:read"];
            let start = |arguments: &[&str]| {
                let mut command = binary::command(&database.folder(), arguments);
                command.args(["--database-url", &database.url]);
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            };
            let running: Vec<_> =
                (0..6).map(|n| if n % 2 == 0 { start(&["migrate"]) } else { start(&key) }).collect();
            for child in running {
                let output = child.wait_with_output().unwrap();
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "round {round}: {errors}");
            }
            assert_eq!(database.db_number("SELECT COUNT(*) FROM bitting"), 1);
            assert_eq!(database.db_number("SELECT COUNT(*) FROM api_keys"), 3);
            let run = database.db_number("SELECT COUNT(*) FROM __diesel_schema_migrations");
            assert_eq!(run, names(backend).len() as i64);
            let left = std::fs::read_dir(database.folder()).unwrap();
            let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
            assert!(left.iter().all(|name| name == "test.db"), "{left:?}");
        }
    }
}

/// A database whose last migration is pending, and a connection that holds what migrating needs.
fn held_up(by: &str) -> (TestDatabase, PgConnection) {
    let database = TestDatabase::migrated(Backend::Postgres);
    let last = names(Backend::Postgres).pop().unwrap();
    database.db_execute(&sql(Backend::Postgres, &last, "down.sql"));
    database.db_execute(
        "DELETE FROM __diesel_schema_migrations \
         WHERE version = (SELECT MAX(version) FROM __diesel_schema_migrations)",
    );
    let mut other = PgConnection::establish(&database.url).unwrap();
    other.batch_execute(&format!("BEGIN; {by}")).unwrap();
    (database, other)
}

#[test]
fn migrating_takes_as_long_as_it_takes() {
    // Another process that migrates, and a statement that takes longer than any other may.
    for by in [
        "SELECT pg_advisory_xact_lock(1651078260, 3)",
        "LOCK TABLE __diesel_schema_migrations IN EXCLUSIVE MODE",
    ] {
        let (database, mut other) = held_up(by);
        let arguments = ["migrate", "--database-url", &database.url];
        let mut command = binary::command(&database.folder(), &arguments);
        let mut migrating = command.stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs(5));
        assert!(migrating.try_wait().unwrap().is_none(), "{by}");
        other.batch_execute("COMMIT").unwrap();
        assert!(migrating.wait().unwrap().success(), "{by}");
    }
}

#[test]
fn a_server_lives_and_can_be_stopped_while_another_migrates() {
    let (database, mut other) = held_up("SELECT pg_advisory_xact_lock(1651078260, 3)");
    let server = Binary::serve(&database.folder(), &["--database-url", &database.url]);
    let status = |path| server.client.send("GET", path, &[], None).status;
    assert_eq!((status("/healthz"), status("/readyz")), (200, 503));
    assert!(server.log().contains("another process is migrating"), "{}", server.log());
    other.batch_execute("COMMIT").unwrap();
    eventually("the server is ready", || server.is_ready());
    assert_eq!(server.terminate().0, Some(0));

    let (database, _other) = held_up("SELECT pg_advisory_xact_lock(1651078260, 3)");
    let server = Binary::serve(&database.folder(), &["--database-url", &database.url]);
    assert_eq!(server.terminate().0, Some(0));
}

/// Kills the first start at its every further write, from the first to the last, or at every
/// thirteenth where not all rounds are run.
#[test]
fn a_start_that_is_killed_at_any_write_is_finished_by_the_next() {
    let Some(strace) = tool("strace") else { return };
    let whole = TestDatabase::new(Backend::Sqlite);
    migrate(&whole);
    let expected = schema(&whole);
    let mut killed = 0;
    for call in ["pwrite64", "fdatasync", "link"] {
        for write in (1..).step_by(rounds(1, 13)) {
            let database = TestDatabase::new(Backend::Sqlite);
            let traced = Command::new(&strace)
                .args(["-f", "-qq", "-o", "/dev/null", "-e", "signal=none"])
                .args(["-e", &format!("inject={call}:signal=SIGKILL:when={write}")])
                .arg(env!("CARGO_BIN_EXE_bitting"))
                .args(["migrate", "--database-url", &database.url])
                .output()
                .unwrap();
            migrate(&database);
            assert_eq!(schema(&database), expected, "killed at {call} {write}");
            if traced.status.success() {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed > 10, "only {killed} starts were killed");
}

on_both! {
    /// The database itself refuses what no correct program would write.
    fn the_database_refuses_what_must_never_be(backend) {
        let server = TestServer::start(backend);
        server.key("calls:read");
        server.key("calls:read");
        let database = server.stop();
        for broken in [
            "UPDATE api_keys SET scopes = ''",
            "UPDATE api_keys SET scopes = NULL",
            "UPDATE api_keys SET digest = (SELECT digest FROM api_keys LIMIT 1)",
            "UPDATE api_keys SET id = (SELECT MIN(id) FROM api_keys)",
            "UPDATE api_keys SET revision = 1",
            "UPDATE api_keys SET digest = NULL",
            "UPDATE api_keys SET name = NULL",
            "UPDATE admin_tokens SET access = 'all'",
            "UPDATE admin_tokens SET expires_at = NULL",
            "INSERT INTO bitting SELECT 2, brand, oldest_program, high_water, database_id FROM bitting",
            "INSERT INTO bitting SELECT * FROM bitting",
            "INSERT INTO usage_rollup SELECT 2, hour, key_number, minutes_from FROM usage_rollup",
        ] {
            let before = database.db_texts("SELECT id || scopes || revision FROM api_keys");
            let refused = database.db_try(broken).unwrap_err().to_string();
            assert!(refused.contains("constraint"), "{broken}: {refused}");
            let after = database.db_texts("SELECT id || scopes || revision FROM api_keys");
            assert_eq!(before, after, "{broken}");
        }
    }
}

on_both! {
    fn a_set_of_scopes_is_the_same_after_a_restart(backend) {
        const ALL: &str = "calls:read calls:write leads:read leads:write agents:read agents:write \
                           analytics:read contacts:read contacts:write knowledge_base:read \
                           knowledge_base:write integrations:read integrations:write";
        let server = TestServer::start(backend);
        let sets: Vec<&str> = ALL.split(' ').chain([ALL, "leads:read leads:write"]).collect();
        let keys: Vec<_> = sets.iter().map(|scopes| server.key(scopes)).collect();
        let server = TestServer::on(server.stop(), Options::default());
        for (key, scopes) in keys.iter().zip(sets) {
            let expected = json!(scopes.split(' ').collect::<Vec<_>>());
            let stored = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
            assert_eq!(stored["scopes"], expected, "as stored");
            let loaded = server.call(key, "GET", "/v1/whoami", None).ok();
            assert_eq!(loaded["scopes"], expected, "as the key knows them");
            let may_read = scopes.split(' ').any(|scope| scope == "calls:read");
            let expected = if may_read { (200, "") } else { (403, "insufficient_scope") };
            server.call(key, "GET", "/v1/calls", None).expect(expected.0, expected.1);
        }
    }
}
