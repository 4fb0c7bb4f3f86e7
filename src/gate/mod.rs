//! Who is calling, and may they: the one decision shared by every front door.
//!
//! A front door hands in what was presented and what its route needs, and is told either who the
//! caller is or why not. Nothing here knows HTTP's types or SQL.

pub mod advice;
pub mod caller;
pub mod decision;
pub mod indexed_credential;
pub mod key_index;
pub mod last_errors;
pub mod policies;
pub mod presented_key;
pub mod row_numbers;
pub mod slots;
pub mod timekeeper;
pub mod worker_tally;

use crate::domain::Bitting;
use crate::model::time::Moment;

use decision::{Decision, Lookup, Route, decide};
use presented_key::{Presented, Unusable};

/// Looks the credential up in memory. `None`: it is not known here yet, so that only
/// [`judge_after_feed`] can tell.
///
/// One of foreign form has no checksum that would tell a made-up one, and causes no read: a flood
/// of them costs a hash each, and an imported key is known once the feed has brought it.
pub fn judge_from_memory(
    bitting: &Bitting,
    presented: &Result<Presented, Unusable>,
    route: Route,
    now: Moment,
) -> Option<Decision> {
    let fresh = is_fresh(bitting);
    let lookup = match presented {
        Err(_) => Lookup::Unknown,
        Ok(presented) => match bitting.index.find(&presented.digest) {
            Some(entry) => Lookup::Found(entry),
            None if presented.foreign && fresh => Lookup::Unknown,
            None if presented.foreign => Lookup::Unavailable,
            None => return None,
        },
    };
    Some(decide(presented, lookup, fresh, now, route, &bitting.catalog))
}

/// Decides about a credential that memory does not know: it may have been made elsewhere a moment
/// ago, so the feed is read first.
pub async fn judge_after_feed(
    bitting: &Bitting,
    presented: &Result<Presented, Unusable>,
    route: Route,
) -> Decision {
    let read = bitting.feed.next_read().await;
    let fresh = is_fresh(bitting);
    let found = presented.as_ref().ok().and_then(|p| bitting.index.find(&p.digest));
    let lookup = match (found, read) {
        (Some(entry), _) => Lookup::Found(entry),
        (None, Ok(())) => Lookup::Unknown,
        (None, Err(_)) => Lookup::Unavailable,
    };
    decide(presented, lookup, fresh, bitting.time.now(), route, &bitting.catalog)
}

/// Whether what is looked up from now on is recent enough. To be asked before the look-up: asked
/// after it, the answer could be about a read that the look-up has not seen.
fn is_fresh(bitting: &Bitting) -> bool {
    bitting.feed.is_fresh(bitting.time.uptime())
}
