//! Standbys of PostgreSQL, which lag behind and take no changes: telling them from the primary.

use diesel::prelude::*;

use super::libpq;
use crate::store::error::{Error, Result};

/// Whether a URL names several hosts, of which libpq takes the first that answers.
pub(in crate::store) fn has_several_hosts(url: &str) -> bool {
    let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let named = parameters.split('&').filter(|parameter| parameter.starts_with("host"));
    std::iter::once(place).chain(named).any(|hosts| hosts.contains(',') || hosts.contains("%2C"))
}

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

#[cfg(test)]
mod tests {
    use crate::store::database::standby::*;

    #[test]
    fn a_choice_of_hosts_is_seen_wherever_they_are_named() {
        for (url, several) in [
            ("postgres://me:a,b@db/bitting", false),
            ("postgres://db1,db2/bitting", true),
            ("postgres://me@db1:5432,db2:5433/bitting?sslmode=require", true),
            ("postgres:///bitting?host=db1,db2", true),
            ("postgres://db/bitting?options=-c%20a,b", false),
        ] {
            assert_eq!(has_several_hosts(url), several, "{url}");
        }
    }
}
