//! Creating and migrating the database, and refusing one that is not Bitting's.
//!
//! Nothing is changed before it is certain whose database it is. Migrations run under an exclusive
//! lock, so that of many processes that start at once one migrates and the others wait, and take as
//! long as they take.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use chrono::NaiveDateTime;
use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use uuid::Uuid;

use super::any_connection::AnyConnection;
use super::connection::{Session, sqlite_uri};
use super::generation::{FIRST, GENERATION};
use super::identities;
use super::libpq;
use super::ownership;
use super::ownership::{OUR_SCHEMA, State};
use super::pool::Database;
use super::preconditions;
use super::preconditions::ServerFacts;
use super::sqlite_faults;
use super::structure;
use super::target::Target;
use super::transaction::AdvisoryLock;
use crate::model::secret::Brand;
use crate::model::time::Moment;
use crate::model::usage::Minute;
use crate::store::error::{Error, Result};
use crate::store::schema::{bitting, usage_rollup};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

const DEFAULT_BRAND: &str = "bt";

/// How long a migration waits for a table that others use, in milliseconds, and when it tries again.
const LOCK_TIMEOUT: u32 = 2000;
const LOCK_PAUSE: Duration = Duration::from_secs(3);

/// The smallest SQLite file: one page of 512 bytes. SQLite takes some shorter files for new ones.
const SMALLEST_FILE: u64 = 512;

/// What is stored in the database's `bitting` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// The prefix of every key made in this database.
    pub brand: String,
    /// The highest time any process has seen.
    pub high_water: Moment,
}

/// What to do if the database does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Create it.
    Create,
    /// Fail, so that a typo does not create an empty database.
    Refuse,
}

/// Opens the database, creates it if wanted, and migrates it. The brand is fixed when the database
/// is created: `bt` by default.
///
/// # Errors
/// [`Error::Refused`] with one sentence for people when the database is missing, damaged, another
/// program's or too new, [`Error::Brand`] when it has another brand; nothing was changed then.
pub fn open(
    target: &Target,
    connections: u32,
    brand: Option<&Brand>,
    now: Moment,
    missing: Missing,
) -> Result<(Database, DatabaseInfo)> {
    if let Target::Sqlite(path) = target {
        prepare_file(path, missing)?;
        if missing == Missing::Create {
            preconditions::demand(target, preconditions::of_file(path))?;
        }
    }
    let database = Database::new(target.clone(), connections);
    database.watch().map_err(|why| Error::Refused(format!("no thread can be started: {why}")))?;
    let mark = database
        .dedicated()
        .and_then(|mut session| {
            let mark = bring_up_to_date(&mut session, target, brand, now, missing)?;
            if missing == Missing::Create {
                preconditions::demand(target, session.read(structure::finding)?)?;
                preconditions::demand(target, session.read(identities::finding)?)?;
            }
            Ok(mark)
        })
        .map_err(|error| sqlite_faults::explain(error, target))?;
    Ok((database, mark))
}

/// Makes sure that there is a file to open; SQLite itself would create one silently.
fn prepare_file(path: &Path, missing: Missing) -> Result<()> {
    let refused = |why: String| Err(Error::Refused(format!("{}: {why}", path.display())));
    match std::fs::metadata(path) {
        Ok(file) if file.is_dir() => refused("is a folder; name a file in it".to_owned()),
        Ok(file) if file.len() < SMALLEST_FILE => refused(
            "is not a database, or is truncated; name another file, restore a backup, or, if you need nothing in it, delete it to start afresh"
                .to_owned(),
        ),
        Ok(_) => Ok(()),
        Err(why) if why.kind() == ErrorKind::NotFound && missing == Missing::Create => {
            create_file(path)
        }
        Err(why) if why.kind() == ErrorKind::NotFound => refused(
            "this database does not exist; make it with `bitting serve` or `bitting migrate`, or name another with --database-url"
                .to_owned(),
        ),
        Err(why) => refused(format!("cannot be read: {why}")),
    }
}

