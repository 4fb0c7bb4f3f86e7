//! Which keys a list shows, in which order, and how many there are.

use diesel::dsl::{auto_type, count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Timestamp};

use crate::model::id::UserId;
use crate::model::key::KeyNumber;
use crate::model::key_filter::{
    ExpiryFilter, HeldBy, KeyFilter, KeyOrder, KeySort, SOON, StatusFilter, UNUSED_SCOPE,
};
use crate::model::scope::Scope;
use crate::model::time::Moment;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;
use crate::store::rows;
use crate::store::schema::{api_keys as table, key_summaries as summaries, users as user_table};
use crate::store::text::{contains_pattern, has, lower};
use crate::store::users;

#[auto_type]
fn keys_and_summaries() -> _ {
    let summary = summaries::key_number.eq(table::number);
    table::table.left_join(summaries::table.on(summary))
}

type Backend = <AnyConnection as Connection>::Backend;
type Query = diesel::dsl::IntoBoxed<'static, keys_and_summaries, Backend>;

/// The keys that a filter lets through; those of one user alone, if it is said whose. Both databases
/// leave the join out where nothing asks for the summaries.
pub(in crate::store) fn matching(filter: &KeyFilter, user: Option<UserId>, now: Moment) -> Query {
    let moment = now.naive_utc();
    let unexpired =
        || table::expires_at.is_null().or(table::expires_at.gt(moment).assume_not_null());
    let mut query = keys_and_summaries().into_boxed();
    query = match filter.state() {
        StatusFilter::All => query,
        StatusFilter::Active => query.filter(table::revoked_at.is_null()).filter(unexpired()),
        StatusFilter::Revoked => query.filter(table::revoked_at.is_not_null()),
        StatusFilter::Expired => {
            query.filter(table::revoked_at.is_null()).filter(table::expires_at.le(moment))
        }
        StatusFilter::Retired => query.filter(
            table::revoked_at.is_not_null().or(table::expires_at.le(moment).assume_not_null()),
        ),
    };
    if let Some(user) = user {
        query = query.filter(table::user_id.eq(user.to_string()));
    }
    if let Some(owner) = &filter.owner {
        query = query.filter(table::owner.eq(owner.clone()));
    }
    if let Some(holder) = &filter.holder {
        query = held_by(query, holder);
    }
    if let Some(text) = &filter.text {
        query = with_text(query, text);
    }
    if let Some(scope) = &filter.scope {
        query = with_scope(query, scope);
    }
    if let Some(span) = filter.unused_for {
        query = unused_since(query, span.before(now));
    }
    if let Some(over_scoped) = filter.over_scoped {
        query = by_scopes_in_use(query, over_scoped, now - UNUSED_SCOPE);
    }
    by_expiry(query, filter, now)
}

fn by_expiry(query: Query, filter: &KeyFilter, now: Moment) -> Query {
    let query = match filter.expires_within {
        None => query,
        Some(span) => query.filter(table::expires_at.le(span.after(now).naive_utc())),
    };
    match filter.expiry {
        None => query,
        Some(ExpiryFilter::Soon) => query
            .filter(table::expires_at.le((now + SOON).naive_utc()))
            .filter(table::expires_at.gt(now.naive_utc())),
        Some(ExpiryFilter::Never) => query.filter(table::expires_at.is_null()),
        Some(ExpiryFilter::Dated) => query.filter(table::expires_at.is_not_null()),
    }
}

/// Only keys whose last use, or whose making if they were never used, is not after a moment.
fn unused_since(query: Query, since: Moment) -> Query {
    query.filter(
        sql::<Bool>("(key_summaries.last_used_at <= ")
            .bind::<BigInt, _>(since.timestamp_millis())
            .sql(" OR (key_summaries.last_used_at IS NULL AND api_keys.created_at <= ")
            .bind::<Timestamp, _>(since.naive_utc())
            .sql("))"),
    )
}

/// Only keys that are at least so old and have a scope of which they made no use since, or only all
/// others. A key has as many scopes as there are spaces between them, and one more.
fn by_scopes_in_use(query: Query, over_scoped: bool, since: Moment) -> Query {
    let is = if over_scoped { "(" } else { "NOT (" };
    let age = format!("{is}api_keys.created_at <= ");
    query.filter(
        sql::<Bool>(&age)
            .bind::<Timestamp, _>(since.naive_utc())
            .sql(
                " AND LENGTH(api_keys.scopes) - LENGTH(REPLACE(api_keys.scopes, ' ', '')) + 1 > \
                 (SELECT COUNT(*) FROM scope_uses u WHERE u.key_number = api_keys.number \
                 AND REPLACE(' ' || api_keys.scopes || ' ', ' ' || u.scope || ' ', '') \
                 <> ' ' || api_keys.scopes || ' ' AND u.last_at >= ",
            )
            .bind::<BigInt, _>(since.timestamp_millis())
            .sql("))"),
    )
}

