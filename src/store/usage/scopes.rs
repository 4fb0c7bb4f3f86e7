//! When keys last made use of each of their scopes: what finds those that may do more than they do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use diesel::prelude::*;

use crate::model::usage::{Count, Outcome};
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;

/// Rows in one statement.
const ROWS_PER_STATEMENT: usize = 500;

/// Notes the scopes that these requests made use of: those that were refused for want of a scope, or
/// because their key had ended, made use of none.
pub(super) fn note_uses(connection: &mut AnyConnection, counts: &[Count]) -> Result<()> {
    let mut uses: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    let refused =
        |count: &&Count| matches!(count.cell.outcome(), Outcome::Forbidden | Outcome::Retired);
    for count in counts.iter().filter(|count| !refused(count)) {
        // Without the outcome, which is the last octal digit.
        let last_at = uses.entry((count.key.0.into(), count.cell.number() / 8)).or_default();
        *last_at = count.last_at.max(*last_at);
    }
    let uses: Vec<_> = uses.into_iter().collect();
    for some in uses.chunks(ROWS_PER_STATEMENT) {
        let mut values = String::new();
        for ((key, right), last_at) in some {
            let separator = if values.is_empty() { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(values, "{separator}({key},{right},{last_at})");
        }
        // Requests through a connection are counted as calls@callrail; its scope is calls:read@callrail.
        // SQLite takes ON CONFLICT for a part of the join unless a WHERE comes before.
        diesel::sql_query(format!(
            "WITH used(key_number, access, last_at) AS (VALUES {values}) \
             INSERT INTO scope_uses (key_number, scope, last_at) \
             SELECT key_number, CASE WHEN name LIKE '%@%' THEN REPLACE(name, '@', verb || '@') \
             ELSE name || verb END, last_at \
             FROM (SELECT key_number, access / 2 AS resource, last_at, \
             CASE access % 2 WHEN 0 THEN ':read' ELSE ':write' END AS verb FROM used) AS uses \
             JOIN resources ON number = resource WHERE number > 0 \
             ON CONFLICT (key_number, scope) DO UPDATE SET last_at = CASE \
             WHEN excluded.last_at > scope_uses.last_at THEN excluded.last_at \
             ELSE scope_uses.last_at END"
        ))
        .execute(connection)?;
    }
    Ok(())
}
