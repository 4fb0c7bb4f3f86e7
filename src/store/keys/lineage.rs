//! Lines of keys: each was rotated into the next.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::find_all;
use crate::model::id::KeyId;
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::time::Moment;
use crate::store::database::any_connection::AnyConnection;
use crate::store::database::statement::Statement;
use crate::store::error::Result;
use crate::store::rows;
use crate::store::schema::api_keys as table;

/// Records what a key was rotated into, and when it ends.
pub fn set_replaced(
    connection: &mut AnyConnection,
    number: KeyNumber,
    replaced_by: KeyId,
    expires_at: Moment,
    revision: i64,
) -> Result<()> {
    diesel::update(table::table.filter(table::number.eq(i64::from(number.0))))
        .set((
            table::replaced_by.eq(replaced_by.to_string()),
            table::expires_at.eq(expires_at.naive_utc()),
            table::revision.eq(revision),
        ))
        .execute(connection)?;
    Ok(())
}

/// Every key of the line that a key is in, the oldest first; the key itself is among them.
pub fn line_of(connection: &mut AnyConnection, key: &ApiKey) -> Result<Vec<ApiKey>> {
    if key.replaces.is_none() && key.replaced_by.is_none() {
        return Ok(vec![key.clone()]);
    }
    let step = |statement: Statement<BigInt>, name: &str, column: &str| {
        statement
            .sql(format!(
                "{name} (number, other) AS (SELECT number, {column} FROM api_keys WHERE number = "
            ))
            .number(key.number.0.into())
            .sql(format!(
                " UNION SELECT k.number, k.{column} \
                 FROM api_keys AS k JOIN {name} AS l ON k.id = l.other)"
            ))
    };
    let statement = Statement::on(connection).sql("WITH RECURSIVE ");
    let statement = step(statement, "earlier", "replaces").sql(", ");
    let statement = step(statement, "later", "replaced_by")
        .sql(" SELECT number FROM earlier UNION SELECT number FROM later");
    let numbers: Vec<i64> = statement.load(connection)?;
    let number = |number| rows::row_number(number).map(KeyNumber);
    let numbers: Vec<KeyNumber> = numbers.into_iter().map(number).collect::<Result<_>>()?;
    let mut line = find_all(connection, &numbers)?;
    line.sort_by_key(|key| key.number);
    Ok(line)
}
