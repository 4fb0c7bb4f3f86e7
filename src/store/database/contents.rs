//! Whether there is anything in a database at all.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::any_connection::AnyConnection;
use crate::store::error::Result;

/// The tables that hold what somebody made.
const TABLES: [&str; 4] = ["users", "api_keys", "admin_tokens", "connections"];

#[derive(QueryableByName)]
struct Filled {
    #[diesel(sql_type = BigInt)]
    filled: i64,
}

/// Whether nobody has made anything: no user, key, token or connection.
pub fn is_empty(connection: &mut AnyConnection) -> Result<bool> {
    are_empty(connection, &TABLES)
}

/// Whether none of these tables has a row.
pub fn are_empty(connection: &mut AnyConnection, tables: &[&str]) -> Result<bool> {
    let filled =
        |table: &&str| format!("CASE WHEN EXISTS (SELECT 1 FROM {table}) THEN 1 ELSE 0 END");
    let each: Vec<String> = tables.iter().map(filled).collect();
    let query = format!("SELECT CAST({} AS BIGINT) AS filled", each.join(" + "));
    Ok(diesel::sql_query(query).get_result::<Filled>(connection)?.filled == 0)
}