/// Makes a database with one page, so that an empty file always means an accident. It is written
/// under another name first: nobody ever meets half of it, and of many processes that start at
/// once the first one's stays.
fn create_file(path: &Path) -> Result<()> {
    if path.is_symlink() {
        return Err(Error::Refused(format!(
            "{}: is a link to a file that is not there; put that file back, or remove the link",
            path.display()
        )));
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".new-{}", Uuid::now_v7().simple()));
    let draft = Path::new(&draft);
    let made = write_first_page(draft).and_then(|()| match std::fs::hard_link(draft, path) {
        Err(_) if !path.exists() => write_first_page(path), // a file system without hard links
        _ => Ok(()),
    });
    let _ = std::fs::remove_file(draft);
    made.map_err(|why| {
        Error::Refused(format!(
            "{}: cannot be created: {why}; with --database-url, choose a folder that exists and that this user may write to",
            path.display()
        ))
    })
}

fn write_first_page(path: &Path) -> std::result::Result<(), String> {
    // Made here, since SQLite would let strangers read it; what it makes beside it is alike.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|why| why.to_string())?;
    let uri = sqlite_uri(path, "rw");
    let mut connection = SqliteConnection::establish(&uri).map_err(|why| why.to_string())?;
    connection
        .batch_execute(
            "PRAGMA busy_timeout = 2300; PRAGMA journal_mode = WAL; PRAGMA user_version = 1;",
        )
        .map_err(|why| why.to_string())
}

fn bring_up_to_date(
    session: &mut Session,
    target: &Target,
    brand: Option<&Brand>,
    now: Moment,
    missing: Missing,
) -> Result<DatabaseInfo> {
    let mark = match session.read(ownership::state)? {
        State::Empty if missing == Missing::Refuse => {
            return Err(Error::Refused(format!(
                "{target}: the database is empty; prepare it with `bitting migrate`"
            )));
        }
        State::Empty => None,
        state => {
            let look = session.read(|connection| look_at(state, connection, target))?;
            demand_brand(&look.mark, brand)?;
            (!look.outdated).then_some(look.mark)
        }
    };
    // Who only looks at a database need not be able to change it.
    if let (Some(mark), Missing::Refuse) = (&mark, missing) {
        return Ok(mark.clone());
    }
    if let Some(server) = session.read(ServerFacts::of)? {
        preconditions::demand(target, preconditions::of_server(&server))?;
    }
    if let AnyConnection::Sqlite(connection) = &mut session.connection {
        connection.batch_execute("PRAGMA journal_mode = WAL;")?;
    }
    if let Some(mark) = mark {
        return Ok(mark);
    }
    session.take_time();
    loop {
        let migrated = session.write(|connection| {
            wait_for_turn(connection)?;
            run_migrations(connection)?;
            mark_database(connection, brand.map_or(DEFAULT_BRAND, Brand::as_str), now)
        });
        match migrated {
            Err(Error::Busy) if matches!(target, Target::Postgres(_)) => {
                tracing::warn!(
                    "a table is in use for long, by a dump for example; it is waited for"
                );
                thread::sleep(LOCK_PAUSE);
            }
            Err(why) => return Err(why),
            Ok(_) => break,
        }
    }
    // Whoever was waited for may have made another database of it.
    let mark = session.read(|connection| look(connection, target))?.mark;
    demand_brand(&mark, brand)?;
    Ok(mark)
}

fn demand_brand(mark: &DatabaseInfo, brand: Option<&Brand>) -> Result<()> {
    match brand.filter(|given| given.as_str() != mark.brand) {
        Some(given) => Err(Error::Brand { given: given.to_string(), stored: mark.brand.clone() }),
        None => Ok(()),
    }
}

/// Waits for whoever else migrates the database, however long that takes.
fn wait_for_turn(connection: &mut AnyConnection) -> Result<()> {
    if !AdvisoryLock::Schema.try_acquire(connection)? {
        tracing::warn!("another process is migrating the database; it is waited for");
        AdvisoryLock::Schema.acquire(connection)?;
    }
    Ok(())
}

/// What is known of a database that was inspected without changing it.
#[derive(Debug)]
pub struct Look {
    /// Brand and highest time.
    pub mark: DatabaseInfo,
    /// Whether migrations of this program have not been run in it.
    pub outdated: bool,
}

/// Looks at a database of ours without migrating it.
///
/// # Errors
/// [`Error::Refused`] with one sentence for people when it is empty, another program's or too new.
pub fn look(connection: &mut AnyConnection, target: &Target) -> Result<Look> {
    let state = ownership::state(connection)?;
    look_at(state, connection, target)
}

