//! API keys: making and finding them.

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::{Error, Result};
use crate::domain::idempotency::SaveResponse;
use crate::domain::principal::{Principal, require};
use crate::model::FieldErrors;
use crate::model::actor::Origin;
use crate::model::audit::Action;
use crate::model::id::{KeyId, PublicId};
use crate::model::key::{ApiKey, KeyLabel, KeyNumber, NewKey};
use crate::model::key_filter::KeyFilter;
use crate::model::limits::KeyLimits;
use crate::model::page::{Page, PageRequest};
use crate::model::scope::ScopeSet;
use crate::model::secret::{Secret, SecretKind};
use crate::model::time::{Moment, format, rfc3339};
use crate::store::database::transaction::AdvisoryLock;
use crate::store::feed::Bookmark;
use crate::store::{AnyConnection, audit, keys};

/// A key that has just been made: the only moment at which its secret is known.
pub struct IssuedKey {
    /// The key as it was stored.
    pub key: ApiKey,
    /// The key's secret, to be shown once.
    pub secret: Secret,
}

/// Refuses what would have ended when it is made. An expiry is read by the clock, and this is decided by the
/// highest time that the database has seen, which may be ahead of it.
pub(in crate::domain) fn require_future(expires_at: Option<Moment>, now: Moment) -> Result<()> {
    if expires_at.is_some_and(|end| end <= now) {
        let message = format!("must be in the future; the database has seen {}", format(now));
        return Err(FieldErrors::one("expires_at", message).into());
    }
    Ok(())
}

