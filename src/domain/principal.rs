//! Who asks for something, and what they may do: the one place where the rights of the command
//! line, of admin tokens and of users are told apart.
//!
//! Rights are those of the moment: what changes something looks at the credential and the user once
//! more inside its transaction (`confirm`), so that nobody acts on rights they have lost.

use serde_json::{Value, json};

use super::Bitting;
use super::error::{Error, Result};
use crate::model::actor::{Actor, ActorKind, Origin, Visit};
use crate::model::audit::Action;
use crate::model::catalog::Catalog;
use crate::model::credential::Credential;
use crate::model::credential::Ended;
use crate::model::id::{KeyId, SessionId, TokenId, UserId};
use crate::model::key::ApiKey;
use crate::model::scope::ScopeSet;
use crate::model::user::{Role, User};
use crate::store::database::transaction::AdvisoryLock;
use crate::store::{AnyConnection, audit, users};

/// Who asks for something, from where, and with which rights.
#[derive(Debug, Clone)]
pub struct Principal {
    /// What an audit event records of it.
    pub origin: Origin,
    rights: Rights,
    /// What they proved it by; nothing at the command line, or by a password at this moment.
    credential: Option<Credential>,
}

#[derive(Debug, Clone)]
enum Rights {
    /// Whoever has the database may do everything.
    CommandLine,
    /// Manages keys, within what the token may grant. What only reads is decided in `auth`.
    Token { may_grant: ScopeSet },
    /// What the user's role allows.
    User(User),
    /// Nothing.
    Visitor,
}

impl Principal {
    /// Somebody at the command line, by the operating system's name.
    pub fn command_line(name: impl Into<String>) -> Self {
        let actor = Actor { kind: ActorKind::Cli, id: None, name: name.into() };
        let origin = Origin { actor, address: None, request_id: None };
        Self { origin, rights: Rights::CommandLine, credential: None }
    }

    /// A program with an admin token.
    pub fn token(id: TokenId, origin: Origin, may_grant: ScopeSet) -> Self {
        let credential = Some(Credential::Token(id));
        Self { origin, rights: Rights::Token { may_grant }, credential }
    }

    /// Somebody signed in, with their session.
    pub fn signed_in(user: User, session: SessionId, visit: &Visit) -> Self {
        let credential = Some(Credential::Session(session));
        Self { credential, ..Self::user(user, visit) }
    }

    /// A user who needs no session, such as who has just shown their password.
    pub fn user(user: User, visit: &Visit) -> Self {
        Self { origin: visit.origin(user.actor()), rights: Rights::User(user), credential: None }
    }

    /// Somebody who is nobody yet, such as who makes themselves the first administrator.
    pub(super) fn visitor(origin: Origin) -> Self {
        Self { origin, rights: Rights::Visitor, credential: None }
    }

    fn role(&self) -> Option<Role> {
        match &self.rights {
            Rights::User(user) => Some(user.role),
            Rights::CommandLine | Rights::Token { .. } | Rights::Visitor => None,
        }
    }

    /// The user, if it is one: whose keys and tokens those they make will be.
    pub fn user_id(&self) -> Option<UserId> {
        match &self.rights {
            Rights::User(user) => Some(user.id),
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

    /// Whose keys alone they may know of; everybody's where there is no such limit.
    pub fn restricted_to(&self) -> Option<UserId> {
        self.user_id().filter(|_| self.role() == Some(Role::Member))
    }

    /// Whether they may know of this key.
    pub fn sees(&self, key: &ApiKey) -> bool {
        self.restricted_to().is_none_or(|user| key.user == Some(user))
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

    /// Whether they may look at users and admin tokens.
    pub fn oversees(&self) -> bool {
        self.administers() || self.role() == Some(Role::Auditor)
    }
}

/// Refuses unless it is allowed.
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

    /// Refuses a principal who may no longer read what they have begun to: asked before each part of
    /// an answer that is sent in parts.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] or [`Error::Forbidden`] in another role.
    pub fn require_unchanged(&self, principal: &Principal) -> Result<()> {
        let now = self.database.read(|connection| self.reload(connection, principal))?;
        require(now.role() == principal.role())
    }

    /// Notes in the audit log that somebody known tried what they may not do, if that is how it
    /// went. Whose key it was is not told: a foreign key is not found.
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

    /// Notes in the audit log that somebody known tried what they may not do; of whoever goes on
    /// trying, only so many times a minute.
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
        self.database.write(|connection| {
            audit::insert(connection, at, Action::AccessDenied, &principal.origin, key, &detail)
        })?;
        Ok(())
    }
}
