//! Users in the database.

pub mod login_failures;
pub mod one_time_links;
pub mod powers;
pub mod sessions;

use diesel::prelude::*;

use super::database::any_connection::AnyConnection;
use super::error::Result;
use super::rows::{self, MomentColumn};
use super::schema::users as table;
use super::text::{contains_pattern, has};
use crate::model::email::Email;
use crate::model::id::UserId;
use crate::model::scope::ScopeSet;
use crate::model::table::{NumberedPage, PagePosition, ROWS_PER_PAGE};
use crate::model::time::Moment;
use crate::model::user::{Role, User, UserFilter, UserStatus};
use crate::model::words::Word;

/// The columns of a user; the password's hash is asked for by itself.
pub(super) type Row =
    (String, String, String, String, MomentColumn, Option<MomentColumn>, Option<MomentColumn>);

pub(super) type Columns = (
    table::id,
    table::email,
    table::role,
    table::may_grant,
    table::created_at,
    table::disabled_at,
    table::last_login_at,
);

pub(super) const COLUMNS: Columns = (
    table::id,
    table::email,
    table::role,
    table::may_grant,
    table::created_at,
    table::disabled_at,
    table::last_login_at,
);

pub(super) fn read(row: Row) -> Result<User> {
    let (id, email, role, may_grant, created_at, disabled_at, last_login_at) = row;
    Ok(User {
        id: rows::parse("user id", &id)?,
        email: rows::parse("e-mail address", &email)?,
        role: rows::word("role", &role)?,
        may_grant: rows::parse("scopes", &may_grant)?,
        created_at: created_at.0,
        disabled_at: disabled_at.map(|at| at.0),
        last_login_at: last_login_at.map(|at| at.0),
    })
}

/// Stores a new user.
pub fn insert(connection: &mut AnyConnection, user: &User, password: Option<&str>) -> Result<()> {
    diesel::insert_into(table::table)
        .values((
            table::id.eq(user.id.to_string()),
            table::email.eq(user.email.as_str()),
            table::role.eq(user.role.as_str()),
            table::may_grant.eq(user.may_grant.to_string()),
            table::password.eq(password),
            table::created_at.eq(user.created_at.naive_utc()),
        ))
        .execute(connection)?;
    Ok(())
}

/// The user with this id.
pub fn find(connection: &mut AnyConnection, id: UserId) -> Result<Option<User>> {
    let found = table::table.filter(table::id.eq(id.to_string())).select(COLUMNS);
    found.first(connection).optional()?.map(read).transpose()
}

/// The user with this address.
pub fn find_by_email(connection: &mut AnyConnection, email: &Email) -> Result<Option<User>> {
    let found = table::table
        .filter(table::email.eq_any(email.spellings()))
        .order(table::email.eq(email.as_str().to_owned()).desc())
        .select(COLUMNS);
    found.first(connection).optional()?.map(read).transpose()
}

/// The user with this address and the hash of their password, if one was set; one statement, so
/// that it takes as long where there is no such user.
pub fn find_to_sign_in(
    connection: &mut AnyConnection,
    email: &str,
) -> Result<Option<(User, Option<String>)>> {
    let spellings = email.parse().map(|email: Email| email.spellings().to_vec());
    let found: Option<(Row, Option<String>)> = table::table
        .filter(table::email.eq_any(spellings.unwrap_or_default()))
        .order(table::email.eq(email.to_owned()).desc())
        .select((COLUMNS, table::password))
        .first(connection)
        .optional()?;
    found.map(|(row, hash)| Ok((read(row)?, hash))).transpose()
}

/// The hash of a user's password, if one was set.
pub fn password(connection: &mut AnyConnection, id: UserId) -> Result<Option<String>> {
    let found = table::table.filter(table::id.eq(id.to_string())).select(table::password);
    Ok(found.first::<Option<String>>(connection).optional()?.flatten())
}