impl Bitting {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::NotGranted`] for scopes that the principal may not grant
    /// (both are noted in the audit log), [`Error::Invalid`] or [`Error::InProgress`].
    pub fn issue_key(
        &self,
        new: NewKey,
        principal: &Principal,
        keep: Option<SaveResponse<'_, ApiKey>>,
    ) -> Result<IssuedKey> {
        self.issue_key_with(new, principal, keep, |_, _| Ok(()))
    }

    /// [`Self::issue_key`] with a step that runs in the transaction before the key is stored.
    pub(in crate::domain) fn issue_key_with(
        &self,
        new: NewKey,
        principal: &Principal,
        keep: Option<SaveResponse<'_, ApiKey>>,
        first: impl FnOnce(&mut AnyConnection, KeyId) -> Result<()>,
    ) -> Result<IssuedKey> {
        self.refuse_secrets_in_label(&new.label)?;
        let now = self.time.now();
        self.policy.check(&new.label, new.expires_at, now)?;
        require_future(new.expires_at, now)?;
        let secret = self.new_secret(SecretKind::ApiKey)?;
        let mut key = self.unsaved_key(new, principal, &secret, now);
        let attempt = json!({"attempt": "key.created", "scopes": key.scopes});
        let made = self.write_once(keep, |connection| {
            self.require_grants(connection, principal, &key.scopes)?;
            if let Some(member) = principal.restricted_to() {
                self.require_room(connection, &[member], 1, "holder")?;
            }
            first(connection, key.id)?;
            self.insert_key(connection, &principal.origin, &mut key)?;
            Ok(key)
        });
        let key = self.audit_denial(principal, None, &attempt, made)?;
        self.took_effect(key.digest, &key);
        log_change(Action::KeyCreated, key.id, &principal.origin);
        Ok(IssuedKey { key, secret })
    }

    /// A key that is about to be stored: its number and revision are still to be given to it.
    pub(super) fn unsaved_key(
        &self,
        new: NewKey,
        principal: &Principal,
        secret: &Secret,
        now: Moment,
    ) -> ApiKey {
        ApiKey {
            number: KeyNumber(0),
            id: KeyId::from_number(self.next_id(now)),
            digest: secret.digest(),
            label: new.label,
            scopes: new.scopes,
            limits: new.limits,
            display: secret.display(),
            created_at: now,
            created_by: principal.origin.actor.clone(),
            holder: principal.holder(),
            expires_at: new.expires_at,
            revocation: None,
            imported: false,
            replaces: None,
            replaced_by: None,
            leaked_at: None,
            revision: 0,
        }
    }

    /// Refuses who may not make a key with these scopes; the transaction then holds
    /// [`AdvisoryLock::Keys`].
    pub(super) fn require_grants(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        required: &ScopeSet,
    ) -> Result<()> {
        let principal = self.reload_rights(connection, principal)?;
        AdvisoryLock::Keys.acquire(connection)?;
        require(principal.manages_keys())?;
        let lacking = principal.may_not_grant(&self.catalog, required);
        if lacking.is_empty() {
            return Ok(());
        }
        let granted = principal.may_grant(&self.catalog);
        Err(Error::NotGranted { required: required.clone(), granted })
    }

    /// Stores a new key in the caller's transaction, with its audit event.
    pub(super) fn insert_key(
        &self,
        connection: &mut AnyConnection,
        origin: &Origin,
        key: &mut ApiKey,
    ) -> Result<()> {
        let detail = json!(NewKeyDetail::of(key));
        key.revision = self.record(connection, Action::KeyCreated, origin, key.id, &detail)?;
        key.number = keys::insert(connection, key)?;
        Ok(())
    }

    /// Draws a new secret.
    pub(in crate::domain) fn new_secret(&self, kind: SecretKind) -> Result<Secret> {
        Secret::generate(&self.brand, kind).map_err(|why| Error::Randomness(why.to_string()))
    }

    /// Writes the audit event of a change to a key, and returns its id: the key's new revision.
    pub(in crate::domain) fn record(
        &self,
        connection: &mut AnyConnection,
        action: Action,
        origin: &Origin,
        id: KeyId,
        detail: &Value,
    ) -> Result<i64> {
        self.record_change(connection, action, origin, Some(id), detail)
    }

    /// Writes the audit event of a change that the index has to know of.
    pub(in crate::domain) fn record_change(
        &self,
        connection: &mut AnyConnection,
        action: Action,
        origin: &Origin,
        key: Option<KeyId>,
        detail: &Value,
    ) -> Result<i64> {
        AdvisoryLock::Keys.acquire(connection)?;
        let (at, key) = (self.time.now(), key.map(|key| key.to_string()));
        let id = audit::insert(connection, at, action, origin, key.clone(), detail)?;
        self.feed.announce(Bookmark::new(id, at, action, key), self.time.uptime());
        Ok(id)
    }

    /// Refuses a secret pasted into a label.
    pub(super) fn refuse_secrets_in_label(&self, label: &KeyLabel) -> Result<()> {
        self.refuse_secrets_in(label.texts())
    }

    /// The key with this id.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], also for a foreign one, which is noted.
    pub fn find_key(&self, principal: &Principal, id: KeyId) -> Result<ApiKey> {
        let found = self.database.read(|connection| find_visible(connection, principal, id));
        self.audit_denial(principal, Some(id), &json!({"attempt": "key.read"}), found)
    }

    /// The key with this id, as read by the key itself.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub fn find_own_key(&self, id: KeyId) -> Result<ApiKey> {
        self.database.read(|connection| keys::find(connection, id))?.ok_or(Error::NotFound)
    }

    /// Keys from the newest to the oldest, of those the principal may know of.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a cursor of another list.
    pub fn list_keys(
        &self,
        principal: &Principal,
        filter: &KeyFilter,
        request: &PageRequest,
    ) -> Result<Page<ApiKey>> {
        self.refuse_keys_in_filter(filter)?;
        let after = request.after()?.map(KeyNumber);
        let (limit, now, user) = (request.limit, self.time.now(), principal.restricted_to());
        let found = self
            .database
            .read(|connection| keys::list(connection, filter, user, limit, after, now))?;
        Ok(Page::of(found, limit, |key| key.number.0.to_string()))
    }

    /// The key that is to be changed, if the principal may, and the principal with the rights they
    /// have by now; the transaction then holds [`AdvisoryLock::Keys`].
    pub(in crate::domain) fn find_to_change(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        id: KeyId,
    ) -> Result<(ApiKey, Principal)> {
        let principal = self.reload_rights(connection, principal)?;
        AdvisoryLock::Keys.acquire(connection)?;
        require(principal.manages_keys())?;
        Ok((find_visible(connection, &principal, id)?, principal))
    }
}

/// The detail of a new key's audit event.
#[derive(Serialize)]
pub(in crate::domain) struct NewKeyDetail<'a> {
    name: &'a str,
    owner: Option<&'a str>,
    scopes: &'a ScopeSet,
    #[serde(with = "rfc3339::option")]
    expires_at: Option<Moment>,
    #[serde(flatten, skip_serializing_if = "KeyLimits::is_empty")]
    limits: &'a KeyLimits,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<KeyId>,
}

impl<'a> NewKeyDetail<'a> {
    pub(in crate::domain) fn of(key: &'a ApiKey) -> Self {
        Self {
            name: &key.label.name,
            owner: key.label.owner.as_deref(),
            scopes: &key.scopes,
            expires_at: key.expires_at,
            limits: &key.limits,
            imported: key.imported,
            replaces: key.replaces,
        }
    }
}

/// The key with this id, unless the principal may not know of it.
fn find_visible(
    connection: &mut AnyConnection,
    principal: &Principal,
    id: KeyId,
) -> Result<ApiKey> {
    let key = keys::find(connection, id)?.ok_or(Error::NotFound)?;
    if principal.sees(&key) { Ok(key) } else { Err(Error::Foreign) }
}
