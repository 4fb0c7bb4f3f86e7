//! API keys in the database.

use chrono::NaiveDateTime;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::connection::AnyConnection;
use super::connection::on_either;
use super::error::Result;
use super::rows::{self, DigestColumn, Parsed};
use super::schema::api_keys as table;
use super::text::{contains_pattern, lower};
use crate::model::id::KeyId;
use crate::model::key::{ApiKey, KeyFilter, KeyLabel, KeyNumber, Revocation, StatusFilter};
use crate::model::page::Limit;
use crate::model::scope::ScopeSet;
use crate::model::secret::Digest;
use crate::model::time::Moment;
use crate::model::words::Word;

/// Digests looked up by one statement.
const DIGESTS_PER_STATEMENT: usize = 500;
/// Keys stored by one statement: 15 parameters each, of which SQLite takes 32,766.
const ROWS_PER_STATEMENT: usize = 500;

#[derive(Queryable)]
struct Row {
    number: i64,
    id: String,
    digest: Vec<u8>,
    name: String,
    description: Option<String>,
    owner: Option<String>,
    scopes: String,
    display: String,
    created_at: NaiveDateTime,
    created_by_type: String,
    created_by_id: Option<String>,
    created_by_name: String,
    expires_at: Option<NaiveDateTime>,
    revoked_at: Option<NaiveDateTime>,
    revoked_by_type: Option<String>,
    revoked_by_id: Option<String>,
    revoked_by_name: Option<String>,
    revoke_reason: Option<String>,
    revision: i64,
    imported: bool,
}

impl TryFrom<Row> for ApiKey {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            number: KeyNumber(rows::row_number(row.number)?),
            id: rows::parse("key id", &row.id)?,
            digest: row.digest.try_into().map_err(|why| rows::unreadable(why, &row.id))?,
            label: KeyLabel { name: row.name, description: row.description, owner: row.owner },
            scopes: rows::parse("scopes", &row.scopes)?,
            display: row.display,
            created_at: row.created_at.and_utc(),
            created_by: rows::actor(&row.created_by_type, row.created_by_id, row.created_by_name)?,
            expires_at: row.expires_at.map(|end| end.and_utc()),
            revocation: rows::revocation(
                row.revoked_at,
                row.revoked_by_type,
                row.revoked_by_id,
                row.revoked_by_name,
                row.revoke_reason,
            )?,
            imported: row.imported,
            revision: row.revision,
        })
    }
}

#[derive(Insertable)]
#[diesel(table_name = table, treat_none_as_default_value = false)]
struct NewRow<'a> {
    id: String,
    digest: &'a [u8],
    name: &'a str,
    description: Option<&'a str>,
    owner: Option<&'a str>,
    scopes: String,
    display: &'a str,
    created_at: NaiveDateTime,
    created_by_type: &'a str,
    created_by_id: Option<&'a str>,
    created_by_name: &'a str,
    expires_at: Option<NaiveDateTime>,
    revision: i64,
    imported: bool,
}

impl<'a> NewRow<'a> {
    fn of(key: &'a ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            digest: key.digest.as_bytes(),
            name: &key.label.name,
            description: key.label.description.as_deref(),
            owner: key.label.owner.as_deref(),
            scopes: key.scopes.to_string(),
            display: &key.display,
            created_at: key.created_at.naive_utc(),
            created_by_type: key.created_by.kind.as_str(),
            created_by_id: key.created_by.id.as_deref(),
            created_by_name: &key.created_by.name,
            expires_at: key.expires_at.map(|end| end.naive_utc()),
            revision: key.revision,
            imported: key.imported,
        }
    }
}

/// Stores a new key and returns its row number; the key's own `number` is not looked at.
///
/// # Errors
/// When the database fails.
pub fn insert(connection: &mut AnyConnection, key: &ApiKey) -> Result<KeyNumber> {
    let number: i64 = diesel::insert_into(table::table)
        .values(NewRow::of(key))
        .returning(table::number)
        .get_result(connection)?;
    rows::row_number(number).map(KeyNumber)
}

/// Stores many new keys; their own `number` is not looked at.
///
/// # Errors
/// When the database fails.
pub fn insert_many(connection: &mut AnyConnection, keys: &[ApiKey]) -> Result<()> {
    if let AnyConnection::Sqlite(connection) = connection {
        // Digests lie anywhere in their index. So all of it is wanted at hand, and a page that is
        // changed again and again shall be brought into the file once: 64 MiB for either.
        connection
            .batch_execute("PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16384")?;
    }
    for some in keys.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<_> = some.iter().map(NewRow::of).collect();
        on_either!(connection => {
            diesel::insert_into(table::table).values(rows).execute(connection)?
        });
    }
    Ok(())
}

/// How many keys there are, retired ones included, or a few more.
///
/// # Errors
/// When the database fails.
pub fn count(connection: &mut AnyConnection) -> Result<usize> {
    let greatest: Option<i64> =
        table::table.select(diesel::dsl::max(table::number)).first(connection)?;
    Ok(rows::row_number(greatest.unwrap_or(0))? as usize)
}

/// The key with this id.
///
/// # Errors
/// When the database fails.
pub fn find(connection: &mut AnyConnection, id: KeyId) -> Result<Option<ApiKey>> {
    let row: Option<Row> =
        table::table.filter(table::id.eq(id.to_string())).first(connection).optional()?;
    row.map(ApiKey::try_from).transpose()
}

/// Changes what people call a key.
///
/// # Errors
/// When the database fails.
pub fn set_label(
    connection: &mut AnyConnection,
    number: KeyNumber,
    label: &KeyLabel,
    revision: i64,
) -> Result<()> {
    diesel::update(table::table.filter(table::number.eq(i64::from(number.0))))
        .set((
            table::name.eq(&label.name),
            table::description.eq(&label.description),
            table::owner.eq(&label.owner),
            table::revision.eq(revision),
        ))
        .execute(connection)?;
    Ok(())
}

