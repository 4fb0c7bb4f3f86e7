//! Admin tokens in the database.

use diesel::prelude::*;

use super::database::any_connection::AnyConnection;
use super::error::Result;
use super::rows::{self, MomentColumn};
use super::schema::admin_tokens as table;
use super::text::{contains_pattern, has};
use crate::model::id::{TokenId, UserId};
use crate::model::key::Revocation;
use crate::model::key_filter::StatusFilter;
use crate::model::scope::Access;
use crate::model::secret::Digest;
use crate::model::table::{NumberedPage, PagePosition, ROWS_PER_PAGE};
use crate::model::time::Moment;
use crate::model::token::{AdminToken, TokenFilter};
use crate::model::words::Word;

#[derive(Queryable)]
struct Row {
    number: i64,
    id: String,
    digest: Vec<u8>,
    name: String,
    access: String,
    may_grant: String,
    display: String,
    created_at: MomentColumn,
    created_by_type: String,
    created_by_id: Option<String>,
    created_by_name: String,
    expires_at: MomentColumn,
    revoked_at: Option<MomentColumn>,
    revoked_by_type: Option<String>,
    revoked_by_id: Option<String>,
    revoked_by_name: Option<String>,
    revoke_reason: Option<String>,
    last_used_at: Option<MomentColumn>,
    revision: i64,
    user_id: Option<String>,
}

impl TryFrom<Row> for AdminToken {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        let access = Access::ALL.into_iter().find(|access| access.as_str() == row.access);
        Ok(Self {
            number: rows::row_number(row.number)?,
            id: rows::parse("token id", &row.id)?,
            digest: row.digest.try_into().map_err(|why| rows::unreadable(why, &row.id))?,
            name: row.name,
            access: access.ok_or_else(|| rows::unreadable("access", &row.access))?,
            may_grant: rows::parse("scopes", &row.may_grant)?,
            display: row.display,
            created_at: row.created_at.0,
            created_by: rows::actor(&row.created_by_type, row.created_by_id, row.created_by_name)?,
            user: rows::optional_id("user id", row.user_id)?,
            expires_at: row.expires_at.0,
            revocation: rows::revocation(
                row.revoked_at,
                row.revoked_by_type,
                row.revoked_by_id,
                row.revoked_by_name,
                row.revoke_reason,
            )?,
            last_used_at: row.last_used_at.map(|at| at.0),
            revision: row.revision,
        })
    }
}

/// Stores a new token and returns its row number; the token's own `number` is not looked at.
pub fn insert(connection: &mut AnyConnection, token: &AdminToken) -> Result<u32> {
    let number: i64 = diesel::insert_into(table::table)
        .values((
            table::id.eq(token.id.to_string()),
            table::digest.eq(token.digest.as_bytes().to_vec()),
            table::name.eq(&token.name),
            table::access.eq(token.access.as_str()),
            table::may_grant.eq(token.may_grant.to_string()),
            table::display.eq(&token.display),
            table::created_at.eq(token.created_at.naive_utc()),
            table::created_by_type.eq(token.created_by.kind.as_str()),
            table::created_by_id.eq(&token.created_by.id),
            table::created_by_name.eq(&token.created_by.name),
            table::expires_at.eq(token.expires_at.naive_utc()),
            table::revision.eq(token.revision),
            table::user_id.eq(token.user.map(|user| user.to_string())),
        ))
        .returning(table::number)
        .get_result(connection)?;
    rows::row_number(number)
}

/// The token with this id.
pub fn find(connection: &mut AnyConnection, id: TokenId) -> Result<Option<AdminToken>> {
    let row: Option<Row> =
        table::table.filter(table::id.eq(id.to_string())).first(connection).optional()?;
    row.map(AdminToken::try_from).transpose()
}

/// The token whose secret has this digest.
pub fn find_by_digest(
    connection: &mut AnyConnection,
    digest: &Digest,
) -> Result<Option<AdminToken>> {
    let row: Option<Row> = table::table
        .filter(table::digest.eq(digest.as_bytes().to_vec()))
        .first(connection)
        .optional()?;
    row.map(AdminToken::try_from).transpose()
}

/// Every token, the newest first. They are made by hand and are few.
pub fn list(connection: &mut AnyConnection) -> Result<Vec<AdminToken>> {
    let rows: Vec<Row> = table::table.order(table::number.desc()).load(connection)?;
    rows.into_iter().map(AdminToken::try_from).collect()
}

type Query = table::BoxedQuery<'static, <AnyConnection as Connection>::Backend>;

