//! A database that was restored in part, or of which somebody took something away: it is refused before
//! what is counted in it is lost.

use std::path::Path;

use bitting::store::AnyConnection;
use bitting::store::database::structure;
use diesel::{Connection, PgConnection, SqliteConnection};

use super::preconditions::refused_by_all;
use crate::support::{Backend, TestDatabase, binary, on_both};

on_both! {
    /// `BITTING_RENEW=1 tests/run --test it database::structure` writes them anew.
    fn the_parts_that_are_looked_for_are_those_that_the_migrations_make(backend) {
        let database = TestDatabase::migrated(backend);
        let (mut connection, name) = match backend {
            Backend::Sqlite => {
                let path = database.url.trim_start_matches("sqlite://");
                (AnyConnection::Sqlite(SqliteConnection::establish(path).unwrap()), "sqlite")
            }
            Backend::Postgres => {
                (AnyConnection::Postgres(PgConnection::establish(&database.url).unwrap()), "postgres")
            }
        };
        let parts = structure::parts(&mut connection).unwrap();
        let made: String = parts.into_iter().map(|part| part + "\n").collect();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/database/structure");
        let path = path.join(name).with_extension("txt");
        if std::env::var_os("BITTING_RENEW").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let looked_for = std::fs::read_to_string(&path).unwrap();
        let renew = "BITTING_RENEW=1 tests/run --test it database::structure";
        assert!(looked_for == made, "{path:?} is behind the migrations; renew it: {renew}");
    }
}

on_both! {
    fn a_database_that_lacks_a_part_is_refused_by_all(backend) {
        let taken = match backend {
            Backend::Sqlite => [("DROP TABLE users", "table users"), ("DROP INDEX api_keys_replaces", "unique index api_keys_replaces")],
            Backend::Postgres => [("DROP TABLE users CASCADE", "table users"), ("ALTER TABLE usage_journal DROP CONSTRAINT usage_journal_pkey", "unique index usage_journal_pkey")],
        };
        for (statement, part) in taken {
            let database = TestDatabase::migrated(backend);
            database.db_execute(statement);
            refused_by_all(&database.folder(), &database.url, "structure", &format!("the {part} is missing"));
        }
    }
}

#[test]
fn a_user_who_may_not_change_one_table_is_refused() {
    let database = TestDatabase::migrated(Backend::Postgres);
    let role = format!("app_{}", uuid::Uuid::now_v7().simple());
    let url = database.url.replace("bitting@", &format!("{role}@"));
    let all = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public";
    database.db_execute(&format!("CREATE ROLE {role} LOGIN; GRANT {all} TO {role}"));
    let check = || binary::run(&database.folder(), &["check", "--database-url", &url]);
    for right in ["INSERT ON usage_journal", "DELETE ON usage_journal", "UPDATE ON users"] {
        database.db_execute(&format!("REVOKE {right} FROM {role}"));
        refused_by_all(&database.folder(), &url, "writing", "may not make or change the tables");
        database.db_execute(&format!("GRANT {right} TO {role}"));
    }
    // Events are never changed, and whoever runs the database may see to that.
    database.db_execute(&format!("REVOKE UPDATE ON audit_events FROM {role}"));
    assert!(check().status.success(), "{:?}", check());
    // What may not be read is no reason to restore a backup, which revives revoked keys.
    database.db_execute(&format!("REVOKE SELECT ON connections FROM {role}"));
    let output = String::from_utf8(check().stdout).unwrap();
    assert!(output.contains("permission denied") && output.contains("GRANT SELECT"), "{output}");
    assert!(!output.contains("restore"), "{output}");
    database.db_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
