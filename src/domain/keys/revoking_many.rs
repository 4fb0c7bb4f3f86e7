//! Revoking many keys at once: a hundred in each transaction, so that nobody waits long for one.

use std::collections::HashSet;

use serde_json::json;

use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::{Error, Result};
use crate::domain::idempotency::SaveResponse;
use crate::domain::principal::{Principal, require};
use crate::model::FieldErrors;
use crate::model::audit::Action;
use crate::model::id::KeyId;
use crate::model::key::{ApiKey, KeyNumber};
use crate::model::key_choice::{KeyChoice, MOST_FOUND, RevokeMany, RevokedKeys};
use crate::model::key_filter::{KeyOrder, KeySort};
use crate::store::database::transaction::AdvisoryLock;
use crate::store::{AnyConnection, keys};

/// How many keys are revoked in one transaction.
const KEYS_PER_TRANSACTION: usize = 100;

impl Bitting {
    /// Revokes several keys for good, each with an event of its own. Those that are revoked already stay
    /// as they are. When the database fails on the way, some are revoked and some not; the same ids do the
    /// rest, and a filter then finds fewer to confirm.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] naming ids that there are not, or for the reason; [`Error::NotConfirmed`]
    /// or [`Error::Forbidden`]; nothing was revoked then. [`Error::PartlyRevoked`] when something goes
    /// wrong after some parts.
    pub fn revoke_keys(
        &self,
        request: &RevokeMany,
        principal: &Principal,
        keep: Option<SaveResponse<'_, RevokedKeys>>,
    ) -> Result<RevokedKeys> {
        let reason = self.check_reason(request.reason.as_deref())?;
        let numbers = self.chosen_keys(&request.keys, principal)?;
        let mut parts: Vec<&[KeyNumber]> = numbers.chunks(KEYS_PER_TRANSACTION).collect();
        let last = parts.pop().unwrap_or_default();
        let mut done = RevokedKeys::default();
        let after = |done: &RevokedKeys, why| match done.revoked.as_slice() {
            [] => why,
            revoked => Error::PartlyRevoked {
                revoked: revoked.to_vec(),
                all: numbers.len(),
                why: Box::new(why),
            },
        };
        for part in parts {
            let more = self.revoke_part(part, &done, reason.as_ref(), principal, None);
            done = more.map_err(|why| after(&done, why))?;
        }
        self.revoke_part(last, &done, reason.as_ref(), principal, keep)
            .map_err(|why| after(&done, why))
    }

    /// Revokes some keys in one transaction, and adds them to what is done.
    fn revoke_part(
        &self,
        numbers: &[KeyNumber],
        done: &RevokedKeys,
        reason: Option<&String>,
        principal: &Principal,
        keep: Option<SaveResponse<'_, RevokedKeys>>,
    ) -> Result<RevokedKeys> {
        let mut changed: Vec<ApiKey> = Vec::new();
        let revoked = self.write_once(keep, |connection| {
            let mut done = done.clone();
            for mut key in self.keys_to_change(connection, principal, numbers)? {
                if key.revocation.is_some() {
                    done.already_revoked.push(key.id);
                    continue;
                }
                self.revoke_in(connection, &principal.origin, &mut key, reason.cloned())?;
                done.revoked.push(key.id);
                changed.push(key);
            }
            Ok(done)
        });
        let attempt = json!({"attempt": "key.revoked"});
        let done = self.audit_denial(principal, None, &attempt, revoked)?;
        for key in &changed {
            self.took_effect(key.digest, key);
            log_change(Action::KeyRevoked, key.id, &principal.origin);
        }
        Ok(done)
    }

    /// Keys by their row numbers and in this order; the transaction then holds [`AdvisoryLock::Keys`].
    fn keys_to_change(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        numbers: &[KeyNumber],
    ) -> Result<Vec<ApiKey>> {
        let principal = self.reload_rights(connection, principal)?;
        AdvisoryLock::Keys.acquire(connection)?;
        require(principal.manages_keys())?;
        let mut found = keys::find_all(connection, numbers)?;
        // One that was handed to somebody else a moment ago.
        if !found.iter().all(|key| principal.sees(key)) {
            return Err(Error::Foreign);
        }
        found.sort_by_key(|key| numbers.iter().position(|number| *number == key.number));
        Ok(found)
    }

    /// The row numbers of the keys that are chosen.
    fn chosen_keys(&self, keys: &KeyChoice, principal: &Principal) -> Result<Vec<KeyNumber>> {
        match keys {
            KeyChoice::Ids(ids) => {
                Ok(self.keys_with_ids(principal, ids)?.iter().map(|key| key.number).collect())
            }
            KeyChoice::Found { filter, confirm } => {
                let filter = KeyChoice::to_revoke(filter.clone());
                let newest = KeyOrder::by(KeySort::Newest);
                let numbers = self.numbers_of_keys(principal, &filter, newest)?;
                let found = numbers.len();
                if found != *confirm {
                    return Err(Error::NotConfirmed { confirmed: *confirm, found });
                }
                demand_few(found)?;
                Ok(numbers)
            }
            KeyChoice::Shown(numbers) => {
                demand_few(numbers.len())?;
                Ok(numbers.clone())
            }
        }
    }

    /// The keys with these ids, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] naming the ids of no key. Those of foreign ones are among them, which is noted.
    pub fn keys_with_ids(&self, principal: &Principal, ids: &[KeyId]) -> Result<Vec<ApiKey>> {
        let read = |connection: &mut AnyConnection| Result::Ok(keys::find_ids(connection, ids)?);
        let (mut known, foreign): (Vec<ApiKey>, Vec<ApiKey>) =
            self.database.read(read)?.into_iter().partition(|key| principal.sees(key));
        for key in &foreign {
            self.note_denial(principal, Some(key.id), json!({"attempt": "key.revoked"}))?;
        }
        let known_ids: HashSet<KeyId> = known.iter().map(|key| key.id).collect();
        let missing = ids.iter().filter(|id| !known_ids.contains(id));
        let missing: Vec<String> = missing.map(ToString::to_string).collect();
        if !missing.is_empty() {
            let message = format!("must all be there; there is no {}", missing.join(", "));
            return Err(FieldErrors::one("ids", message).into());
        }
        known.sort_by_key(|key| ids.iter().position(|id| *id == key.id));
        Ok(known)
    }
}

fn demand_few(found: usize) -> Result<()> {
    if found > MOST_FOUND {
        let message = format!("finds {found} keys; narrow it to at most {MOST_FOUND}");
        return Err(FieldErrors::one("filter", message).into());
    }
    Ok(())
}
