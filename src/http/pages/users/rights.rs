//! What a user is and may grant, as it is typed into a form.

use serde_json::{Map, Value, json};

use crate::http::extract::Form;
use crate::http::pages::keys::permissions::Row;
use crate::http::pages::parts::form_error::Field;
use crate::model::catalog::Catalog;
use crate::model::user::{Role, User};
use crate::model::words::Word;

/// The fields that validation errors are shown at.
pub const FIELDS: [Field; 2] =
    [("role", "role", "The role"), ("may_grant", "may_grant", "What they may grant")];

/// A role to choose.
pub struct RoleChoice {
    /// The value that the form sends.
    pub value: &'static str,
    /// The role in words.
    pub words: &'static str,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// A role in the words of the pages.
pub fn role_words(role: Role) -> &'static str {
    match role {
        Role::Admin => "Manages all keys, admin tokens and users",
        Role::Member => "Makes and manages their own keys, within limits set by administrators",
        Role::Auditor => "Can read everything but notifications and change nothing",
    }
}

/// The role and limits that were typed into a form.
pub struct Rights {
    role: String,
    may_grant: Vec<String>,
}

impl Rights {
    /// The rights of somebody new.
    pub fn nothing() -> Self {
        Self { role: Role::Member.as_str().to_owned(), may_grant: Vec::new() }
    }

    /// The rights that a user has, as far as the form can show them: no scopes of resources that have
    /// left the configuration.
    pub fn of_user(user: &User, catalog: &Catalog) -> Self {
        let may_grant = user.known_grants(catalog).iter().map(ToString::to_string).collect();
        Self { role: user.role.as_str().to_owned(), may_grant }
    }

    /// The rights that a submitted form holds.
    pub fn of_form(form: &Form) -> Self {
        let may_grant = form.values("may_grant").map(str::to_owned).collect();
        Self { role: form.text("role").to_owned(), may_grant }
    }

    /// The rights as the JSON object that the API takes, with every field.
    pub fn object(&self) -> Map<String, Value> {
        let fields = [("role", json!(self.role)), ("may_grant", json!(self.may_grant))];
        fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
    }

    /// The roles to choose from.
    pub fn roles(&self) -> Vec<RoleChoice> {
        let choice = |role: &Role| RoleChoice {
            value: role.as_str(),
            words: role_words(*role),
            chosen: role.as_str() == self.role,
        };
        Role::ALL.iter().map(choice).collect()
    }

    /// The table of what they may grant.
    pub fn rows(&self, catalog: &Catalog) -> Vec<Row> {
        let ticked = catalog.known(self.may_grant.iter().map(String::as_str));
        Row::list(catalog, &catalog.scopes(), &ticked)
    }
}
