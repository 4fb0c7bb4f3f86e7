//! Who asks for something, and what they may do: the one place where the rights of the command
//! line, of admin tokens and of users are told apart.
//!
//! Rights are those of the moment: a change reads the credential and the user again inside its
//! transaction (`reload_rights`), so that nobody acts on rights they have lost.

use serde_json::{Value, json};

use super::Bitting;
use super::error::{Error, Result};
use crate::model::actor::{Actor, ActorKind, ClientInfo, Origin};
use crate::model::audit::Action;
use crate::model::catalog::Catalog;
use crate::model::credential::Credential;
use crate::model::credential::Ended;
use crate::model::holder::KeyHolder;
use crate::model::id::{KeyId, SessionId, TokenId, UserId};
use crate::model::key::ApiKey;
use crate::model::scope::{Scope, ScopeSet};
use crate::model::user::{Role, User};
use crate::store::database::transaction::AdvisoryLock;
use crate::store::{AnyConnection, audit, users};

/// Who asks for something, from where, and with which rights.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The actor, address and request that an audit event records.
    pub origin: Origin,
    rights: Rights,
    /// The credential they presented; none at the command line, or when a password was just
    /// presented.
    credential: Option<Credential>,
}

#[derive(Debug, Clone)]
enum Rights {
    /// Somebody with access to the database, who may do everything.
    CommandLine,
    /// An admin token, which manages keys within what it may grant. Whether it may only read was
    /// decided by the gate.
    Token { may_grant: ScopeSet },
    /// A user, who may do what their role allows.
    User(User),
    /// Somebody who is not signed in, and may do nothing.
    Visitor,
}

impl Principal {
    /// The principal of a command, by the operating system's user and host.
    pub fn command_line(name: impl Into<String>) -> Self {
        let actor = Actor { kind: ActorKind::Cli, id: None, name: name.into() };
        let origin = ClientInfo::default().origin(actor);
        Self { origin, rights: Rights::CommandLine, credential: None }
    }

    /// The principal of a request with an admin token.
    pub fn token(id: TokenId, origin: Origin, may_grant: ScopeSet) -> Self {
        let credential = Some(Credential::Token(id));
        Self { origin, rights: Rights::Token { may_grant }, credential }
    }

    /// The principal of a request with a session.
    pub fn signed_in(user: User, session: SessionId, client: &ClientInfo) -> Self {
        let credential = Some(Credential::Session(session));
        Self { credential, ..Self::user(user, client) }
    }

    /// The principal of a user without a session, such as one who has just presented their
    /// password.
    pub fn user(user: User, client: &ClientInfo) -> Self {
        Self { origin: client.origin(user.actor()), rights: Rights::User(user), credential: None }
    }

    /// The principal of somebody who is no user yet, such as whoever sets up the first
    /// administrator.
    pub(super) fn visitor(origin: Origin) -> Self {
        Self { origin, rights: Rights::Visitor, credential: None }
    }

    fn role(&self) -> Option<Role> {
        match &self.rights {
            Rights::User(user) => Some(user.role),
            Rights::CommandLine | Rights::Token { .. } | Rights::Visitor => None,
        }
    }

    /// The user, if it is one: the tokens they make will be theirs.
    pub fn user_id(&self) -> Option<UserId> {
        match &self.rights {
            Rights::User(user) => Some(user.id),
            Rights::CommandLine | Rights::Token { .. } | Rights::Visitor => None,
        }
    }

    /// The user as the holder of the keys they make; none if it is no user.
    pub fn holder(&self) -> Option<KeyHolder> {
        match &self.rights {
            Rights::User(user) => Some(user.as_holder()),
            Rights::CommandLine | Rights::Token { .. } | Rights::Visitor => None,
        }
    }

    /// The scopes they may give to keys.
    pub fn may_grant(&self, catalog: &Catalog) -> ScopeSet {
        match &self.rights {
            Rights::CommandLine => catalog.scopes(),
            Rights::Token { may_grant } => may_grant.clone(),
            Rights::User(user) => user.grants(catalog),
            Rights::Visitor => ScopeSet::EMPTY,
        }
    }

    /// Those of some scopes that they may not give to keys. Whoever has no bounds may also pass on what a
    /// key has of resources that have left the configuration, others only what they were allowed by name:
    /// it may come back.
    pub fn may_not_grant(&self, catalog: &Catalog, wanted: &ScopeSet) -> ScopeSet {
        let (may_grant, known) = (self.may_grant(catalog), catalog.scopes());
        let unbounded =
            matches!(self.rights, Rights::CommandLine) || self.role() == Some(Role::Admin);
        let granted =
            |scope: &Scope| may_grant.contains(scope) || unbounded && !known.contains(scope);
        wanted.iter().filter(|scope| !granted(scope)).cloned().collect()
    }

    /// The user whose keys alone they may know of; none if they may know of all keys.
    pub fn restricted_to(&self) -> Option<UserId> {
        self.user_id().filter(|_| self.role() == Some(Role::Member))
    }

    /// Whether they may know of this key.
    pub fn sees(&self, key: &ApiKey) -> bool {
        self.restricted_to().is_none_or(|user| key.is_held_by(user))
    }