/// Ends a key.
///
/// # Errors
/// When the database fails.
pub fn set_revoked(
    connection: &mut AnyConnection,
    number: KeyNumber,
    revocation: &Revocation,
    revision: i64,
) -> Result<()> {
    diesel::update(table::table.filter(table::number.eq(i64::from(number.0))))
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

/// Keys from the newest to the oldest, one more than the limit where there are so many.
///
/// # Errors
/// When the database fails.
pub fn list(
    connection: &mut AnyConnection,
    filter: &KeyFilter,
    limit: Limit,
    after: Option<KeyNumber>,
    now: Moment,
) -> Result<Vec<ApiKey>> {
    let now = now.naive_utc();
    let mut query = table::table.into_boxed();
    let unexpired = || table::expires_at.is_null().or(table::expires_at.gt(now).assume_not_null());
    query = match filter.status {
        None | Some(StatusFilter::All) => query,
        Some(StatusFilter::Active) => query.filter(table::revoked_at.is_null()).filter(unexpired()),
        Some(StatusFilter::Revoked) => query.filter(table::revoked_at.is_not_null()),
        Some(StatusFilter::Expired) => {
            query.filter(table::revoked_at.is_null()).filter(table::expires_at.le(now))
        }
        Some(StatusFilter::Retired) => query.filter(
            table::revoked_at.is_not_null().or(table::expires_at.le(now).assume_not_null()),
        ),
    };
    if let Some(owner) = &filter.owner {
        query = query.filter(table::owner.eq(owner));
    }
    if let Some(text) = &filter.text {
        let pattern = contains_pattern(text);
        let matches = lower(table::name.nullable())
            .like(pattern.clone())
            .escape('\\')
            .or(lower(table::description).like(pattern.clone()).escape('\\'))
            .or(lower(table::owner).like(pattern.clone()).escape('\\'))
            .or(lower(table::id.nullable()).like(pattern.clone()).escape('\\'))
            .or(lower(table::display.nullable()).like(pattern).escape('\\'));
        query = query.filter(matches);
    }
    if let Some(KeyNumber(number)) = after {
        query = query.filter(table::number.lt(i64::from(number)));
    }
    let rows: Vec<Row> =
        query.order(table::number.desc()).limit(limit.get() as i64 + 1).load(connection)?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// What the key index holds of a key.
#[derive(Debug, Clone)]
pub struct KeyChange {
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// Row number.
    pub number: KeyNumber,
    /// Public id.
    pub id: KeyId,
    /// What it may do.
    pub scopes: ScopeSet,
    /// From when on it is refused.
    pub expires_at: Option<Moment>,
    /// Whether somebody ended it.
    pub revoked: bool,
    /// Whether its secret was made elsewhere.
    pub imported: bool,
    /// Id of the audit event of its last change.
    pub revision: i64,
}

type ChangeRow =
    (DigestColumn, i64, Parsed<KeyId>, Parsed<ScopeSet>, Option<NaiveDateTime>, bool, i64, bool);

/// The keys that were changed after a revision, in the order of their changes.
///
/// # Errors
/// When the database fails.
pub fn changed_since(
    connection: &mut AnyConnection,
    revision: i64,
    limit: i64,
) -> Result<Vec<KeyChange>> {
    let rows: Vec<ChangeRow> = table::table
        .filter(table::revision.gt(revision))
        .order(table::revision)
        .limit(limit)
        .select((
            table::digest,
            table::number,
            table::id,
            table::scopes,
            table::expires_at,
            table::revoked_at.is_not_null(),
            table::revision,
            table::imported,
        ))
        .load(connection)?;
    rows.into_iter()
        .map(|(digest, number, id, scopes, expires_at, revoked, revision, imported)| {
            Ok(KeyChange {
                digest: digest.0,
                number: KeyNumber(rows::row_number(number)?),
                id: id.0,
                scopes: scopes.0,
                expires_at: expires_at.map(|end| end.and_utc()),
                revoked,
                imported,
                revision,
            })
        })
        .collect()
}

/// Which of these digests belong to keys, and to which.
///
/// # Errors
/// When the database fails.
pub fn ids_of_digests(
    connection: &mut AnyConnection,
    digests: &[Digest],
) -> Result<Vec<(Digest, KeyId)>> {
    let mut found = Vec::new();
    for some in digests.chunks(DIGESTS_PER_STATEMENT) {
        let some = some.iter().map(|digest| digest.as_bytes().to_vec());
        let rows: Vec<(DigestColumn, Parsed<KeyId>)> = table::table
            .filter(table::digest.eq_any(some))
            .select((table::digest, table::id))
            .load(connection)?;
        found.extend(rows.into_iter().map(|(digest, id)| (digest.0, id.0)));
    }
    Ok(found)
}

/// Lets a transaction wait for whoever reads what it hands over, as long as they like.
///
/// # Errors
/// When the database fails.
pub fn be_patient(connection: &mut AnyConnection) -> Result<()> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(()),
        AnyConnection::Postgres(connection) => {
            Ok(connection.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0")?)
        }
    }
}

/// Keys from the oldest to the newest, those that follow a row number.
///
/// # Errors
/// When the database fails.
pub fn after(connection: &mut AnyConnection, last: i64, limit: i64) -> Result<Vec<ApiKey>> {
    let rows: Vec<Row> = table::table
        .filter(table::number.gt(last))
        .order(table::number)
        .limit(limit)
        .load(connection)?;
    rows.into_iter().map(ApiKey::try_from).collect()
}
