//! Keys that somebody found where they do not belong. Whoever holds a key can report it: that they
//! hold it is the proof.

use serde_json::{Value, json};

use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::Result;
use crate::gate::freshness::Unavailable;
use crate::model::actor::{Actor, ActorKind, ClientInfo, Origin};
use crate::model::audit::Action;
use crate::model::key::{ApiKey, Status};
use crate::model::leak::LeakReport;
use crate::model::policy::LeakPolicy;
use crate::model::secret::Digest;
use crate::model::warnings::Warning;
use crate::store::database::transaction::AdvisoryLock;
use crate::store::keys::leaks;
use crate::store::{AnyConnection, keys, tokens};

/// The reason recorded for what is revoked because it was reported.
const REASON: &str = "leaked";

fn digest_of(report: &LeakReport) -> Digest {
    Digest::of(report.key.as_bytes())
}

impl Bitting {
    /// Lets a report from anybody in, or holds off whoever sends too many.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`](crate::domain::Error::TooManyAttempts).
    pub fn admit_leak_report(&self, client: &ClientInfo) -> Result<()> {
        self.leak_reports.admit(client.address, self.time.now())
    }

    /// Reads what others have changed, if one of these reports is of something that is not known
    /// here: it may be a key that was made elsewhere a moment ago.
    ///
    /// # Errors
    /// [`Unavailable`] when the database cannot be read.
    pub async fn catch_up_with(
        &self,
        reports: &[LeakReport],
    ) -> std::result::Result<(), Unavailable> {
        let is_known = |report: &LeakReport| self.gate.index.find(&digest_of(report)).is_some();
        if reports.iter().all(is_known) { Ok(()) } else { self.gate.freshness.next_read().await }
    }

    /// Takes a report: a key of ours is revoked or marked, as the policy says, and the report is
    /// recorded. Of what is none of ours, nothing is kept at all.
    ///
    /// # Errors
    /// When the database fails.
    pub fn take_leak_report(&self, report: &LeakReport, client: &ClientInfo) -> Result<()> {
        let digest = digest_of(report);
        // Strangers must not make the database work for what is no key.
        if self.is_ready() && self.gate.index.find(&digest).is_none() {
            return Ok(());
        }
        let actor = Actor { kind: ActorKind::Server, id: None, name: "server".to_owned() };
        let (origin, source) = (client.origin(actor), report.source_without_keys());
        let source = source.map(|source| self.without_known_keys(&source));
        let found = self.database.write(|connection| {
            AdvisoryLock::Keys.acquire(connection)?;
            let key = keys::find_by_digest(connection, &digest)?;
            key.map(|key| self.note_leaked_key(connection, &origin, key, &json!(source)))
                .transpose()
        })?;
        match found {
            Some((key, revoked)) => {
                self.took_effect(key.digest, &key);
                log_change(Action::KeyLeaked, key.id, &origin);
                if revoked {
                    log_change(Action::KeyRevoked, key.id, &origin);
                }
                Ok(())
            }
            None => self.note_leaked_token(&digest, &origin, &json!(source)),
        }
    }

    /// Returns the key, and whether it was revoked for that.
    fn note_leaked_key(
        &self,
        connection: &mut AnyConnection,
        origin: &Origin,
        mut key: ApiKey,
        source: &Value,
    ) -> Result<(ApiKey, bool)> {
        let now = self.time.now();
        let detail = json!({"name": key.label.name, "source": source});
        key.revision = self.record(connection, Action::KeyLeaked, origin, key.id, &detail)?;
        let first = key.leaked_at.is_none();
        let since = *key.leaked_at.get_or_insert(now);
        leaks::set_leaked(connection, key.number, since, key.revision)?;
        let revoke = self.policy.leaks == LeakPolicy::Revoke && key.status(now) == Status::Active;
        if revoke {
            self.revoke_in(connection, origin, &mut key, Some(REASON.to_owned()))?;
        }
        if first {
            self.store_messages(connection, &Warning::key_leaked(&key, source, now))?;
        }
        Ok((key, revoke))
    }

    /// An admin token can do more than any key, so that it is revoked whatever the policy says.
    fn note_leaked_token(&self, digest: &Digest, origin: &Origin, source: &Value) -> Result<()> {
        let found = self.database.write(|connection| {
            AdvisoryLock::Keys.acquire(connection)?;
            let Some(mut token) = tokens::find_by_digest(connection, digest)? else {
                return Ok(None);
            };
            let detail = json!({"token_id": token.id, "name": token.name, "source": source});
            token.revision =
                self.record_change(connection, Action::KeyLeaked, origin, None, &detail)?;
            let revoke = token.revocation.is_none();
            if revoke {
                self.revoke_token_in(connection, origin, &mut token, Some(REASON.to_owned()))?;
                let warning = Warning::token_leaked(&token, source, self.time.now());
                self.store_messages(connection, &warning)?;
            }
            Result::Ok(Some((token, revoke)))
        })?;
        if let Some((token, revoked)) = found {
            self.took_effect(token.digest, &token);
            log_change(Action::KeyLeaked, token.id, origin);
            if revoked {
                log_change(Action::TokenRevoked, token.id, origin);
            }
        }
        Ok(())
    }
}
