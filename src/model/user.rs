//! Users: people who sign in to the pages, what they are, and what they may grant.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value};

use super::FieldErrors;
use super::actor::{Actor, ActorKind};
use super::catalog::Catalog;
use super::fields::{FieldReader, as_text};
use super::formats::LONGEST_EMAIL;
use super::id::UserId;
use super::key::read_scopes;
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

/// An e-mail address in its one spelling: in lower case, since it is compared without regard to
/// case, and with the domain in ASCII (IDNA), which is what browsers send.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Email(String);

/// What may stand before the @ beside letters and digits, by the HTML standard.
const LOCAL_SIGNS: &str = ".!#$%&'*+/=?^_`{|}~-";

impl Email {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses an address to sign in with, which must be one that a browser's form can send.
    ///
    /// # Errors
    /// A sentence for the field's error.
    pub fn choose(text: &str) -> Result<Self, String> {
        let email: Self = text.parse()?;
        let (local, domain) = email.parts();
        if !local.chars().all(|c| c.is_ascii_alphanumeric() || LOCAL_SIGNS.contains(c)) {
            return Err(format!(
                "has characters before the @ that browsers refuse when signing in: only a–z, 0–9 \
                 and {LOCAL_SIGNS} can stand there"
            ));
        }
        let label = |label: &str| {
            let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            letters && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
        };
        if domain.split('.').all(label) && idna::domain_to_ascii(domain).is_ok() {
            Ok(email)
        } else {
            Err("has no domain name behind the @ that browsers accept when signing in".to_owned())
        }
    }

    /// The spellings it may be stored under: this one, or the older one with its domain in Unicode.
    pub fn spellings(&self) -> [String; 2] {
        [self.0.clone(), self.to_string()]
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once('@').unwrap_or_default()
    }
}

impl FromStr for Email {
    type Err = String;
    /// Checks the form only, not whether anybody reads mail there.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_lowercase();
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"".contains(c);
        let dots = |part: &str| part.split('.').all(|between| !between.is_empty());
        let formed = |(local, domain): &(&str, &str)| {
            (1..=64).contains(&local.len()) && !domain.contains('@') && dots(local) && dots(domain)
        };
        let parts = text.split_once('@').filter(formed).filter(|_| text.chars().all(plain));
        // A domain that is none may have been stored before such were refused.
        let spelled = parts.map(|(local, domain)| match idna::domain_to_ascii(domain) {
            Ok(ascii) => format!("{local}@{ascii}"),
            Err(_) => text.clone(),
        });
        spelled
            .filter(|email| email.len() <= LONGEST_EMAIL)
            .map(Self)
            .ok_or_else(|| "must be an e-mail address, such as ada@example.com".to_owned())
    }
}

/// Writes the address with its domain in Unicode, as people read it.
impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, domain) = self.parts();
        match idna::domain_to_unicode(domain) {
            (readable, Ok(())) => write!(f, "{local}@{readable}"),
            (_, Err(_)) => f.write_str(&self.0),
        }
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
    fn an_address_is_kept_in_lower_case() {
        let email: Email = "  Ada.Lovelace+keys@Example.COM ".parse().unwrap();
        assert_eq!(email.as_str(), "ada.lovelace+keys@example.com");
        assert!("root@localhost".parse::<Email>().is_ok());
        for wrong in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a@b@c",
            "a b@example.com",
            "ada@.com",
            "ada@example.",
            "a..b@example.com",
            "<ada@example.com>",
            "a\n@example.com",
            "a,b@example.com",
        ] {
            assert!(wrong.parse::<Email>().is_err(), "{wrong:?}");
        }
        assert!(format!("{}@example.com", "a".repeat(65)).parse::<Email>().is_err());
    }

    #[test]
    fn a_domain_has_one_spelling() {
        let ascii = "eva@xn--exmple-cua.com";
        for typed in ["eva@exämple.com", "EVA@EXÄMPLE.com", "eva@exa\u{308}mple.com", ascii] {
            let email: Email = typed.parse().unwrap();
            assert_eq!((email.as_str(), &*email.to_string()), (ascii, "eva@exämple.com"));
            assert_eq!(Email::choose(typed), Ok(email));
        }
        let strasse = Email::choose("a@straße.de").unwrap();
        assert_eq!(strasse.spellings(), ["a@xn--strae-oqa.de", "a@straße.de"]);
    }

    #[test]
    fn an_address_that_browsers_cannot_send_is_found_but_not_chosen() {
        let label = "a".repeat(64);
        for (text, complaint) in [
            ("jörg@example.com", "before the @"),
            ("a|\u{2019}b@example.com", "before the @"),
            ("ada@ex_ample.com", "domain name"),
            ("ada@-example.com", "domain name"),
            ("ada@exam!ple.com", "domain name"),
            ("ada@xn--a.com", "domain name"),
            (&format!("ada@{label}.com"), "domain name"),
        ] {
            assert!(text.parse::<Email>().is_ok(), "{text}");
            let why = Email::choose(text).unwrap_err();
            assert!(why.contains(complaint), "{text}: {why}");
        }
        for text in ["o'hara+keys@sub.example-1.com", "root@localhost", "{a}@b.co"] {
            assert!(Email::choose(text).is_ok(), "{text}");
        }
    }

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
