//! The servers that run on the database, as they note it themselves.

use std::thread;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::database::any_connection::AnyConnection;
use super::database::connection::Session;
use super::error::Result;
use super::schema::servers;
use crate::model::time::Moment;

/// How often a server notes that it runs.
pub const NOTE_INTERVAL: Duration = Duration::from_secs(30);
/// How long whatever it does before that may take.
const GRACE: Duration = Duration::from_secs(15);
/// How often it is looked whether one has noted itself again.
const POLL: Duration = Duration::from_millis(200);

/// Notes that a server runs, with the fingerprint of its resources, and forgets those that were not
/// seen since `gone`.
pub fn note(
    connection: &mut AnyConnection,
    process: &str,
    fingerprint: &str,
    now: Moment,
    gone: Moment,
) -> Result<()> {
    let old = servers::process.eq(process).or(servers::seen_at.lt(gone.timestamp_millis()));
    diesel::delete(servers::table.filter(old)).execute(connection)?;
    let row = (
        servers::process.eq(process),
        servers::resources.eq(fingerprint),
        servers::seen_at.eq(now.timestamp_millis()),
    );
    diesel::insert_into(servers::table).values(row).execute(connection)?;
    Ok(())
}

/// Forgets a server that has stopped.
pub fn forget(connection: &mut AnyConnection, process: &str) -> Result<()> {
    diesel::delete(servers::table.find(process)).execute(connection)?;
    Ok(())
}

/// How many servers were seen since then whose resources have another fingerprint.
pub fn count_others(
    connection: &mut AnyConnection,
    fingerprint: &str,
    since: Moment,
) -> Result<u64> {
    let others =
        servers::resources.ne(fingerprint).and(servers::seen_at.ge(since.timestamp_millis()));
    let count: i64 = servers::table.filter(others).count().get_result(connection)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Whether a server runs on a PostgreSQL database, or another command. Who asks something now is seen
/// at once. Behind a pooler a server may hold no connection just then, so those that are noted are
/// forgotten, and one that runs notes itself again; only one that was killed does not.
pub fn any_runs(session: &mut Session) -> Result<bool> {
    if session.read(anybody_asks)? {
        return Ok(true);
    }
    let noted = session
        .write(|connection| Result::Ok(diesel::delete(servers::table).execute(connection)?))?;
    let began = Instant::now();
    while noted > 0 && began.elapsed() < NOTE_INTERVAL + GRACE {
        thread::sleep(POLL);
        let again: i64 = session
            .read(|connection| Result::Ok(servers::table.count().get_result(connection)?))?;
        if again > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether another connection of Bitting's has been used within the last seconds. A pooler keeps
/// connections that nobody uses any more.
fn anybody_asks(connection: &mut AnyConnection) -> Result<bool> {
    let others = diesel::dsl::sql::<Bool>(
        "EXISTS (SELECT 1 FROM pg_catalog.pg_stat_activity WHERE datname = current_database() \
         AND application_name = 'bitting' AND pid <> pg_backend_pid() \
         AND (state <> 'idle' OR clock_timestamp() - state_change < INTERVAL '2 seconds'))",
    );
    match connection {
        AnyConnection::Sqlite(_) => Ok(false),
        AnyConnection::Postgres(connection) => Ok(diesel::select(others).get_result(connection)?),
    }
}
