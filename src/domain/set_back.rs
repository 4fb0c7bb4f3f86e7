//! A database that was set back under running servers: a backup was restored, or a standby took over
//! that lacked the last commits. What was lost is named, since nobody else knows it.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Duration;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::gate::key_index::{Holder, IndexedCredential, Replaced};
use crate::model::audit::AuditEvent;
use crate::model::key::Status;
use crate::model::time::{Moment, Timestamp};

/// The most ids of each kind that are listed; the number of all is recorded too.
const NAMED: usize = 100;
/// Servers of one database notice within a moment of each other; what one of them has recorded so
/// recently, the others need not record again.
pub(super) const RECENT: Duration = Duration::seconds(60);
/// Findings that wait to be recorded at most: there are several only where a pooler leads from one
/// database to another and back.
const MOST_WAITING: usize = 20;

/// How often the database was found set back, and what is still to be recorded of it.
#[derive(Debug, Default)]
pub struct SetBacks {
    times: AtomicU64,
    unrecorded: Mutex<Vec<SetBack>>,
}

impl SetBacks {
    /// How often the database was found set back so far.
    pub fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed)
    }

    /// Logs what was lost, and keeps it to be recorded in the audit log.
    pub(super) fn note(&self, set_back: SetBack) {
        self.times.fetch_add(1, Ordering::Relaxed);
        let SetBack { unknown, revived, requests } = &set_back;
        tracing::error!(
            unknown = unknown.named(),
            unknown_in_all = unknown.all,
            revived = revived.named(),
            revived_in_all = revived.all,
            requests_set_aside = requests,
            "THE DATABASE WAS SET BACK: it has lost what was committed before, as after a restore or \
             a failover to a standby that lagged behind. Everything was read anew. What is unknown \
             was accepted until now and is refused; what is revived had ended, is accepted again, \
             and is to be revoked"
        );
        let mut unrecorded = self.unrecorded.lock();
        unrecorded.truncate(MOST_WAITING - 1);
        unrecorded.push(set_back);
    }
}

/// Some ids, of which the first are listed and the rest only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ids {
    /// The first [`NAMED`] ids, sorted.
    first: Vec<String>,
    all: usize,
}

impl Ids {
    fn of<'a>(entries: impl Iterator<Item = &'a IndexedCredential>) -> Self {
        let id = |entry: &IndexedCredential| match entry.holder() {
            Holder::ApiKey { id, .. } => id.to_string(),
            Holder::AdminToken { id, .. } => id.to_string(),
        };
        let mut first: Vec<String> = entries.map(id).collect();
        let all = first.len();
        first.sort_unstable();
        first.truncate(NAMED);
        Self { first, all }
    }

    fn named(&self) -> String {
        self.first.join(" ")
    }

    /// Whether an audit event's list has all of them.
    fn are_in(&self, listed: &Value) -> bool {
        let listed = listed.as_array().map_or(&[][..], Vec::as_slice);
        self.first.iter().all(|id| listed.iter().any(|listed| listed == id.as_str()))
    }
}

/// What was lost, as far as this process knew it.
#[derive(Debug, Clone)]
pub(super) struct SetBack {
    /// Keys and admin tokens that were accepted, and that the database does not know.
    unknown: Ids,
    /// Keys and admin tokens whose revocation was lost.
    revived: Ids,
    /// Requests of keys that are gone, which were counted and not written yet.
    requests: i64,
}

impl SetBack {
    pub(super) fn of(replaced: &Replaced, requests: i64, now: Moment) -> Self {
        let now = Timestamp::of(now);
        let lived = |entry: &&IndexedCredential| entry.status(now) == Status::Active;
        let unknown = Ids::of(replaced.gone.iter().filter(lived));
        Self { unknown, revived: Ids::of(replaced.revived.iter()), requests }
    }

    pub(super) fn detail(&self) -> Value {
        json!({
            "unknown": self.unknown.first,
            "unknown_in_all": self.unknown.all,
            "revived": self.revived.first,
            "revived_in_all": self.revived.all,
            "requests_set_aside": self.requests,
        })
    }

    pub(super) fn is_told_by(&self, event: &AuditEvent) -> bool {
        self.unknown.are_in(&event.detail["unknown"])
            && self.revived.are_in(&event.detail["revived"])
    }
}

impl SetBacks {
    pub(super) fn next(&self) -> Option<SetBack> {
        self.unrecorded.lock().first().cloned()
    }

    pub(super) fn recorded(&self) {
        self.unrecorded.lock().remove(0);
    }
}
