//! Standbys of PostgreSQL, which lag behind and take no changes: telling them from the primary.

use diesel::dsl::not;
use diesel::prelude::*;

use super::functions::{current_setting, pg_is_in_recovery};
use super::libpq;
use crate::store::error::{Error, Result};

/// The error for a connection that leads to a standby.
pub(in crate::store) fn refusal() -> Error {
    Error::Refused(libpq::NO_CHANGES.join("; "))
}

/// Fails on a connection that a pooler, a list of hosts or a failover has led to a standby: what is
/// read there may be long revoked, and nothing can be written.
pub(in crate::store) fn refuse(connection: &mut PgConnection) -> Result<()> {
    let takes_changes = current_setting("transaction_read_only").eq("off");
    let writable = not(pg_is_in_recovery()).and(takes_changes);
    let writable: bool = diesel::select(writable).get_result(connection)?;
    if writable { Ok(()) } else { Err(refusal()) }
}
