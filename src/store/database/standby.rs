//! Standbys of PostgreSQL, which lag behind and take no changes: telling them from the primary.

use diesel::prelude::*;

use super::libpq;
use crate::store::error::{Error, Result};

/// The error for a connection that leads to a standby.
pub(in crate::store) fn refusal() -> Error {
    Error::Refused(libpq::NO_CHANGES.join("; "))
}

/// Fails on a connection that a pooler, a list of hosts or a failover has led to a standby: what is
/// read there may be long revoked, and nothing can be written.
pub(in crate::store) fn refuse(connection: &mut PgConnection) -> Result<()> {
    let writable = diesel::dsl::sql::<diesel::sql_types::Bool>(
        "NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'",
    );
    let writable: bool = diesel::select(writable).get_result(connection)?;
    if writable { Ok(()) } else { Err(refusal()) }
}