/// Only keys with this scope; a key's scopes are one text, separated by spaces.
fn with_scope(query: Query, scope: &Scope) -> Query {
    let name = scope.to_string();
    let like = |pattern: String| table::scopes.like(pattern.replace('_', "\\_")).escape('\\');
    query.filter(
        table::scopes
            .eq(name.clone())
            .or(like(format!("{name} %")))
            .or(like(format!("% {name} %")))
            .or(like(format!("% {name}"))),
    )
}

fn held_by(query: Query, holder: &HeldBy) -> Query {
    match holder {
        HeldBy::Nobody => query.filter(table::user_id.is_null()),
        HeldBy::User(email) => {
            let user = user_table::table.filter(user_table::email.eq_any(email.spellings()));
            query.filter(table::user_id.eq_any(user.select(user_table::id.nullable())))
        }
    }
}

fn with_text(query: Query, text: &str) -> Query {
    let (pattern, address) = (contains_pattern(text), contains_pattern(&users::as_stored(text)));
    let email = user_table::email.nullable();
    let addressed = has!(email, pattern).or(has!(email, address));
    let holders = user_table::table.filter(addressed).select(user_table::id.nullable());
    let matches = has!(table::name.nullable(), pattern)
        .or(has!(table::description, pattern))
        .or(has!(table::owner, pattern))
        .or(has!(table::id.nullable(), pattern))
        .or(has!(table::display.nullable(), pattern))
        .or(table::user_id.eq_any(holders));
    query.filter(matches)
}

/// The row numbers of all keys that a filter lets through, in order. One pass gives the page, the
/// number of pages, and the whole list for an export.
pub fn numbers(
    connection: &mut AnyConnection,
    filter: &KeyFilter,
    user: Option<UserId>,
    order: KeyOrder,
    now: Moment,
) -> Result<Vec<KeyNumber>> {
    let query = matching(filter, user, now);
    // What neither was retired nor ends comes last, in both kinds of database.
    let never = table::revoked_at.is_null().and(table::expires_at.is_null());
    let retired_at =
        || sql::<Nullable<Timestamp>>("COALESCE(api_keys.revoked_at, api_keys.expires_at)");
    let query = match order.sort {
        KeySort::Newest => query,
        KeySort::Name => query.order(lower(table::name.nullable())),
        KeySort::Expiry => {
            query.order(table::expires_at.is_null()).then_order_by(table::expires_at)
        }
        KeySort::LastUsed => query
            .order(summaries::last_used_at.is_null())
            .then_order_by(summaries::last_used_at.desc()),
        KeySort::MostUsed => query.order(sql::<BigInt>("COALESCE(key_summaries.month, 0)").desc()),
        KeySort::Retired => query.order(never).then_order_by(retired_at().desc()),
    };
    let mut numbers: Vec<i64> =
        query.then_order_by(table::number.desc()).select(table::number).load(connection)?;
    if order.reversed {
        numbers.reverse();
    }
    numbers.into_iter().map(|number| rows::row_number(number).map(KeyNumber)).collect()
}

/// How many keys a filter lets through.
pub fn count(
    connection: &mut AnyConnection,
    filter: &KeyFilter,
    user: Option<UserId>,
    now: Moment,
) -> Result<i64> {
    Ok(matching(filter, user, now).select(count_star()).first(connection)?)
}

/// The owners of all keys, or of one user's, in order; at most so many.
pub fn owners(
    connection: &mut AnyConnection,
    user: Option<UserId>,
    most: i64,
) -> Result<Vec<String>> {
    let mut query = table::table.filter(table::owner.is_not_null()).into_boxed();
    if let Some(user) = user {
        query = query.filter(table::user_id.eq(user.to_string()));
    }
    let owners: Vec<Option<String>> =
        query.select(table::owner).distinct().order(table::owner).limit(most).load(connection)?;
    Ok(owners.into_iter().flatten().collect())
}

/// The addresses of everybody who holds keys, in order; at most so many.
pub fn holders(connection: &mut AnyConnection, most: i64) -> Result<Vec<String>> {
    let holding = table::table.filter(table::user_id.is_not_null()).select(table::user_id);
    let holders = user_table::table
        .filter(user_table::id.nullable().eq_any(holding))
        .select(user_table::email)
        .order(user_table::email)
        .limit(most)
        .load(connection)?;
    Ok(holders)
}
