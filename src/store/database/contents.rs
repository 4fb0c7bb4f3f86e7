//! Whether there is anything in the database at all.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::any_connection::AnyConnection;
use crate::store::error::Result;

/// The tables that hold what somebody made.
const TABLES: [&str; 9] = [
    "users",
    "api_keys",
    "admin_tokens",
    "agents",
    "calls",
    "contacts",
    "integrations",
    "knowledge_base",
    "leads",
];

#[derive(QueryableByName)]
struct Filled {
    #[diesel(sql_type = BigInt)]
    filled: i64,
}

/// Whether nobody has made anything: no user, key, token or record.
///
/// # Errors
/// When the database fails.
pub fn is_empty(connection: &mut AnyConnection) -> Result<bool> {
    let each =
        TABLES.map(|table| format!("CASE WHEN EXISTS (SELECT 1 FROM {table}) THEN 1 ELSE 0 END"));
    let query = format!("SELECT CAST({} AS BIGINT) AS filled", each.join(" + "));
    Ok(diesel::sql_query(query).get_result::<Filled>(connection)?.filled == 0)
}