    /// Whether they may make and change keys at all.
    pub fn manages_keys(&self) -> bool {
        match &self.rights {
            Rights::CommandLine | Rights::Token { .. } => true,
            Rights::User(user) => matches!(user.role, Role::Admin | Role::Member),
            Rights::Visitor => false,
        }
    }

    /// Whether they may make and change users and admin tokens.
    pub fn administers(&self) -> bool {
        match &self.rights {
            Rights::CommandLine => true,
            Rights::Token { .. } | Rights::Visitor => false,
            Rights::User(user) => user.role == Role::Admin,
        }
    }

    /// Whether they may know which connections there are, and how each is set up. No credential is told.
    pub fn sees_connections(&self) -> bool {
        match &self.rights {
            Rights::CommandLine | Rights::Token { .. } | Rights::User(_) => true,
            Rights::Visitor => false,
        }
    }

    /// Whether they may have a connection tested. Whether a token may only read was decided by the
    /// gate.
    pub fn tests_connections(&self) -> bool {
        self.administers() || matches!(self.rights, Rights::Token { .. })
    }

    /// Whether they may look at users and admin tokens.
    pub fn oversees(&self) -> bool {
        self.administers() || self.role() == Some(Role::Auditor)
    }
}

/// [`Error::Forbidden`] unless `allowed`.
pub(super) fn require(allowed: bool) -> Result<()> {
    if allowed { Ok(()) } else { Err(Error::Forbidden) }
}

impl Bitting {
    /// The principal with the rights they have now, which last until this transaction ends: whoever
    /// takes them away waits for the same lock. It is asked for before [`AdvisoryLock::Keys`] is taken.
    ///
    /// # Errors
    /// [`Error::Ended`] when their credential has ended or they have been disabled.
    pub(super) fn reload_rights(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
    ) -> Result<Principal> {
        match &principal.rights {
            Rights::User(_) => AdvisoryLock::Users.acquire(connection)?,
            Rights::Token { .. } => AdvisoryLock::Keys.acquire(connection)?,
            Rights::CommandLine | Rights::Visitor => {}
        }
        self.reload(connection, principal)
    }

    fn reload(&self, connection: &mut AnyConnection, principal: &Principal) -> Result<Principal> {
        if let Some(credential) = principal.credential {
            self.require_live(connection, credential)?;
        }
        let Some(id) = principal.user_id() else { return Ok(principal.clone()) };
        let user = users::find(connection, id)?.filter(|user| user.disabled_at.is_none());
        let rights = Rights::User(user.ok_or(Ended::SignedOut)?);
        Ok(Principal { rights, ..principal.clone() })
    }

    /// Fails if the principal may no longer read what they have begun to read. Called before each
    /// part of an answer that is sent in parts.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] or [`Error::Forbidden`] in another role.
    pub fn require_unchanged(&self, principal: &Principal) -> Result<()> {
        let now = self.database.read(|connection| self.reload(connection, principal))?;
        require(now.role() == principal.role())
    }

    /// If a use case was refused, records in the audit log that somebody known tried what they may
    /// not do. A foreign key becomes "not found", so that its existence is not revealed.
    pub(super) fn audit_denial<T>(
        &self,
        principal: &Principal,
        key: Option<KeyId>,
        detail: &Value,
        result: Result<T>,
    ) -> Result<T> {
        let refusal = match result {
            Err(Error::Foreign) => Error::NotFound,
            Err(refusal @ (Error::Forbidden | Error::NotGranted { .. })) => refusal,
            other => return other,
        };
        let mut detail = detail.clone();
        if let Error::NotGranted { required, granted } = &refusal {
            let refused = required.iter().filter(|scope| !granted.contains(scope));
            detail["not_granted"] = json!(refused.cloned().collect::<ScopeSet>());
        }
        self.note_denial(principal, key, detail)?;
        Err(refusal)
    }

    /// Whether so many attempts of a token have been recorded in this minute that this one is left out.
    pub fn leaves_out_denial_of(&self, token: TokenId) -> bool {
        self.denials.leaves_out(&token.to_string(), self.time.now())
    }

    /// Records that a token was sent to do what it may not: one that only reads, to change something.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_denied_token(
        &self,
        token: TokenId,
        client: ClientInfo,
        attempt: &str,
    ) -> Result<()> {
        let actor = self.token_as_actor(token)?;
        let principal = Principal::token(token, client.origin(actor), ScopeSet::EMPTY);
        self.note_denial(&principal, None, json!({"attempt": attempt}))
    }

    /// Records in the audit log that somebody known tried what they may not do, but only a number
    /// of times a minute for each of them.
    pub fn note_denial(
        &self,
        principal: &Principal,
        key: Option<KeyId>,
        mut detail: Value,
    ) -> Result<()> {
        let (at, key, actor) =
            (self.time.now(), key.map(|key| key.to_string()), &principal.origin.actor);
        let subject = actor.id.as_ref().unwrap_or(&actor.name);
        let Some(left_out) = self.denials.admit(subject, at) else { return Ok(()) };
        if left_out > 0 {
            detail["others_not_noted"] = json!(left_out);
        }
        let written = self.database.write(|connection| {
            audit::insert(connection, at, Action::AccessDenied, &principal.origin, key, &detail)
        });
        written.inspect_err(|_| self.denials.put_back(subject, left_out))?;
        Ok(())
    }
}
