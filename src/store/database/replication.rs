//! Whether a commit has reached the standbys that it must wait for.
//!
//! When somebody cancels such a wait (`pg_cancel_backend`), PostgreSQL reports success and adds a
//! warning, which diesel drops. The primary then has a change that may be lost with it.

use std::thread;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};

use super::lifeline;
use crate::store::error::{Error, Result};

/// How long the standbys may take to confirm what others have written meanwhile.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often they are looked at.
const POLL: Duration = Duration::from_millis(5);

/// Who may not see the standbys (`pg_read_all_stats`) has to believe PostgreSQL; `bitting check` says
/// so. Where no commit waits for standbys, nothing else is asked.
const QUESTION: &str = "SELECT \
    CASE WHEN s.waits THEN COALESCE($1, CAST(pg_current_wal_flush_lsn() AS TEXT)) END AS position, \
    CASE WHEN s.waits THEN s.needed <= (SELECT COUNT(*) FROM pg_catalog.pg_stat_replication AS r \
    WHERE r.sync_state IN ('sync', 'quorum') AND \
    CASE s.level WHEN 'remote_write' THEN r.write_lsn ELSE r.flush_lsn END \
    >= COALESCE(CAST($1 AS pg_lsn), pg_current_wal_flush_lsn())) ELSE TRUE END AS confirmed \
    FROM (SELECT current_setting('synchronous_commit') AS level, \
    current_setting('synchronous_standby_names') <> '' \
    AND current_setting('synchronous_commit') NOT IN ('off', 'local') \
    AND pg_has_role('pg_read_all_stats', 'USAGE') AS waits, \
    COALESCE(CAST(substring(upper(current_setting('synchronous_standby_names')) \
    FROM '^\\s*(?:FIRST|ANY)?\\s*(\\d+)\\s*\\(') AS INTEGER), 1) AS needed) AS s";

#[derive(QueryableByName)]
struct Answer {
    /// Up to where the primary had written when it was first asked.
    #[diesel(sql_type = Nullable<Text>)]
    position: Option<String>,
    #[diesel(sql_type = Bool)]
    confirmed: bool,
}

/// Returns when the standbys have everything that was committed before.
///
/// # Errors
/// [`Error::OutcomeUnknown`] when they do not have it in time.
pub(super) fn confirm(connection: &mut PgConnection) -> Result<()> {
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
        position = answer.position;
        thread::sleep(POLL);
    }
}
