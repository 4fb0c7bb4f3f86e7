//! Keys moving in and out: taking in keys that were made elsewhere, and walking over all there
//! are.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::keyring::NewKeyDetail;
use crate::domain::Bitting;
use crate::domain::error::{Error, Result};
use crate::domain::principal::{Principal, require};
use crate::domain::usage::meter::Unwritten;
use crate::model::FieldErrors;
use crate::model::audit::Action;
use crate::model::foreign_key::{HOLDS_KEY, candidates};
use crate::model::id::{KeyId, PublicId};
use crate::model::imported_key::ImportedKey;
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::key_filter::KeyFilter;
use crate::model::secret::Digest;
use crate::model::time::Moment;
use crate::model::usage::{Usage, Windows};
use crate::store;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::keys::transfer;
use crate::store::{AnyConnection, audit, tokens};

/// How many keys are read at once when all are read.
const KEYS_PER_READ: i64 = 1000;

/// The outcome of importing a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// The key is new, and has this id now; none in a preview.
    New(Option<KeyId>),
    /// A key with this digest is there already; nothing is changed.
    AlreadyThere(KeyId),
    /// The digest is that of an admin token.
    OfAToken,
}

/// What is known of the digests of a batch.
struct Known {
    keys: HashMap<Digest, KeyId>,
    tokens: HashSet<Digest>,
}

impl Known {
    fn read(connection: &mut AnyConnection, batch: &[ImportedKey]) -> Result<Self> {
        let digests: Vec<Digest> = batch.iter().map(|key| key.digest).collect();
        let keys = transfer::ids_of_digests(connection, &digests)?.into_iter().collect();
        Ok(Self { keys, tokens: tokens::digests(connection)?.into_iter().collect() })
    }

    fn intake_of(&self, key: &ImportedKey) -> Intake {
        match self.keys.get(&key.digest) {
            Some(id) => Intake::AlreadyThere(*id),
            None if self.tokens.contains(&key.digest) => Intake::OfAToken,
            None => Intake::New(None),
        }
    }
}

impl Bitting {
    /// Imports a batch of keys with distinct digests, in one transaction. This process learns of
    /// them from the feed, as all others do: it need not hold a million of them in memory to pass
    /// them on.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for all but administrators; [`Error::Invalid`] for a key that breaks the
    /// policy; when the database fails, and none of the
    /// batch is there then.
    pub fn import_keys(
        &self,
        batch: Vec<ImportedKey>,
        principal: &Principal,
    ) -> Result<Vec<Intake>> {
        require(principal.administers())?;
        for key in &batch {
            self.policy.check(&key.label, key.expires_at, self.time.now())?;
        }
        let origin = &principal.origin;
        self.database.write(|connection| {
            AdvisoryLock::Keys.acquire(connection)?;
            let known = Known::read(connection, &batch)?;
            let now = self.time.now();
            let mut new = Vec::new();
            let decide = |key: ImportedKey| match known.intake_of(&key) {
                Intake::New(_) => {
                    new.push(self.made_elsewhere(key, principal, now));
                    Intake::New(new.last().map(|key| key.id))
                }
                known => known,
            };
            let intake = batch.into_iter().map(decide).collect();
            let about = |key: &ApiKey| (key.id, json!(NewKeyDetail::of(key)));
            let about: Vec<_> = new.iter().map(about).collect();
            let events = audit::insert_many(connection, now, Action::KeyCreated, origin, &about)?;
            for (key, event) in new.iter_mut().zip(events) {
                key.revision = event;
            }
            transfer::insert_many(connection, &new)?;
            Ok(intake)
        })
    }

