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

/// Which servers will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    /// A primary, whether or not it takes changes: what it holds is true.
    Primary,
    /// One that takes changes.
    Writable,
}

/// Fails on a connection that a pooler, a list of hosts or a failover has led to a standby: what is
/// read there may be long revoked, and nothing can be written.
pub(in crate::store) fn refuse(connection: &mut PgConnection, wanted: Kind) -> Result<()> {
    let takes_changes = current_setting("transaction_read_only").eq("off");
    let is = diesel::select((not(pg_is_in_recovery()), takes_changes));
    let (is_primary, takes_changes): (bool, bool) = is.get_result(connection)?;
    let will_do = is_primary && (takes_changes || wanted == Kind::Primary);
    if will_do { Ok(()) } else { Err(refusal()) }
}
