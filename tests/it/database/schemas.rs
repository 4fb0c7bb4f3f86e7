//! Where in a PostgreSQL database the tables lie, and what else lies there.

use crate::support::binary::{command, ended, run, run_ok};
use crate::support::{Backend, TestDatabase};

/// A role of this test's own, with its schema as PostgreSQL recommends, and the database by it.
struct Role<'a> {
    database: &'a TestDatabase,
    name: String,
    url: String,
}

impl<'a> Role<'a> {
    fn owning(database: &'a TestDatabase) -> Self {
        let name = format!("owner_{}", uuid::Uuid::now_v7().simple());
        let of = database.url.rsplit('/').next().unwrap();
        database.db_execute(&format!(
            "CREATE ROLE {name} LOGIN; ALTER DATABASE {of} OWNER TO {name}; \
             GRANT CREATE ON SCHEMA public TO {name}"
        ));
        let url = database.url.replace("bitting@", &format!("{name}@"));
        Self { database, name, url }
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        let (name, of) = (&self.name, self.database.url.rsplit('/').next().unwrap());
        self.database.db_execute(&format!(
            "ALTER DATABASE {of} OWNER TO bitting; DROP OWNED BY {name} CASCADE; DROP ROLE {name}"
        ));
    }
}

#[test]
fn tables_are_found_where_statements_find_them_and_new_ones_are_made_beside_them() {
    let database = TestDatabase::new(Backend::Postgres);
    let role = Role::owning(&database);
    let run_ok = |arguments: &[&str]| {
        run_ok(&database.folder(), &[arguments, &["--database-url", &role.url]].concat())
    };
    run_ok(&["migrate"]);
    // From now on it is the first that is searched.
    database.db_execute(&format!("CREATE SCHEMA {0} AUTHORIZATION {0}", role.name));
    database.db_execute(
        "DROP TABLE key_errors; DELETE FROM __diesel_schema_migrations WHERE version = '20261128000017'",
    );
    run_ok(&["migrate"]);
    run_ok(&["key", "create", "--name", "k", "--scope", "calls:read"]);
    run_ok(&["check"]);
    let schemas = database.db_texts(
        "SELECT schemaname FROM pg_tables WHERE tablename IN ('key_errors', 'bitting') ORDER BY 1",
    );
    assert_eq!(schemas, ["public", "public"]);
}

#[test]
fn tables_that_are_not_searched_for_are_named() {
    let database = TestDatabase::new(Backend::Postgres);
    let name = database.url.rsplit('/').next().unwrap();
    database.db_execute(&format!(
        "CREATE SCHEMA \"The App\"; ALTER DATABASE {name} SET search_path = \"The App\""
    ));
    let arguments =
        |command: &[&'static str]| [command, &["--database-url", &database.url]].concat();
    run_ok(&database.folder(), &arguments(&["migrate"]));
    // A dump does not bring this along.
    database.db_execute(&format!("ALTER DATABASE {name} RESET search_path"));
    for command_line in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"], &["check"]] {
        let output = ended(command(&database.folder(), &arguments(command_line)));
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        for part in ["in the schema \"The App\"", "SET search_path = \"The App\""] {
            assert!(said.contains(part), "{command_line:?}: no {part}: {said}");
        }
        assert!(!said.contains("another program") && !said.contains("restore"), "{said}");
    }
    assert_eq!(database.db_number("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"), 0);
}

#[test]
fn what_others_keep_in_schemas_of_their_own_is_in_nobodys_way() {
    let database = TestDatabase::new(Backend::Postgres);
    let role = Role::owning(&database);
    database.db_execute(
        "CREATE SCHEMA metric_helpers; CREATE VIEW metric_helpers.statements AS SELECT 1 AS one",
    );
    let arguments = |command| [command, "--database-url", &role.url];
    run_ok(&database.folder(), &arguments("migrate"));
    run_ok(&database.folder(), &arguments("check"));
    // In the schema that ours would be in, it is another program's.
    let database = TestDatabase::new(Backend::Postgres);
    let role = Role::owning(&database);
    database.db_execute("CREATE VIEW statements AS SELECT 1 AS one");
    let refused = run(&database.folder(), &["migrate", "--database-url", &role.url]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("another program"), "{said}");
}