    /// For each of some keys that are to be imported, which of its texts hold a key that was imported
    /// before, or is to be.
    pub fn keys_in_texts(&self, batch: &[ImportedKey]) -> Result<Vec<FieldErrors>> {
        let digests_in = |text: &str| -> Vec<Digest> {
            candidates(text).map(|text| Digest::of(text.as_bytes())).collect()
        };
        let in_texts: Vec<Vec<(&str, Vec<Digest>)>> = batch
            .iter()
            .map(|key| key.label.texts().map(|(field, text)| (field, digests_in(text))).collect())
            .collect();
        let all: HashSet<Digest> =
            in_texts.iter().flatten().flat_map(|(_, digests)| digests).copied().collect();
        let all: Vec<Digest> = all.into_iter().collect();
        let known = self.database.read(|connection| transfer::ids_of_digests(connection, &all))?;
        let mut known: HashSet<Digest> = known.into_iter().map(|(digest, _)| digest).collect();
        known.extend(batch.iter().map(|key| key.digest));
        let errors = |texts: Vec<(&str, Vec<Digest>)>| {
            let mut errors = FieldErrors::default();
            for (field, digests) in texts {
                if digests.iter().any(|digest| known.contains(digest)) {
                    errors.add(field, HOLDS_KEY);
                }
            }
            errors
        };
        Ok(in_texts.into_iter().map(errors).collect())
    }

    /// Says what [`Self::import_keys`] would do.
    pub fn preview_import(&self, batch: &[ImportedKey]) -> Result<Vec<Intake>> {
        let known = self.database.read(|connection| Known::read(connection, batch))?;
        Ok(batch.iter().map(|key| known.intake_of(key)).collect())
    }

    fn made_elsewhere(&self, key: ImportedKey, principal: &Principal, now: Moment) -> ApiKey {
        ApiKey {
            number: KeyNumber(0),
            id: KeyId::from_number(self.next_id(now)),
            digest: key.digest,
            label: key.label,
            scopes: key.scopes,
            limits: key.limits,
            display: key.display,
            created_at: now,
            created_by: principal.origin.actor.clone(),
            expires_at: key.expires_at,
            revocation: None,
            holder: principal.holder(),
            imported: true,
            replaces: None,
            replaced_by: None,
            leaked_at: None,
            revision: 0,
        }
    }

    /// Notes that the keys' digests leave the database, before any does: whoever has one can have
    /// its key accepted elsewhere.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; when it cannot be noted, nothing must be exported.
    pub fn note_export_of_digests(&self, principal: &Principal) -> Result<()> {
        require(principal.administers())?;
        let (now, origin) = (self.time.now(), &principal.origin);
        self.database.write(|connection| {
            Result::Ok(audit::insert(
                connection,
                now,
                Action::KeysExported,
                origin,
                None,
                &json!({}),
            )?)
        })?;
        Ok(())
    }

    /// Hands over every key that a filter lets through with its figures, all as the database was at
    /// one moment, from the oldest to the newest, a few at a time. What this process has counted and not written is not among them:
    /// it is the command line, which counts nothing.
    ///
    /// # Errors
    /// Whatever `each` returns, or [`Error::Forbidden`].
    pub fn walk_keys<E: From<Error>>(
        &self,
        principal: &Principal,
        filter: &KeyFilter,
        mut each: impl FnMut(&ApiKey, &Usage) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        require(principal.oversees()).map_err(E::from)?;
        let now = self.time.now();
        let windows = Windows::ending(now);
        // `None`: the last of them has been handed over.
        let mut last = Some(KeyNumber(0));
        let walked = self.database.snapshot(|connection| {
            transfer::disable_timeouts(connection)?;
            while let Some(KeyNumber(after)) = last {
                let some = transfer::after(connection, filter, after.into(), KEYS_PER_READ, now)?;
                last = some.last().map(|key| key.number);
                let numbers: Vec<KeyNumber> = some.iter().map(|key| key.number).collect();
                let figures = self.figures(connection, &numbers, &windows, Unwritten::new())?;
                for key in &some {
                    let usage = figures.get(&key.number).cloned().unwrap_or_default();
                    each(key, &usage).map_err(Walk::Stopped)?;
                }
            }
            Ok(())
        });
        walked.map_err(|why| match why {
            Walk::Stopped(why) => why,
            Walk::Store(why) => Error::Store(why).into(),
        })
    }
}

/// Why reading all keys ended early.
enum Walk<E> {
    Store(store::Error),
    Stopped(E),
}

impl<E> From<store::Error> for Walk<E> {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
