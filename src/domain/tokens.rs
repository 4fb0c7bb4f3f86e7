//! Admin tokens: making, listing and revoking them.

use serde_json::{Value, json};

use super::Bitting;
use super::audit_log::log_change;
use super::error::{Error, Result};
use super::keys::keyring::require_future;
use super::principal::{Principal, require};
use crate::gate::caller::TokenCaller;
use crate::model::actor::{Actor, ActorKind, ClientInfo, Origin};
use crate::model::audit::Action;
use crate::model::id::{PublicId, TokenId};
use crate::model::key::Revocation;
use crate::model::key_filter::StatusFilter;
use crate::model::secret::{Secret, SecretKind};
use crate::model::table::NumberedPage;
use crate::model::token::{AdminToken, NewToken, TokenFilter};
use crate::store::database::transaction::AdvisoryLock;
use crate::store::{AnyConnection, tokens};

/// A token that has just been made: the only moment at which its secret is known.
pub struct IssuedToken {
    /// The token as it was stored.
    pub token: AdminToken,
    /// The token's secret, to be shown once.
    pub secret: Secret,
}

impl Bitting {
    /// Makes an admin token: only administrators and the command line do.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], which is noted in the audit log, or [`Error::Invalid`].
    pub fn issue_token(&self, new: NewToken, principal: &Principal) -> Result<IssuedToken> {
        self.issue_token_with(new, principal, |_, _| Ok(()))
    }

    /// [`Self::issue_token`] with a step that runs in the transaction before the token is stored.
    pub(super) fn issue_token_with(
        &self,
        new: NewToken,
        principal: &Principal,
        first: impl FnOnce(&mut AnyConnection, TokenId) -> Result<()>,
    ) -> Result<IssuedToken> {
        let origin = &principal.origin;
        self.refuse_secrets_in([("name", &new.name)])?;
        let secret = self.new_secret(SecretKind::AdminToken)?;
        let now = self.time.now();
        require_future(Some(new.expires_at), now)?;
        let mut token = AdminToken {
            number: 0,
            id: TokenId::from_number(self.next_id(now)),
            digest: secret.digest(),
            name: new.name,
            access: new.access,
            may_grant: new.may_grant,
            display: secret.display(),
            created_at: now,
            created_by: origin.actor.clone(),
            user: principal.user_id(),
            expires_at: new.expires_at,
            revocation: None,
            last_used_at: None,
            revision: 0,
        };
        let detail = json!({
            "token_id": token.id,
            "name": token.name,
            "access": token.access,
            "may_grant": token.may_grant,
            "expires_at": crate::model::time::format(token.expires_at),
        });
        let made = self.database.write(|connection| -> Result<AdminToken> {
            require(self.reload_rights(connection, principal)?.administers())?;
            AdvisoryLock::Keys.acquire(connection)?;
            first(connection, token.id)?;
            token.revision =
                self.record_token(connection, Action::TokenCreated, origin, &detail)?;
            token.number = tokens::insert(connection, &token)?;
            Ok(token)
        });
        let token =
            self.audit_denial(principal, None, &json!({"attempt": "token.created"}), made)?;
        self.took_effect(token.digest, &token);
        log_change(Action::TokenCreated, token.id, origin);
        Ok(IssuedToken { token, secret })
    }

    /// Writes the audit event of a change to a token, and returns its id: the new revision.
    pub(super) fn record_token(
        &self,
        connection: &mut AnyConnection,
        action: Action,
        origin: &Origin,
        detail: &Value,
    ) -> Result<i64> {
        self.record_change(connection, action, origin, None, detail)
    }

    /// A token as the actor of what it does.
    pub(super) fn token_as_actor(&self, id: TokenId) -> Result<Actor> {
        let token = self.database.read(|connection| tokens::find(connection, id))?;
        Ok(actor_of(&token.ok_or(Error::NotFound)?))
    }