/// Every user, the newest first. They are people and few.
pub fn list(connection: &mut AnyConnection) -> Result<Vec<User>> {
    let rows: Vec<Row> = table::table.select(COLUMNS).order(table::id.desc()).load(connection)?;
    rows.into_iter().map(read).collect()
}

/// Text as addresses are spelled, if it is one.
pub(super) fn as_stored(text: &str) -> String {
    text.parse().map_or(text.to_owned(), |email: Email| email.as_str().to_owned())
}

type Query = table::BoxedQuery<'static, <AnyConnection as Connection>::Backend>;

fn matching(filter: &UserFilter) -> Query {
    let mut query = table::table.into_boxed();
    if let Some(text) = &filter.text {
        let (pattern, address) = (contains_pattern(text), contains_pattern(&as_stored(text)));
        let email = table::email.nullable();
        query = query.filter(has!(email, pattern).or(has!(email, address)));
    }
    if let Some(role) = filter.role {
        query = query.filter(table::role.eq(role.as_str()));
    }
    match filter.status {
        None => query,
        Some(UserStatus::Active) => query.filter(table::disabled_at.is_null()),
        Some(UserStatus::Disabled) => query.filter(table::disabled_at.is_not_null()),
    }
}

/// A page of the users that a filter lets through, the newest first.
pub fn page(
    connection: &mut AnyConnection,
    filter: &UserFilter,
    page: usize,
) -> Result<NumberedPage<User>> {
    let total: i64 = matching(filter).count().get_result(connection)?;
    let place = PagePosition::of(page, usize::try_from(total).unwrap_or_default());
    let rows: Vec<Row> = matching(filter)
        .select(COLUMNS)
        .order(table::id.desc())
        .offset(place.before() as i64)
        .limit(ROWS_PER_PAGE as i64)
        .load(connection)?;
    let rows = rows.into_iter().map(read).collect::<Result<_>>()?;
    Ok(NumberedPage { rows, place })
}

/// How many users there are, disabled ones included.
pub fn count(connection: &mut AnyConnection) -> Result<i64> {
    Ok(table::table.count().get_result(connection)?)
}

/// Whether an administrator other than this user can sign in.
pub fn has_other_administrator(connection: &mut AnyConnection, than: UserId) -> Result<bool> {
    let others = table::table
        .filter(table::role.eq(Role::Admin.as_str()))
        .filter(table::disabled_at.is_null())
        .filter(table::password.is_not_null())
        .filter(table::id.ne(than.to_string()));
    Ok(others.count().get_result::<i64>(connection)? > 0)
}

/// Changes a user's role and the scopes they may grant.
pub fn set_rights(
    connection: &mut AnyConnection,
    id: UserId,
    role: Role,
    may_grant: &ScopeSet,
) -> Result<()> {
    diesel::update(table::table.filter(table::id.eq(id.to_string())))
        .set((table::role.eq(role.as_str()), table::may_grant.eq(may_grant.to_string())))
        .execute(connection)?;
    Ok(())
}

/// Disables a user from a moment on, or enables them.
pub fn set_disabled(
    connection: &mut AnyConnection,
    id: UserId,
    disabled_at: Option<Moment>,
) -> Result<()> {
    diesel::update(table::table.filter(table::id.eq(id.to_string())))
        .set(table::disabled_at.eq(disabled_at.map(|at| at.naive_utc())))
        .execute(connection)?;
    Ok(())
}

/// Replaces the hash of a user's password, or takes it away.
pub fn set_password(connection: &mut AnyConnection, id: UserId, hash: Option<&str>) -> Result<()> {
    diesel::update(table::table.filter(table::id.eq(id.to_string())))
        .set(table::password.eq(hash))
        .execute(connection)?;
    Ok(())
}

/// Records that a user signed in.
pub fn set_last_login(connection: &mut AnyConnection, id: UserId, at: Moment) -> Result<()> {
    diesel::update(table::table.filter(table::id.eq(id.to_string())))
        .set(table::last_login_at.eq(at.naive_utc()))
        .execute(connection)?;
    Ok(())
}
