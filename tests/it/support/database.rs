//! A database of one's own for each test, of either kind.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use bitting::store::Target;
use bitting::store::database::migrate::{self, Missing};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::server::start_of_time;

/// Which kind of database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A database; it and its folder are gone with this.
pub struct TestDatabase {
    pub backend: Backend,
    pub url: String,
    folder: TempDir,
    /// Beside the application, to a PostgreSQL: one is kept, since beginning one costs more than most
    /// statements do.
    kept: Mutex<Option<PgConnection>>,
    on_server: Option<OnServer>,
}

fn sqlite_url(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("test.db").display())
}

/// A database on the PostgreSQL of the tests. It is removed when this is dropped: each is 10 MB, and
/// those of all tests together are more than a small disk has left.
struct OnServer {
    server: String,
    name: String,
}

impl OnServer {
    /// Makes one with such options as `ENCODING 'LATIN1'`.
    fn create(options: &str) -> Self {
        let server = std::env::var("BITTING_TEST_POSTGRES")
            .expect("no PostgreSQL to test on: run the tests with tests/run");
        let made = Self { server, name: format!("test_{}", uuid::Uuid::now_v7().simple()) };
        made.execute(&format!("CREATE DATABASE {} {options}", made.name)).unwrap();
        made
    }

    fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    fn execute(&self, sql: &str) -> Result<(), Box<dyn std::error::Error>> {
        let free = FREE.lock().unwrap().pop();
        let mut connection = match free {
            Some(free) => free,
            None => PgConnection::establish(&format!("{}/postgres", self.server))?,
        };
        connection.batch_execute(sql)?;
        FREE.lock().unwrap().push(connection);
        Ok(())
    }
}

/// Connections to the PostgreSQL of the tests that nobody uses just now: every test makes a database and
/// removes it, and beginning a connection costs more than that.
static FREE: Mutex<Vec<PgConnection>> = Mutex::new(Vec::new());

impl Drop for OnServer {
    fn drop(&mut self) {
        if let Err(why) =
            self.execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name))
        {
            eprintln!("{} stays behind: {why}", self.name);
        }
    }
}

/// What a migrated SQLite file holds.
static MIGRATED_FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let model = TestDatabase::new(Backend::Sqlite);
    model.db_migrate();
    std::fs::read(model.folder().join("test.db")).unwrap()
});

/// The options that make a copy of a migrated database on PostgreSQL.
static AS_MIGRATED: LazyLock<String> = LazyLock::new(|| {
    let mut model = TestDatabase::new(Backend::Postgres);
    model.db_migrate();
    let options = model.as_template();
    // The copies are made of it until the last test has ended.
    std::mem::forget(model.on_server.take());
    options
});

impl TestDatabase {
    /// An empty database.
    pub fn new(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = sqlite_url(&folder);
                Self::made(backend, url, folder, None)
            }
            Backend::Postgres => Self::on_server(""),
        }
    }

    fn on_server(options: &str) -> Self {
        let database = OnServer::create(options);
        let folder = tempfile::tempdir().unwrap();
        Self::made(Backend::Postgres, database.url(), folder, Some(database))
    }

    /// A database as the first start of a server leaves it, at the time when every test begins. It is a
    /// copy, since running all migrations costs more than most tests do; so all of them have one
    /// `database_id`.
    pub fn migrated(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let database = Self::new(backend);
                let mut file = OpenOptions::new();
                let file = file.write(true).create_new(true).mode(0o600);
                let mut file = file.open(database.folder().join("test.db")).unwrap();
                file.write_all(&MIGRATED_FILE).unwrap();
                database
            }
            Backend::Postgres => Self::on_server(&AS_MIGRATED),
        }
    }

    fn db_migrate(&self) {
        let target = self.url.parse::<Target>().unwrap();
        migrate::open(&target, 1, None, start_of_time(), Missing::Create).unwrap();
    }

    /// A database of PostgreSQL's that is made in another way, such as `ENCODING 'LATIN1'`.
    pub fn postgres(options: &str) -> Self {
        Self::on_server(&format!("TEMPLATE template0 {options}"))
    }

    /// The options that make a copy on PostgreSQL, which copies no database that somebody has open.
    fn as_template(&self) -> String {
        let (_, name) = self.url.rsplit_once('/').unwrap();
        let version = self.db_number("SELECT current_setting('server_version_num')");
        *self.kept.lock().unwrap() = None;
        // Before PostgreSQL 15, copying its files is the only way.
        let strategy = if version >= 150_000 { "STRATEGY file_copy" } else { "" };
        format!("TEMPLATE {name} {strategy}")
    }

    /// A copy of a database that nobody has open.
    pub fn db_copy(&self) -> Self {
        match self.backend {
            Backend::Sqlite => {
                let copy = Self::new(Backend::Sqlite);
                let file = copy.folder().join("test.db");
                self.db_execute(&format!("VACUUM INTO '{}'", file.display()));
                copy
            }
            Backend::Postgres => Self::on_server(&self.as_template()),
        }
    }

    /// A database that is there already, or is about to be.
    pub fn at(backend: Backend, url: String) -> Self {
        Self::made(backend, url, tempfile::tempdir().unwrap(), None)
    }

    fn made(backend: Backend, url: String, folder: TempDir, on_server: Option<OnServer>) -> Self {
        Self { backend, url, folder, kept: Mutex::default(), on_server }
    }

    /// A folder for this test alone; the SQLite file `test.db` lies in it.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Runs something on the connection to PostgreSQL that is kept, if it still works: a test may have
    /// stopped the server or ended its sessions.
    fn db_postgres<T>(&self, ask: impl FnOnce(&mut PgConnection) -> T) -> T {
        let kept = self.kept.lock().unwrap().take();
        let works =
            kept.and_then(|mut kept| kept.batch_execute("SELECT 1").is_ok().then_some(kept));
        let mut connection = works.unwrap_or_else(|| PgConnection::establish(&self.url).unwrap());
        let answer = ask(&mut connection);
        *self.kept.lock().unwrap() = Some(connection);
        answer
    }

    /// Runs SQL beside the application, on a connection of its own.
    pub fn db_execute(&self, sql: &str) {
        self.db_try(sql).unwrap();
    }

    /// The same with SQL that the database may refuse.
    pub fn db_try(&self, sql: &str) -> diesel::QueryResult<()> {
        match self.backend {
            Backend::Sqlite => self.db_sqlite().batch_execute(sql),
            Backend::Postgres => self.db_postgres(|connection| connection.batch_execute(sql)),
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
                self.db_postgres(|connection| query.get_result(connection)).unwrap()
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
            Backend::Postgres => self.db_postgres(|connection| query.load(connection)).unwrap(),
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
