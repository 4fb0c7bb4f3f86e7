//! Connections in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::database::any_connection::AnyConnection;
use super::database::generation::demand_this;
use super::error::Result;
use super::rows;
use super::schema::{api_keys, bitting, connections as table};
use crate::model::connections::table::Table;
use crate::model::connections::{
    AuthForm, Connection, ConnectionProfile, ConnectionTest, Handle, Kind, SealedCredential,
    TestResult,
};
use crate::model::id::KeyId;
use crate::model::time::Moment;
use crate::model::words::Word;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = table, treat_none_as_null = true)]
struct Row {
    number: i64,
    id: String,
    handle: String,
    kind: String,
    origin: String,
    form: String,
    name: String,
    description: Option<String>,
    account: Option<String>,
    standing: bool,
    recordings: bool,
    rate_limit: Option<String>,
    key_rate_limit: Option<String>,
    sealed: Option<Vec<u8>>,
    hint: Option<String>,
    test_result: Option<String>,
    test_since: Option<NaiveDateTime>,
    tested_at: Option<NaiveDateTime>,
    tested_by: Option<String>,
    test_time: Option<i64>,
    test_detail: Option<String>,
    disabled_at: Option<NaiveDateTime>,
    removed_at: Option<NaiveDateTime>,
    created_at: NaiveDateTime,
    created_by_type: String,
    created_by_id: Option<String>,
    created_by_name: String,
    revision: i64,
    rules: Option<String>,
    test_path: Option<String>,
}

impl Row {
    fn of(connection: &Connection) -> Self {
        let Connection { profile, test, .. } = connection;
        let test = test.as_ref();
        Self {
            number: connection.number.into(),
            id: connection.id.to_string(),
            handle: connection.handle.to_string(),
            kind: connection.kind.as_str().to_owned(),
            origin: connection.origin.to_string(),
            form: connection.form.to_string(),
            name: profile.name.clone(),
            description: profile.description.clone(),
            account: profile.account.clone(),
            standing: profile.standing,
            recordings: profile.recordings,
            rate_limit: profile.limit.map(|limit| limit.to_string()),
            key_rate_limit: profile.key_limit.map(|limit| limit.to_string()),
            rules: lines(&profile.rules),
            test_path: profile.test_path.clone(),
            sealed: connection.sealed.as_ref().map(|sealed| sealed.as_bytes().to_vec()),
            hint: connection.hint.clone(),
            test_result: test.map(|test| test.result.as_str().to_owned()),
            test_since: test.map(|test| test.since.naive_utc()),
            tested_at: test.map(|test| test.at.naive_utc()),
            tested_by: test.map(|test| test.by.clone()),
            test_time: test.map(|test| test.milliseconds),
            test_detail: test.and_then(|test| test.detail.clone()),
            disabled_at: connection.disabled_at.map(|at| at.naive_utc()),
            removed_at: connection.removed_at.map(|at| at.naive_utc()),
            created_at: connection.created_at.naive_utc(),
            created_by_type: connection.created_by.kind.as_str().to_owned(),
            created_by_id: connection.created_by.id.clone(),
            created_by_name: connection.created_by.name.clone(),
            revision: connection.revision,
        }
    }

    /// What the last test found, which all of its columns say or none.
    fn test(&self) -> Option<ConnectionTest> {
        Some(ConnectionTest {
            result: TestResult::parse(self.test_result.as_deref()?)?,
            since: self.test_since?.and_utc(),
            at: self.tested_at?.and_utc(),
            by: self.tested_by.clone().unwrap_or_default(),
            milliseconds: self.test_time.unwrap_or_default(),
            detail: self.test_detail.clone(),
        })
    }

    /// The kind, the form and the rules; none where one cannot be read.
    fn readable(&self) -> Option<(Kind, AuthForm, Table)> {
        let rules = self.rules.iter().flat_map(|rules| rules.lines());
        let rules: std::result::Result<Table, _> = rules.map(str::parse).collect();
        Some((Kind::parse(&self.kind)?, self.form.parse().ok()?, rules.ok()?))
    }
}

impl TryFrom<Row> for Connection {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        let (test, readable) = (row.test(), row.readable());
        let damaged = readable.is_none();
        let (kind, form, rules) = readable.unwrap_or_else(|| {
            (Kind::Http, AuthForm::Usual(Kind::Http.forms()[0]), Table::default())
        });
        let number = u8::try_from(row.number);
        let by = rows::actor(&row.created_by_type, row.created_by_id, row.created_by_name)?;
        Ok(Self {
            number: number.map_err(|_| rows::unreadable("number", &row.number.to_string()))?,
            id: rows::parse("connection id", &row.id)?,
            handle: rows::parse("handle", &row.handle)?,
            kind,
            origin: rows::parse("origin", &row.origin)?,
            form,
            profile: ConnectionProfile {
                name: row.name,
                description: row.description,
                account: row.account,
                standing: row.standing,
                recordings: row.recordings,
                limit: rows::optional_id("rate limit", row.rate_limit)?,
                key_limit: rows::optional_id("rate limit", row.key_rate_limit)?,
                rules,
                test_path: row.test_path,
            },
            sealed: row.sealed.map(SealedCredential::from),
            hint: row.hint,
            test,
            disabled_at: row.disabled_at.map(|at| at.and_utc()),
            removed_at: row.removed_at.map(|at| at.and_utc()),
            created_at: row.created_at.and_utc(),
            created_by: by,
            revision: row.revision,
            damaged,
        })
    }
}

