//! What Bitting does: one function a use case, one transaction each, its audit event inside it.
//!
//! [`Bitting`] holds what the use cases share. Nothing here knows HTTP or SQL.

pub mod audit_log;
pub mod carry_over;
pub mod change_feed;
pub mod checkup;
pub mod connections;
pub mod credential;
pub mod error;
mod event_limit;
mod feed_reader;
pub mod idempotency;
pub mod idempotency_lock;
pub mod keys;
pub mod principal;
mod report_limit;
pub mod resources;
pub mod set_back;
pub mod tokens;
pub mod usage;
pub mod users;
pub mod warnings;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::Mutex;
use uuid::{ContextV7, Timestamp, Uuid};

use crate::clock::Clock;
use crate::model::FieldErrors;
use crate::model::catalog::Catalog;
use crate::model::foreign_key::HOLDS_KEY;
use crate::model::policy::Policy;
use crate::model::secret::Brand;
use crate::model::time::Moment;
use crate::store;
use crate::store::Database;
use crate::store::database::lifeline;
use crate::store::database::migrate::DatabaseInfo;

pub use error::{Error, Result};

use crate::gate::Gate;
use crate::gate::timekeeper::Timekeeper;
use change_feed::ChangeFeed;
use connections::Connections;
use event_limit::EventLimit;
use report_limit::ReportLimit;
use set_back::SetBacks;
use usage::flushes::Flushes;
use usage::meter::UsageMeter;
use users::passwords::Hasher;
use warnings::Warnings;

/// The application behind every front door: the database, and what is kept of it in memory.
pub struct Bitting {
    /// The database in which everything is stored.
    pub database: Database,
    /// The database for what runs in the background, which keeps a connection of its own.
    pub background: Database,
    /// The prefix of every secret.
    pub brand: Brand,
    /// The resources and scopes there are.
    pub catalog: Arc<Catalog>,
    /// The rules for new keys.
    pub policy: Policy,
    /// Whether OPTIONS requests that others serve pass without a key.
    pub preflight: bool,
    /// The time that everything is decided and recorded by.
    pub time: Arc<Timekeeper>,
    /// The part in memory, by which requests are judged.
    pub gate: Arc<Gate>,
    /// Up to where the gate has been told what changed.
    pub feed: ChangeFeed,
    /// The vendors' APIs that keys reach.
    pub connections: Connections,
    /// How often the database was found set back.
    pub set_backs: SetBacks,
    /// The counts that are not written yet.
    pub meter: UsageMeter,
    /// Hashes passwords, few at a time.
    pub hasher: Hasher,
    failed_logins: EventLimit,
    leak_reports: ReportLimit,
    denials: EventLimit,
    /// How many other servers of this database have other resources, as last counted.
    pub differing_servers: AtomicU64,
    /// How many sessions there are in the database, as last counted.
    pub sessions: AtomicU64,
    /// How writing the counts has gone so far.
    pub flushes: Flushes,
    /// Whom to tell what somebody ought to know, and how that goes.
    pub warnings: Warnings,
    running: idempotency_lock::Running,
    ids: Mutex<ContextV7>,
}

impl Bitting {
    /// Puts the parts together; the index is empty until the feed has been read once.
    ///
    /// # Errors
    /// When the database's mark is unreadable.
    pub fn new(
        database: Database,
        mark: &DatabaseInfo,
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        max_staleness: Duration,
        connections: Connections,
    ) -> Result<Self> {
        let brand: Brand = mark.brand.parse().map_err(|why| {
            Error::Store(store::Error::Unreadable(format!("brand {:?} {why}", mark.brand)))
        })?;
        let ids = Mutex::new(ContextV7::new());
        let catalog = Arc::new(catalog);
        let time = Arc::new(Timekeeper::new(clock, mark.high_water));
        let gate = Gate::new(catalog.clone(), brand.clone(), time.clone(), max_staleness);
        let numbers = gate.index.numbers.clone();
        let meter = UsageMeter::new(Uuid::now_v7().to_string(), numbers);
        Ok(Self {
            background: database.for_background(),
            database,
            brand,
            time,
            gate: Arc::new(gate),
            catalog,
            policy: Policy::default(),
            preflight: false,
            feed: ChangeFeed::default(),
            connections,
            meter,
            set_backs: SetBacks::default(),
            hasher: Hasher::default(),
            failed_logins: EventLimit::default(),
            leak_reports: ReportLimit::default(),
            denials: EventLimit::default(),
            differing_servers: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            flushes: Flushes::default(),
            warnings: Warnings::default(),
            running: idempotency_lock::Running::default(),
            ids,
        })
    }

    /// Whether a load balancer may send requests here: the index is recent enough, and the
    /// database's file is still there.
    pub fn is_ready(&self) -> bool {
        self.gate.freshness.is_fresh(self.time.uptime()) && !self.feed.has_lost_its_file()
    }

    /// Runs a use case that waits for the database no longer than this, where a server's threads see
    /// to it.
    pub fn within<T>(&self, limit: Duration, use_case: impl FnOnce(&Self) -> T) -> T {
        lifeline::within(limit, || use_case(self))
    }

    /// Refuses texts that hold a key, by field: they are stored, and shown to others.
    ///
    /// # Errors
    /// The fields of those.
    fn refuse_secrets_in(
        &self,
        texts: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<()> {
        let mut errors = FieldErrors::default();
        for (field, text) in texts {
            let text = text.as_ref();
            if self.brand.may_occur_in(text) || self.holds_imported_key(text)? {
                errors.add(field.as_ref(), HOLDS_KEY);
            }
        }
        Ok(errors.into_result()?)
    }

    /// A new UUIDv7: greater than every one this process made before, and dated `now`.
    pub(crate) fn next_id(&self, now: Moment) -> u128 {
        let context = self.ids.lock();
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let timestamp = Timestamp::from_unix(&*context, seconds, now.timestamp_subsec_nanos());
        Uuid::new_v7(timestamp).as_u128()
    }
}