fn look_at(state: State, connection: &mut AnyConnection, target: &Target) -> Result<Look> {
    match state {
        State::Empty => Err(Error::Refused(format!("{target}: the database is empty"))),
        State::Foreign => Err(ownership::foreign(target)),
        State::Elsewhere { schema } => Err(ownership::elsewhere(target, &schema)),
        State::Ours { oldest_program } if oldest_program > GENERATION => {
            Err(ownership::too_new(target, oldest_program))
        }
        State::Ours { .. } => {
            let mark = mark(connection)?.ok_or_else(|| ownership::foreign(target))?;
            Ok(Look { mark, outdated: has_pending(connection)? })
        }
    }
}

/// Runs pending migrations inside the caller's transaction: each migration's `metadata.toml` keeps
/// diesel from beginning one of its own.
fn run_migrations(connection: &mut AnyConnection) -> Result<()> {
    match connection {
        AnyConnection::Sqlite(connection) => pending(connection, SQLITE),
        AnyConnection::Postgres(connection) => {
            // Whoever else asks for a table queues behind this: running servers would wait as long for
            // the change feed. And what is new belongs beside what is there already.
            connection.batch_execute(&format!(
                "SET LOCAL lock_timeout = {LOCK_TIMEOUT}; \
                 SELECT set_config('search_path', quote_ident(nspname), TRUE) FROM pg_catalog.pg_namespace WHERE oid = {OUR_SCHEMA}"
            ))?;
            pending(connection, POSTGRES)
        }
    }
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Whether migrations are pending in a database of ours. It only reads, unlike diesel's own
/// function of that name, which first creates the table: whoever inspects may not be allowed to.
fn has_pending(connection: &mut AnyConnection) -> Result<bool> {
    let applied: Vec<Applied> =
        diesel::sql_query("SELECT version FROM __diesel_schema_migrations").load(connection)?;
    let known = match connection {
        AnyConnection::Sqlite(_) => versions::<Sqlite>(SQLITE),
        AnyConnection::Postgres(_) => versions::<Pg>(POSTGRES),
    };
    let is_applied = |version: &String| applied.iter().any(|applied| applied.version == *version);
    Ok(!known?.iter().all(is_applied))
}

fn versions<DB: Backend>(migrations: EmbeddedMigrations) -> Result<Vec<String>>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let migrations: Vec<Box<dyn Migration<DB>>> = migrations
        .migrations()
        .map_err(|why| Error::Refused(format!("this program's migrations are unknown: {why}")))?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}

fn pending<C, DB>(connection: &mut C, migrations: EmbeddedMigrations) -> Result<()>
where
    DB: Backend,
    C: Connection<Backend = DB> + MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let refused = |why: Box<dyn std::error::Error + Send + Sync>| {
        let why = why.to_string();
        if why.contains("lock timeout") {
            return Error::Busy;
        }
        let why = libpq::with_advice(&why);
        Error::Refused(format!("migrating the database failed and was undone: {why}"))
    };
    let pending: Vec<Box<dyn Migration<DB>>> =
        connection.pending_migrations(migrations).map_err(refused)?;
    for migration in pending {
        connection.run_migration(&*migration).map_err(refused)?;
    }
    Ok(())
}

/// Reads the mark, and writes it into a database that has just been made.
fn mark_database(connection: &mut AnyConnection, brand: &str, now: Moment) -> Result<DatabaseInfo> {
    if let Some(mark) = mark(connection)? {
        return Ok(mark);
    }
    diesel::insert_into(bitting::table)
        .values((
            bitting::one.eq(1),
            bitting::brand.eq(brand),
            bitting::oldest_program.eq(FIRST),
            bitting::high_water.eq(now.naive_utc()),
            bitting::database_id.eq(Uuid::now_v7().simple().to_string()),
        ))
        .execute(connection)?;
    let hour = Minute::of(now).hour();
    diesel::insert_into(usage_rollup::table)
        .values((
            usage_rollup::one.eq(1),
            usage_rollup::hour.eq(hour.0),
            usage_rollup::key_number.eq(0),
            usage_rollup::minutes_from.eq(0),
        ))
        .execute(connection)?;
    Ok(DatabaseInfo { brand: brand.to_owned(), high_water: now })
}

fn mark(connection: &mut AnyConnection) -> Result<Option<DatabaseInfo>> {
    let row: Option<(String, NaiveDateTime)> = bitting::table
        .select((bitting::brand, bitting::high_water))
        .first(connection)
        .optional()?;
    Ok(row.map(|(brand, high_water)| DatabaseInfo { brand, high_water: high_water.and_utc() }))
}