/// Rules, one a line; none where there are none.
fn lines(rules: &Table) -> Option<String> {
    let lines: Vec<String> = rules.rows().iter().map(|row| row.to_string()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// What tells this database from others; copies of it share it.
pub fn database_id(connection: &mut AnyConnection) -> Result<String> {
    Ok(bitting::table.select(bitting::database_id).first(connection)?)
}

/// The number of the next connection; none when all are given out.
pub fn next_number(connection: &mut AnyConnection) -> Result<Option<u8>> {
    let last: Option<i64> =
        table::table.select(diesel::dsl::max(table::number)).first(connection)?;
    Ok(u8::try_from(last.unwrap_or(0) + 1).ok())
}

/// Stores a new connection, of which earlier programs know nothing.
pub fn insert(connection: &mut AnyConnection, new: &Connection) -> Result<()> {
    demand_this(connection)?;
    diesel::insert_into(table::table).values(Row::of(new)).execute(connection)?;
    Ok(())
}

/// Stores what a connection has become.
pub fn update(connection: &mut AnyConnection, changed: &Connection) -> Result<()> {
    diesel::update(table::table.find(i64::from(changed.number)))
        .set(Row::of(changed))
        .execute(connection)?;
    Ok(())
}

/// Every connection that is not removed, by handle.
pub fn list(connection: &mut AnyConnection) -> Result<Vec<Connection>> {
    let rows: Vec<Row> =
        table::table.filter(table::removed_at.is_null()).order(table::handle).load(connection)?;
    rows.into_iter().map(Connection::try_from).collect()
}

/// The connection with this handle, also when it is removed.
pub fn find(connection: &mut AnyConnection, handle: &Handle) -> Result<Option<Connection>> {
    let row: Option<Row> =
        table::table.filter(table::handle.eq(handle.as_str())).first(connection).optional()?;
    row.map(Connection::try_from).transpose()
}

/// The connections that were changed after a revision, in the order of their changes.
pub fn changed_since(connection: &mut AnyConnection, revision: i64) -> Result<Vec<Connection>> {
    let rows: Vec<Row> = table::table
        .filter(table::revision.gt(revision))
        .order(table::revision)
        .load(connection)?;
    rows.into_iter().map(Connection::try_from).collect()
}

/// Takes a connection for a test, unless somebody has taken it since then; says whether it did.
pub fn claim_for_test(
    connection: &mut AnyConnection,
    number: u8,
    not_since: Moment,
    now: Moment,
) -> Result<bool> {
    let row = table::table.find(i64::from(number));
    let untaken = table::tested_at.is_null();
    let untaken = untaken.or(table::tested_at.le(not_since.naive_utc()).assume_not_null());
    let taken = diesel::update(row.filter(untaken))
        .set(table::tested_at.eq(now.naive_utc()))
        .execute(connection)?;
    Ok(taken > 0)
}

/// When a connection was last tested, or taken for a test.
pub fn tested_at(connection: &mut AnyConnection, number: u8) -> Result<Option<Moment>> {
    let at: Option<Option<NaiveDateTime>> = table::table
        .find(i64::from(number))
        .select(table::tested_at)
        .first(connection)
        .optional()?;
    Ok(at.flatten().map(|at| at.and_utc()))
}

/// The ids and names of keys with a scope at a connection, which are neither revoked nor expired.
pub fn keys_that_reach(
    connection: &mut AnyConnection,
    handle: &Handle,
    now: Moment,
) -> Result<Vec<(KeyId, String)>> {
    // A scope ends at a space or at the end of the text, and no handle holds a character that LIKE
    // takes for a pattern.
    let (inside, last) = (format!("%@{handle} %"), format!("%@{handle}"));
    let rows: Vec<(String, String)> = api_keys::table
        .filter(api_keys::scopes.like(inside).or(api_keys::scopes.like(last)))
        .filter(api_keys::revoked_at.is_null())
        .filter(
            api_keys::expires_at
                .is_null()
                .or(api_keys::expires_at.gt(now.naive_utc()).assume_not_null()),
        )
        .order(api_keys::number)
        .select((api_keys::id, api_keys::name))
        .load(connection)?;
    rows.into_iter().map(|(id, name)| Ok((rows::parse("key id", &id)?, name))).collect()
}
