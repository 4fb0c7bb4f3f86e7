//! Whether a commit has reached the standbys that it must wait for.
//!
//! When somebody cancels such a wait (`pg_cancel_backend`), PostgreSQL reports success and adds a
//! warning, which diesel drops. The primary then has a change that may be lost with it.

use std::thread;
use std::time::{Duration, Instant};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};

use super::any_connection::AnyConnection;
use super::functions::{current_setting, pg_has_role};
use super::lifeline;
use crate::store::error::{Error, Result};

/// How long the standbys may take to confirm what others have written meanwhile.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often they are looked at.
const POLL: Duration = Duration::from_millis(5);

/// Up to where the primary has written, and whether as many standbys as must have it have it. There is
/// no backslash in it, which means something else where `standard_conforming_strings` is off.
const QUESTION: &str = "SELECT CAST(p.position AS TEXT) AS position, p.needed <= \
    (SELECT COUNT(*) FROM pg_catalog.pg_stat_replication AS r \
    WHERE r.sync_state IN ('sync', 'quorum') AND \
    CASE current_setting('synchronous_commit') WHEN 'remote_write' THEN r.write_lsn \
    ELSE r.flush_lsn END >= p.position) AS confirmed \
    FROM (SELECT COALESCE(CAST($1 AS pg_lsn), pg_current_wal_flush_lsn()) AS position, \
    COALESCE(CAST(substring(upper(current_setting('synchronous_standby_names')) \
    FROM '^[[:space:]]*(?:FIRST|ANY)?[[:space:]]*([0-9]+)[[:space:]]*[(]') AS INTEGER), 1) \
    AS needed) AS p";

#[derive(QueryableByName)]
struct Answer {
    /// Up to where the primary had written when it was first asked.
    #[diesel(sql_type = Text)]
    position: String,
    #[diesel(sql_type = Bool)]
    confirmed: bool,
}

/// Returns when the standbys have everything that was committed before.
///
/// # Errors
/// [`Error::OutcomeUnknown`] when they do not have it in time.
pub(super) fn confirm(connection: &mut AnyConnection) -> Result<()> {
    let began = Instant::now();
    let mut position = None;
    loop {
        let question = diesel::sql_query(QUESTION).bind::<Nullable<Text>, _>(position);
        let answer: Answer = question.get_result(connection)?;
        if answer.confirmed {
            return Ok(());
        }
        if lifeline::left_of(PATIENCE.saturating_sub(began.elapsed())).is_zero() {
            return Err(Error::OutcomeUnknown);
        }
        position = Some(answer.position);
        thread::sleep(POLL);
    }
}

/// Whether the commit of this transaction is going to wait for standbys: one that has changed nothing
/// does not. Who may not see the standbys has to believe PostgreSQL; `bitting check` says so.
pub(super) fn waits(connection: &mut AnyConnection) -> Result<bool> {
    let AnyConnection::Postgres(connection) = connection else { return Ok(false) };
    let level = || current_setting("synchronous_commit");
    let waits = current_setting("synchronous_standby_names")
        .ne("")
        .and(level().ne("off"))
        .and(level().ne("local"))
        .and(pg_has_role("pg_read_all_stats", "USAGE"))
        .and(sql::<Bool>("pg_current_xact_id_if_assigned() IS NOT NULL"));
    Ok(diesel::select(waits).get_result(connection)?)
}
