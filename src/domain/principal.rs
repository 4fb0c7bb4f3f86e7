//! Who asks for something, and what they may do: the one place where the rights of the command
//! line, of admin tokens and of users are told apart.
//!
//! A user's rights are those of the moment: what changes something reads the user once more inside
//! its transaction (`confirm`), so that nobody acts on rights they have lost.

use serde_json::{Value, json};

use super::{Bitting, Error, Result};
use crate::model::actor::{Actor, ActorKind, Origin, Visit};
use crate::model::audit::Action;
use crate::model::id::{KeyId, UserId};
use crate::model::key::ApiKey;
use crate::model::scope::ScopeSet;
use crate::model::user::{Role, User};
use crate::store::{AnyConnection, audit, users};

/// Who asks for something, from where, and with which rights.
#[derive(Debug, Clone)]
pub struct Principal {
    /// What an audit event records of it.
    pub origin: Origin,
    rights: Rights,
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
        Self { origin, rights: Rights::CommandLine }
    }

    /// A program with an admin token.
    pub fn token(origin: Origin, may_grant: ScopeSet) -> Self {
        Self { origin, rights: Rights::Token { may_grant } }
    }

    /// Somebody signed in.
    pub fn user(user: User, visit: &Visit) -> Self {
        Self { origin: visit.origin(user.actor()), rights: Rights::User(user) }
    }

    /// Somebody who is nobody yet, such as who makes themselves the first administrator.
    pub(super) fn visitor(origin: Origin) -> Self {
        Self { origin, rights: Rights::Visitor }
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
    pub fn may_grant(&self) -> ScopeSet {
        match &self.rights {
            Rights::CommandLine => ScopeSet::all(),
            Rights::Token { may_grant } => *may_grant,
            Rights::User(user) => user.grants(),
            Rights::Visitor => ScopeSet::EMPTY,
        }
    }

    /// Whose keys alone they may know of; everybody's where there is no such limit.
    pub fn sees_only(&self) -> Option<UserId> {
        self.user_id().filter(|_| self.role() == Some(Role::Member))
    }

    /// Whether they may know of this key.
    pub fn sees(&self, key: &ApiKey) -> bool {
        self.sees_only().is_none_or(|user| key.user == Some(user))
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
    /// The principal with the rights they have now, in this transaction.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a user who has been disabled.
    pub(super) fn confirm(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
    ) -> Result<Principal> {
        let Some(id) = principal.user_id() else { return Ok(principal.clone()) };
        let user = users::find(connection, id)?.filter(|user| user.disabled_at.is_none());
        let rights = Rights::User(user.ok_or(Error::Forbidden)?);
        Ok(Principal { origin: principal.origin.clone(), rights })
    }

    /// Notes in the audit log that somebody known tried what they may not do, if that is how it
    /// went. Whose key it was is not told: a foreign key is not found.
    pub(super) fn noting<T>(
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
        let (at, key) = (self.time.now(), key.map(|key| key.to_string()));
        let mut detail = detail.clone();
        if let Error::NotGranted { required, granted } = &refusal {
            let refused = required.iter().filter(|scope| !granted.contains(*scope));
            detail["not_granted"] = json!(refused.collect::<ScopeSet>());
        }
        self.database.write(|connection| {
            audit::insert(connection, at, Action::AccessDenied, &principal.origin, key, &detail)
        })?;
        Err(refusal)
    }
}