fn matching(filter: &TokenFilter, now: Moment) -> Query {
    let now = now.naive_utc();
    let (revoked, expired) = (table::revoked_at.is_not_null(), table::expires_at.le(now));
    let (unrevoked, unexpired) = (table::revoked_at.is_null(), table::expires_at.gt(now));
    let query = table::table.into_boxed();
    let query = match filter.status {
        None | Some(StatusFilter::All) => query,
        Some(StatusFilter::Active) => query.filter(unrevoked).filter(unexpired),
        Some(StatusFilter::Revoked) => query.filter(revoked),
        Some(StatusFilter::Expired) => query.filter(unrevoked).filter(expired),
        Some(StatusFilter::Retired) => query.filter(revoked.or(expired)),
    };
    let Some(text) = &filter.text else { return query };
    let pattern = contains_pattern(text);
    query.filter(
        has!(table::name.nullable(), pattern)
            .or(has!(table::id.nullable(), pattern))
            .or(has!(table::display.nullable(), pattern))
            .or(has!(table::created_by_name.nullable(), pattern)),
    )
}

/// A page of the tokens that a filter lets through, the newest first.
pub fn page(
    connection: &mut AnyConnection,
    filter: &TokenFilter,
    now: Moment,
    page: usize,
) -> Result<NumberedPage<AdminToken>> {
    let total = count(connection, filter, now)?;
    let place = PagePosition::of(page, usize::try_from(total).unwrap_or_default());
    let rows: Vec<Row> = matching(filter, now)
        .order(table::number.desc())
        .offset(place.before() as i64)
        .limit(ROWS_PER_PAGE as i64)
        .load(connection)?;
    let rows = rows.into_iter().map(AdminToken::try_from).collect::<Result<_>>()?;
    Ok(NumberedPage { rows, place })
}

/// How many tokens a filter lets through.
pub fn count(connection: &mut AnyConnection, filter: &TokenFilter, now: Moment) -> Result<i64> {
    Ok(matching(filter, now).count().get_result(connection)?)
}

/// A user's tokens that are not retired.
pub fn active_of(
    connection: &mut AnyConnection,
    user: UserId,
    now: Moment,
) -> Result<Vec<AdminToken>> {
    let rows: Vec<Row> = table::table
        .filter(table::user_id.eq(user.to_string()))
        .filter(table::revoked_at.is_null())
        .filter(table::expires_at.gt(now.naive_utc()))
        .order(table::number)
        .load(connection)?;
    rows.into_iter().map(AdminToken::try_from).collect()
}

/// Hands an admin token to another user.
pub fn set_user(
    connection: &mut AnyConnection,
    number: u32,
    user: UserId,
    revision: i64,
) -> Result<()> {
    diesel::update(table::table.filter(table::number.eq(i64::from(number))))
        .set((table::user_id.eq(user.to_string()), table::revision.eq(revision)))
        .execute(connection)?;
    Ok(())
}

/// Marks an admin token as revoked.
pub fn set_revoked(
    connection: &mut AnyConnection,
    number: u32,
    revocation: &Revocation,
    revision: i64,
) -> Result<()> {
    diesel::update(table::table.filter(table::number.eq(i64::from(number))))
        .set((
            table::revoked_at.eq(revocation.at.naive_utc()),
            table::revoked_by_type.eq(revocation.by.kind.as_str()),
            table::revoked_by_id.eq(&revocation.by.id),
            table::revoked_by_name.eq(&revocation.by.name),
            table::revoke_reason.eq(&revocation.reason),
            table::revision.eq(revision),
        ))
        .execute(connection)?;
    Ok(())
}

/// Records when a token was last accepted; an earlier time changes nothing.
pub fn set_last_used(connection: &mut AnyConnection, number: u32, at: Moment) -> Result<()> {
    let at = at.naive_utc();
    diesel::update(table::table.filter(table::number.eq(i64::from(number))))
        .filter(table::last_used_at.is_null().or(table::last_used_at.lt(at).assume_not_null()))
        .set(table::last_used_at.eq(at))
        .execute(connection)?;
    Ok(())
}

/// The tokens that were changed after a revision, in the order of their changes.
pub fn changed_since(connection: &mut AnyConnection, revision: i64) -> Result<Vec<AdminToken>> {
    let rows: Vec<Row> = table::table
        .filter(table::revision.gt(revision))
        .order(table::revision)
        .load(connection)?;
    rows.into_iter().map(AdminToken::try_from).collect()
}

/// The digest of every token.
pub fn digests(connection: &mut AnyConnection) -> Result<Vec<Digest>> {
    let digests: Vec<Vec<u8>> = table::table.select(table::digest).load(connection)?;
    let digest = |bytes: Vec<u8>| bytes.try_into().map_err(|why| rows::unreadable(why, "token"));
    digests.into_iter().map(digest).collect()
}
