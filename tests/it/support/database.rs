//! A database of one's own for each test, of either kind.

use std::path::PathBuf;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

/// Which kind of database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// An empty database; its folder goes with it.
pub struct TestDatabase {
    pub backend: Backend,
    pub url: String,
    folder: TempDir,
}

impl TestDatabase {
    pub fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match backend {
            Backend::Sqlite => format!("sqlite://{}", folder.path().join("test.db").display()),
            Backend::Postgres => {
                let server = std::env::var("BITTING_TEST_POSTGRES")
                    .expect("no PostgreSQL to test on: run the tests with tests/run");
                let name = format!("test_{}", uuid::Uuid::now_v7().simple());
                let mut connection =
                    PgConnection::establish(&format!("{server}/postgres")).unwrap();
                connection.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
                format!("{server}/{name}")
            }
        };
        Self { backend, url, folder }
    }

    /// A database of PostgreSQL's that is made in another way, such as `ENCODING 'LATIN1'`.
    pub fn postgres(options: &str) -> Self {
        let database = Self::new(Backend::Postgres);
        let (server, name) = database.url.rsplit_once('/').unwrap();
        let mut connection = PgConnection::establish(&format!("{server}/postgres")).unwrap();
        connection.batch_execute(&format!("DROP DATABASE {name}")).unwrap();
        let make = format!("CREATE DATABASE {name} TEMPLATE template0 {options}");
        connection.batch_execute(&make).unwrap();
        database
    }

    /// A database that is there already, or is about to be.
    pub fn at(backend: Backend, url: String) -> Self {
        Self { backend, url, folder: tempfile::tempdir().unwrap() }
    }

    /// A folder for this test alone; the SQLite file `test.db` lies in it.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Runs SQL beside the application, on a connection of its own.
    pub fn db_execute(&self, sql: &str) {
        self.db_try(sql).unwrap();
    }

    /// The same with SQL that the database may refuse.
    pub fn db_try(&self, sql: &str) -> diesel::QueryResult<()> {
        match self.backend {
            Backend::Sqlite => self.db_sqlite().batch_execute(sql),
            Backend::Postgres => PgConnection::establish(&self.url).unwrap().batch_execute(sql),
        }
    }

    /// Asks for one number, beside the application.
    pub fn db_number(&self, sql: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            number: i64,
        }
        use diesel::RunQueryDsl;
        let query = diesel::sql_query(format!("SELECT CAST(({sql}) AS BIGINT) AS number"));
        let row: Row = match self.backend {
            Backend::Sqlite => query.get_result(&mut self.db_sqlite()).unwrap(),
            Backend::Postgres => {
                query.get_result(&mut PgConnection::establish(&self.url).unwrap()).unwrap()
            }
        };
        row.number
    }

    /// How many requests are counted in the database, rolled-up hours aside.
    pub fn db_counted(&self) -> i64 {
        let sum = |table| format!("(SELECT COALESCE(SUM(n), 0) FROM {table})");
        self.db_number(&format!("SELECT {} + {}", sum("usage_minutes"), sum("usage_journal")))
    }

    /// Stores an agent with this id, for records to refer to.
    pub fn db_make_agent(&self, id: &str) {
        self.db_execute(&format!(
            "INSERT INTO agents (id, created_at, updated_at, name, voice_id, status) \
             VALUES ('{id}', '2026-01-01 00:00:00', '2026-01-01 00:00:00', 'Ada', 'v', 'active')"
        ));
    }

    /// Asks for one column of text, beside the application.
    pub fn db_texts(&self, sql: &str) -> Vec<String> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            text: String,
        }
        use diesel::RunQueryDsl;
        let query = format!("WITH asked(a) AS ({sql}) SELECT CAST(a AS TEXT) AS text FROM asked");
        let query = diesel::sql_query(query);
        let rows: Vec<Row> = match self.backend {
            Backend::Sqlite => query.load(&mut self.db_sqlite()).unwrap(),
            Backend::Postgres => {
                query.load(&mut PgConnection::establish(&self.url).unwrap()).unwrap()
            }
        };
        rows.into_iter().map(|row| row.text).collect()
    }

    /// A connection of one's own to the SQLite file.
    pub fn db_sqlite(&self) -> SqliteConnection {
        let path = self.url.strip_prefix("sqlite://").unwrap();
        let mut connection = SqliteConnection::establish(path).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        connection
    }
}
