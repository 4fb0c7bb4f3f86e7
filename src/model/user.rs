//! Users: people who sign in to the pages, what they are, and what they may grant.

use serde_json::{Map, Value, json};

use super::FieldErrors;
use super::actor::{Actor, ActorKind};
use super::catalog::Catalog;
use super::email::Email;
use super::fields::{FieldReader, as_text};
use super::holder::KeyHolder;
use super::id::UserId;
use super::key::read_scopes;
use super::merge_patch::Edit;
use super::schema;
use super::scope::ScopeSet;
use super::time::Moment;
use super::words::words;

words! {
    /// What a user is.
    Role {
        /// Manages all keys, admin tokens and users.
        Admin = "admin",
        /// Makes and manages keys of their own, within the limits an administrator set.
        Member = "member",
        /// Can read everything and change nothing.
        Auditor = "auditor",
    }
}

impl Role {
    /// Refuses limits for somebody whom they would not bind: whoever sets them relies on them.
    ///
    /// # Errors
    /// A sentence for the field's error.
    pub fn bound_by(self, may_grant: &ScopeSet) -> Result<(), &'static str> {
        match self {
            _ if may_grant.is_empty() => Ok(()),
            Self::Member => Ok(()),
            Self::Admin => Err("is for members only: an administrator may grant everything"),
            Self::Auditor => Err("is for members only: an auditor cannot make keys"),
        }
    }
}

words! {
    /// Whether a user may sign in.
    UserStatus {
        /// They may.
        Active = "active",
        /// They may not.
        Disabled = "disabled",
    }
}

/// A user; of the password, only `store` has the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The public id, which is not secret.
    pub id: UserId,
    /// What they sign in with.
    pub email: Email,
    /// The user's role.
    pub role: Role,
    /// The scopes that an administrator lets them grant, while they are a member.
    pub may_grant: ScopeSet,
    /// When the user was added.
    pub created_at: Moment,
    /// When the user was disabled, if they are.
    pub disabled_at: Option<Moment>,
    /// When the user last signed in.
    pub last_login_at: Option<Moment>,
}

impl User {
    /// The scopes they may give to keys.
    pub fn grants(&self, catalog: &Catalog) -> ScopeSet {
        match self.role {
            Role::Admin => catalog.scopes(),
            Role::Member => self.may_grant.clone(),
            Role::Auditor => ScopeSet::default(),
        }
    }

    /// What they may grant as a member, without scopes of resources that are gone.
    pub fn known_grants(&self, catalog: &Catalog) -> ScopeSet {
        let texts: Vec<String> = self.may_grant.iter().map(ToString::to_string).collect();
        catalog.known(texts.iter().map(String::as_str))
    }

    /// The user as the holder of a key.
    pub fn as_holder(&self) -> KeyHolder {
        let (id, email) = (self.id, self.email.clone());
        KeyHolder { id, email, disabled: self.disabled_at.is_some() }
    }

    /// Whether they may sign in.
    pub fn status(&self) -> UserStatus {
        if self.disabled_at.is_some() { UserStatus::Disabled } else { UserStatus::Active }
    }

    /// The user as the actor of what they do.
    pub fn actor(&self) -> Actor {
        let (id, name) = (Some(self.id.to_string()), self.email.to_string());
        Actor { kind: ActorKind::User, id, name }
    }
}

/// Which users to list.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Only users with this text in their address, in any case.
    pub text: Option<String>,
    /// Only users in this role.
    pub role: Option<Role>,
    /// Only active or only disabled users.
    pub status: Option<UserStatus>,
}

/// A user who is about to be added; everything in it has been checked.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// What they will sign in with.
    pub email: Email,
    /// The role; by default the first user is an administrator and others are members.
    pub role: Option<Role>,
    /// The scopes they may grant as a member.
    pub may_grant: ScopeSet,
}

impl NewUser {
    /// Reads `email` and optionally `role` and `may_grant`.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(
        object: &Map<String, Value>,
        catalog: &Catalog,
    ) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let email =
            reader.parsed("email", || schema::line(254), |value| Email::choose(as_text(value)?));
        let email = reader.required("email", email);
        let role = reader.choice("role");
        let may_grant = read_may_grant(&mut reader, role, catalog).unwrap_or_default();
        reader.finish(email.map(|email| Self { email, role, may_grant }))
    }
}

/// What is to be changed of a user; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// The new role.
    pub role: Option<Role>,
    /// The scopes they may grant from now on.
    pub may_grant: Option<ScopeSet>,
}

impl UserChange {
    /// Reads `role` and `may_grant`, each optional.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(
        object: &Map<String, Value>,
        catalog: &Catalog,
    ) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let role = reader.choice("role");
        let may_grant = read_may_grant(&mut reader, role, catalog);
        reader.finish(Some(Self { role, may_grant }))
    }

    /// Reads an edit of this user, who may have been changed since its author saw them.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn of_edit(edit: Edit, user: &User, catalog: &Catalog) -> Result<Self, FieldErrors> {
        let now = json!({"role": user.role, "may_grant": user.known_grants(catalog)});
        let now = now.as_object().cloned().unwrap_or_default();
        Self::from_object(&edit.patch(&now), catalog)
    }
}

/// Reads `may_grant`, and refuses it if the role given is not bound by limits.
fn read_may_grant(
    reader: &mut FieldReader<'_>,
    role: Option<Role>,
    catalog: &Catalog,
) -> Option<ScopeSet> {
    reader.parsed(
        "may_grant",
        || catalog.schema(),
        |value| {
            let limits = read_limits(value, catalog)?;
            role.map_or(Ok(()), |role| role.bound_by(&limits))?;
            Ok(limits)
        },
    )
}

/// Reads a list of scopes that may be empty: then nothing can be granted.
fn read_limits(value: &Value, catalog: &Catalog) -> Result<ScopeSet, String> {
    match value.as_array() {
        Some(scopes) if scopes.is_empty() => Ok(ScopeSet::default()),
        _ => read_scopes(value, catalog),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::sample;

    #[test]
    fn only_a_members_limits_count() {
        let mut user = User {
            id: super::super::id::PublicId::from_number(1),
            email: "ada@example.com".parse().unwrap(),
            role: Role::Member,
            may_grant: "calls:read".parse().unwrap(),
            created_at: Moment::default(),
            disabled_at: None,
            last_login_at: None,
        };
        let catalog = sample::catalog();
        assert_eq!(user.grants(&catalog).to_string(), "calls:read");
        user.role = Role::Auditor;
        assert_eq!(user.grants(&catalog), ScopeSet::default());
        user.role = Role::Admin;
        assert_eq!(user.grants(&catalog), catalog.scopes());
    }
}
