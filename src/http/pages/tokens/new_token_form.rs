//! What is typed into the form of a new admin token, and what it means.

use serde_json::{Map, Value, json};

use crate::http::extract::Form;
use crate::http::pages::parts::expiry::ChosenEnd;
use crate::http::pages::parts::form_error::{Field, FormErrors};
use crate::http::pages::users::grants::Grant;
use crate::model::FieldErrors;
use crate::model::catalog::Catalog;
use crate::model::scope::{Access, ScopeSet};
use crate::model::time::{Moment, format};
use crate::model::token::{AdminToken, NewToken};

/// The fields that validation errors are shown at.
pub const FIELDS: [Field; 6] = [
    ("name", "name", "The name"),
    ("access", "access", "What the token may do"),
    ("expires_at", "expires", "The expiry"),
    ("expires_on", "expires_on", "The last day"),
    ("bounds", "bounds", "The scopes it may give to keys"),
    ("may_grant", "may_grant", "The scopes it may give to keys"),
];

/// The choices of what a token may do: the value and its words.
pub fn accesses() -> [(&'static str, &'static str); 2] {
    let words = |access| match access {
        Access::Read => "Read: lists keys, their usage and the audit log",
        Access::Write => "Write: also makes, changes and revokes keys",
    };
    Access::ALL.map(|access| (access.as_str(), words(access)))
}

/// What a token may do and grant, as a page says it.
pub struct Bounds {
    /// Whether it may change anything.
    pub writes: bool,
    /// Whether it may grant everything.
    pub everything: bool,
    /// What it may grant.
    pub grants: Vec<Grant>,
}

impl Bounds {
    /// What a token may do and grant.
    pub fn of(token: &AdminToken, catalog: &Catalog) -> Self {
        Self {
            writes: token.access == Access::Write,
            everything: token.may_grant == catalog.scopes(),
            grants: Grant::list(&token.may_grant, catalog),
        }
    }
}

/// What was typed into the form.
#[derive(Debug, Clone, Default)]
pub struct FormInput {
    /// The name, as it was typed.
    pub name: String,
    /// The access that is chosen.
    pub access: String,
    /// When it is to end.
    pub end: ChosenEnd,
    /// `all` or `some`: whether it may grant everything.
    pub bounds: String,
    may_grant: Vec<String>,
}

impl FormInput {
    /// An empty form.
    pub fn nothing() -> Self {
        let (end, bounds) = (ChosenEnd::of_life("90d"), "all".to_owned());
        Self { end, bounds, access: Access::Read.as_str().to_owned(), ..Self::default() }
    }

    /// The input that a submitted form holds.
    pub fn of(form: &Form) -> Self {
        let text = |name| form.text(name).to_owned();
        Self {
            name: text("name"),
            access: text("access"),
            end: ChosenEnd::of_form(form),
            bounds: text("bounds"),
            may_grant: form.values("may_grant").map(str::to_owned).collect(),
        }
    }

    /// The scopes that are ticked, as far as there are such scopes.
    pub fn ticked(&self, catalog: &Catalog) -> ScopeSet {
        catalog.known(self.may_grant.iter().map(String::as_str))
    }

    /// The token that the form describes.
    ///
    /// # Errors
    /// Every error, each beside its field.
    pub fn token(&self, catalog: &Catalog, now: Moment) -> Result<NewToken, FormErrors> {
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(self.name));
        object.insert("access".to_owned(), json!(self.access));
        let mut errors = FieldErrors::default();
        match self.end.moment(now) {
            Ok(Some(end)) => {
                object.insert("expires_at".to_owned(), Value::String(format(end)));
            }
            Ok(None) => errors.add("expires_at", "must be chosen"),
            Err((field, message)) => errors.add(field, message),
        }
        match self.bounds.as_str() {
            "all" => {}
            "some" if self.may_grant.is_empty() => {
                errors.add("may_grant", "is empty: select at least one box");
            }
            "some" => {
                object.insert("may_grant".to_owned(), json!(self.may_grant));
            }
            _ => errors.add("bounds", "must be chosen"),
        }
        let token = NewToken::from_object(&object, catalog, now);
        for mut error in token.as_ref().err().cloned().unwrap_or_default() {
            let unclear = !object.contains_key("expires_at");
            // It was said above why there is none.
            if unclear && error.field == "expires_at" {
                continue;
            }
            self.end.place(&mut error.field);
            errors.add(&error.field, error.message);
        }
        match token {
            Ok(token) if errors.is_empty() => Ok(token),
            _ => Err(FormErrors::new(errors, &FIELDS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::http::pages::tokens::new_token_form::*;
    use crate::model::catalog::sample;
    use crate::model::time::parse_rfc3339;

    fn typed(expires: &str, bounds: &str, may_grant: &[&str]) -> FormInput {
        let may_grant = may_grant.iter().map(ToString::to_string).collect();
        let (end, bounds) = (ChosenEnd::of_life(expires), bounds.to_owned());
        let access = "write".to_owned();
        FormInput { name: "CI".to_owned(), access, end, bounds, may_grant }
    }

    fn catalog() -> Catalog {
        sample::catalog()
    }

    #[test]
    fn nothing_that_is_left_out_means_everything() {
        let now = parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let ids = |typed: FormInput| {
            let errors = typed.token(&catalog(), now).err().unwrap_or_default();
            errors.iter().map(|error| error.id).collect::<Vec<_>>()
        };
        let all = typed("365d", "all", &["calls:read"]).token(&catalog(), now).unwrap();
        assert_eq!(
            (all.may_grant, format(all.expires_at)),
            (catalog().scopes(), "2027-11-21T12:00:00.000Z".to_owned())
        );
        let some = typed("7d", "some", &["calls:read"]).token(&catalog(), now).unwrap();
        assert_eq!(some.may_grant.to_string(), "calls:read");
        assert_eq!(ids(typed("90d", "some", &[])), ["may_grant"]);
        assert_eq!(ids(typed("90d", "", &[])), ["bounds"]);
        assert_eq!(ids(typed("90d", "some", &["*"])), ["may_grant"]);
        assert_eq!(ids(typed("never", "all", &[])), ["expires"]);
        let late = ChosenEnd { expires_on: "2027-11-21".to_owned(), ..ChosenEnd::of_life("date") };
        let late = FormInput { end: late, ..typed("", "all", &[]) };
        assert_eq!(ids(late), ["expires_on"]);
        assert_eq!(ids(FormInput::default()), ["name", "access", "expires", "bounds"]);
    }
}
