//! Kept answers in the database.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::database::any_connection::AnyConnection;
use super::error::Result;
use super::rows;
use super::schema::idempotency as table;
use crate::model::idempotency::{Answer, Attempt, Identity};
use crate::model::time::Moment;

/// How many answers one step drops: few, since each may be 256 KiB long.
const DROPPED_AT_ONCE: i64 = 50;

/// What is stored of a request that was carried out.
pub struct Kept {
    /// SHA-256 of the request's body.
    pub request_body: Vec<u8>,
    /// The answer it was given.
    pub answer: Answer,
}

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    locked: bool,
}

/// Locks this request for the rest of the transaction; `false` if another process holds the lock.
/// SQLite has one writer anyway.
pub fn try_lock(connection: &mut AnyConnection, identity: &Identity) -> Result<bool> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(true),
        AnyConnection::Postgres(connection) => {
            // Eight bytes of the hash are enough: requests that share them by chance are told to try again.
            // A lock with one number is another than `AdvisoryLock`'s, which have two.
            let [a, b, c, d, e, f, g, h, ..] = *identity.as_bytes();
            let number = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
            let query = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS locked");
            Ok(query.bind::<BigInt, _>(number).get_result::<Locked>(connection)?.locked)
        }
    }
}

type Row = (Vec<u8>, i64, Option<String>, Option<String>, String);

/// What is stored of this request, unless it has expired.
pub fn find(
    connection: &mut AnyConnection,
    identity: &Identity,
    now: Moment,
) -> Result<Option<Kept>> {
    let row: Option<Row> = table::table
        .filter(table::identity.eq(identity.as_bytes().to_vec()))
        .filter(table::expires_at.gt(now.naive_utc()))
        .select((table::request_body, table::status, table::location, table::etag, table::body))
        .first(connection)
        .optional()?;
    let Some((request_body, status, location, etag, body)) = row else { return Ok(None) };
    let status =
        u16::try_from(status).map_err(|_| rows::unreadable("status", &status.to_string()))?;
    Ok(Some(Kept { request_body, answer: Answer::stored(status, location, etag, body) }))
}

/// Stores an answer, replacing one that has expired.
pub fn insert(
    connection: &mut AnyConnection,
    attempt: &Attempt,
    expires_at: Moment,
    answer: &Answer,
) -> Result<()> {
    let identity = attempt.identity.as_bytes().to_vec();
    diesel::delete(table::table.filter(table::identity.eq(&identity))).execute(connection)?;
    diesel::insert_into(table::table)
        .values((
            table::identity.eq(&identity),
            table::request_body.eq(attempt.body.to_vec()),
            table::expires_at.eq(expires_at.naive_utc()),
            table::status.eq(i64::from(answer.status)),
            table::location.eq(&answer.location),
            table::etag.eq(&answer.etag),
            table::body.eq(answer.body()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Drops some expired answers. Returns whether there may be more.
pub fn drop_expired(connection: &mut AnyConnection, now: Moment) -> Result<bool> {
    let over: Vec<Vec<u8>> = table::table
        .filter(table::expires_at.le(now.naive_utc()))
        .order(table::expires_at)
        .limit(DROPPED_AT_ONCE)
        .select(table::identity)
        .load(connection)?;
    let more = over.len() as i64 == DROPPED_AT_ONCE;
    // An answer that has taken the place of one of these meanwhile stays.
    diesel::delete(table::table)
        .filter(table::identity.eq_any(over))
        .filter(table::expires_at.le(now.naive_utc()))
        .execute(connection)?;
    Ok(more)
}
