//! Sessions in the database.

use diesel::prelude::*;

use crate::model::id::{SessionId, UserId};
use crate::model::secret::Digest;
use crate::model::session::{LONGEST, LONGEST_IDLE, Session};
use crate::model::table::{NumberedPage, PagePosition, ROWS_PER_PAGE};
use crate::model::time::Moment;
use crate::model::user::User;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;
use crate::store::rows::MomentColumn;
use crate::store::schema::{sessions as table, users as user_table};
use crate::store::{rows, users};

type Row = (String, String, MomentColumn, MomentColumn, Option<String>, Option<String>);

const COLUMNS: (
    table::id,
    table::user_id,
    table::created_at,
    table::last_seen_at,
    table::address,
    table::user_agent,
) = (
    table::id,
    table::user_id,
    table::created_at,
    table::last_seen_at,
    table::address,
    table::user_agent,
);

fn read((id, user, created_at, last_seen_at, address, user_agent): Row) -> Result<Session> {
    Ok(Session {
        id: rows::parse("session id", &id)?,
        user: rows::parse("user id", &user)?,
        created_at: created_at.0,
        last_seen_at: last_seen_at.0,
        address,
        user_agent,
    })
}

/// Stores a new session.
pub fn insert(connection: &mut AnyConnection, session: &Session, digest: &Digest) -> Result<()> {
    diesel::insert_into(table::table)
        .values((
            table::id.eq(session.id.to_string()),
            table::digest.eq(digest.as_bytes().to_vec()),
            table::user_id.eq(session.user.to_string()),
            table::created_at.eq(session.created_at.naive_utc()),
            table::last_seen_at.eq(session.last_seen_at.naive_utc()),
            table::address.eq(&session.address),
            table::user_agent.eq(&session.user_agent),
        ))
        .execute(connection)?;
    Ok(())
}

/// The session with this secret, whether or not it is still valid, and its user as they are now.
pub fn find(connection: &mut AnyConnection, digest: &Digest) -> Result<Option<(Session, User)>> {
    let found: Option<(Row, users::Row)> = table::table
        .inner_join(user_table::table.on(user_table::id.eq(table::user_id)))
        .filter(table::digest.eq(digest.as_bytes().to_vec()))
        .select((COLUMNS, users::COLUMNS))
        .first(connection)
        .optional()?;
    found.map(|(session, user)| Ok((read(session)?, users::read(user)?))).transpose()
}

/// The session with this id, whether or not it is still valid.
pub fn find_by_id(connection: &mut AnyConnection, id: SessionId) -> Result<Option<Session>> {
    let found = table::table.filter(table::id.eq(id.to_string())).select(COLUMNS);
    found.first(connection).optional()?.map(read).transpose()
}

/// All sessions of a user, expired ones included.
pub fn list(connection: &mut AnyConnection, user: UserId) -> Result<Vec<SessionId>> {
    ids(table::table.filter(table::user_id.eq(user.to_string())).into_boxed(), connection)
}

/// A user's valid sessions, without the `most` newest ones.
pub fn live_beyond(
    connection: &mut AnyConnection,
    user: UserId,
    most: usize,
    now: Moment,
) -> Result<Vec<SessionId>> {
    // SQLite takes no offset without a limit.
    let older = live_of(user, now).order(table::id.desc()).offset(most as i64).limit(i64::MAX);
    ids(older, connection)
}

/// A page of a user's valid sessions, the newest first.
pub fn page(
    connection: &mut AnyConnection,
    user: UserId,
    now: Moment,
    page: usize,
) -> Result<NumberedPage<Session>> {
    let total: i64 = live_of(user, now).count().get_result(connection)?;
    let place = PagePosition::of(page, usize::try_from(total).unwrap_or_default());
    let rows: Vec<Row> = live_of(user, now)
        .select(COLUMNS)
        .order(table::id.desc())
        .offset(place.before() as i64)
        .limit(ROWS_PER_PAGE as i64)
        .load(connection)?;
    Ok(NumberedPage { rows: rows.into_iter().map(read).collect::<Result<_>>()?, place })
}

type Query = table::BoxedQuery<'static, <AnyConnection as Connection>::Backend>;

fn live_of(user: UserId, now: Moment) -> Query {
    table::table
        .filter(table::user_id.eq(user.to_string()))
        .filter(table::last_seen_at.gt((now - LONGEST_IDLE).naive_utc()))
        .filter(table::created_at.gt((now - LONGEST).naive_utc()))
        .into_boxed()
}

fn ids(query: Query, connection: &mut AnyConnection) -> Result<Vec<SessionId>> {
    let ids: Vec<String> = query.select(table::id).load(connection)?;
    ids.iter().map(|id| rows::parse("session id", id)).collect()
}

/// Records when a session's last request came; an earlier time changes nothing.
pub fn set_last_seen(connection: &mut AnyConnection, id: SessionId, at: Moment) -> Result<()> {
    diesel::update(table::table.filter(table::id.eq(id.to_string())))
        .filter(table::last_seen_at.lt(at.naive_utc()))
        .set(table::last_seen_at.eq(at.naive_utc()))
        .execute(connection)?;
    Ok(())
}

/// Deletes one of a user's sessions; returns whether there was one.
pub fn delete(connection: &mut AnyConnection, user: UserId, id: SessionId) -> Result<bool> {
    let session = table::table
        .filter(table::id.eq(id.to_string()))
        .filter(table::user_id.eq(user.to_string()));
    Ok(diesel::delete(session).execute(connection)? > 0)
}

/// Deletes all sessions of a user.
pub fn delete_all_of(connection: &mut AnyConnection, user: UserId) -> Result<()> {
    let sessions = table::table.filter(table::user_id.eq(user.to_string()));
    diesel::delete(sessions).execute(connection)?;
    Ok(())
}

/// Deletes some sessions that are no longer valid; returns how many.
pub fn delete_dead(connection: &mut AnyConnection, now: Moment, limit: i64) -> Result<usize> {
    let (idle, old) = ((now - LONGEST_IDLE).naive_utc(), (now - LONGEST).naive_utc());
    let dead: Vec<String> = table::table
        .filter(table::last_seen_at.le(idle).or(table::created_at.le(old)))
        .select(table::id)
        .limit(limit)
        .load(connection)?;
    for id in &dead {
        diesel::delete(table::table.filter(table::id.eq(id))).execute(connection)?;
    }
    Ok(dead.len())
}

/// How many sessions there are, expired ones included.
pub fn count(connection: &mut AnyConnection) -> Result<i64> {
    Ok(table::table.count().get_result(connection)?)
}

/// Deletes every session; returns how many there were.
pub fn delete_all(connection: &mut AnyConnection) -> Result<usize> {
    Ok(diesel::delete(table::table).execute(connection)?)
}