    /// Whoever sent an accepted token, as the principal of what it does.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub fn token_as_principal(
        &self,
        caller: &TokenCaller,
        client: ClientInfo,
    ) -> Result<Principal> {
        let id = caller.id();
        let token = self.database.read(|connection| tokens::find(connection, id))?;
        let token = token.ok_or(Error::NotFound)?;
        // The gate knows nothing of what has left the configuration.
        let known = self.catalog.scopes();
        let gone = token.may_grant.iter().filter(|scope| !known.contains(scope)).cloned();
        let granted = self.catalog.scopes_of(caller.may_grant());
        let granted = granted.iter().cloned().chain(gone).collect();
        Ok(Principal::token(id, client.origin(actor_of(&token)), granted))
    }

    /// The token with this id.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] or [`Error::NotFound`].
    pub fn find_token(&self, principal: &Principal, id: TokenId) -> Result<AdminToken> {
        require(principal.oversees())?;
        self.database.read(|connection| tokens::find(connection, id))?.ok_or(Error::NotFound)
    }

    /// Every token, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn list_tokens(&self, principal: &Principal) -> Result<Vec<AdminToken>> {
        require(principal.oversees())?;
        Ok(self.database.read(tokens::list)?)
    }

    /// A page of tokens, the newest first; one beyond the last is the last.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn token_table(
        &self,
        principal: &Principal,
        filter: &TokenFilter,
        page: usize,
    ) -> Result<NumberedPage<AdminToken>> {
        require(principal.oversees())?;
        let now = self.time.now();
        Ok(self.database.read(|connection| tokens::page(connection, filter, now, page))?)
    }

    /// How many tokens are active, and how many revoked or expired.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`].
    pub fn token_census(&self, principal: &Principal) -> Result<(i64, i64)> {
        require(principal.oversees())?;
        let now = self.time.now();
        self.database.read(|connection| {
            let mut count = |status| {
                let filter = TokenFilter { status: Some(status), text: None };
                tokens::count(connection, &filter, now)
            };
            Ok((count(StatusFilter::Active)?, count(StatusFilter::Retired)?))
        })
    }

    /// Ends a token for good. Ending it twice changes nothing and answers the first time.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Forbidden`] or [`Error::Invalid`] for the reason.
    pub fn revoke_token(
        &self,
        id: TokenId,
        reason: Option<&str>,
        principal: &Principal,
    ) -> Result<AdminToken> {
        let reason = self.check_reason(reason)?;
        let revoked = self.database.write(|connection| {
            require(self.reload_rights(connection, principal)?.administers())?;
            AdvisoryLock::Keys.acquire(connection)?;
            let mut token = tokens::find(connection, id)?.ok_or(Error::NotFound)?;
            let changed = token.revocation.is_none();
            if changed {
                self.revoke_token_in(connection, &principal.origin, &mut token, reason)?;
            }
            Result::Ok((token, changed))
        });
        let attempt = json!({"attempt": "token.revoked", "token_id": id});
        let (token, changed) = self.audit_denial(principal, None, &attempt, revoked)?;
        self.took_effect(token.digest, &token);
        if changed {
            log_change(Action::TokenRevoked, id, &principal.origin);
        }
        Ok(token)
    }

    /// Ends a token in the caller's transaction, which holds [`AdvisoryLock::Keys`].
    pub(super) fn revoke_token_in(
        &self,
        connection: &mut AnyConnection,
        origin: &Origin,
        token: &mut AdminToken,
        reason: Option<String>,
    ) -> Result<()> {
        let detail = json!({"token_id": token.id, "name": token.name, "reason": reason});
        token.revision = self.record_token(connection, Action::TokenRevoked, origin, &detail)?;
        let revocation = Revocation { at: self.time.now(), by: origin.actor.clone(), reason };
        tokens::set_revoked(connection, token.number, &revocation, token.revision)?;
        token.revocation = Some(revocation);
        Ok(())
    }
}

fn actor_of(token: &AdminToken) -> Actor {
    Actor { kind: ActorKind::Token, id: Some(token.id.to_string()), name: token.name.clone() }
}
