//! What is typed into the form of a new key, and what it means.

use serde_json::{Map, Value, json};

use super::limits_input::{LIMIT_FIELDS, LimitsInput};
use crate::http::extract::Form;
use crate::http::pages::parts::expiry::ChosenEnd;
use crate::http::pages::parts::form_error::{Field, FormErrors};
use crate::model::FieldErrors;
use crate::model::catalog::Catalog;
use crate::model::connections::Handle;
use crate::model::key::NewKey;
use crate::model::scope::{Access, ScopeSet};
use crate::model::time::{Moment, format};

/// The fields that validation errors are shown at.
pub const FIELDS: [Field; 10] = [
    ("name", "name", "The name"),
    ("owner", "owner", "The owner"),
    ("description", "description", "The description"),
    ("expires_at", "expires", "The expiry"),
    ("expires_on", "expires_on", "The last day"),
    LIMIT_FIELDS[0],
    LIMIT_FIELDS[1],
    LIMIT_FIELDS[2],
    ("scopes", "scope", "What the key may do"),
    // Whoever makes a key holds it.
    ("holder", "name", "You"),
];

/// What was typed into the form.
#[derive(Debug, Clone, Default)]
pub struct FormInput {
    /// The name, as it was typed.
    pub name: String,
    /// The owner, as it was typed.
    pub owner: String,
    /// The description, as it was typed.
    pub description: String,
    /// When it is to end.
    pub end: ChosenEnd,
    /// The limits.
    pub limits: LimitsInput,
    /// The scopes whose boxes are ticked.
    pub scopes: Vec<String>,
    /// The name of which it was said that a key has it already.
    pub same_name: String,
}

impl FormInput {
    /// An empty form, with this lifetime chosen.
    pub fn nothing(life: &str) -> Self {
        Self { end: ChosenEnd::of_life(life), ..Self::default() }
    }

    /// A key with this lifetime that reads everything at a connection.
    pub fn reading(connection: &Handle, catalog: &Catalog, life: &str) -> Self {
        let there = catalog.connections.by_connection();
        let offered = there.get(connection).into_iter().flat_map(ScopeSet::iter);
        let reads = offered.filter(|scope| scope.access == Access::Read);
        let scopes = reads.map(ToString::to_string).collect();
        Self { end: ChosenEnd::of_life(life), scopes, ..Self::default() }
    }

    /// The input that a submitted form holds.
    pub fn of(form: &Form) -> Self {
        let text = |name| form.text(name).to_owned();
        Self {
            name: text("name"),
            owner: text("owner"),
            description: text("description"),
            end: ChosenEnd::of_form(form),
            limits: LimitsInput::of_form(form),
            scopes: form.values("scope").map(str::to_owned).collect(),
            same_name: text("same_name"),
        }
    }

    /// The scopes that are ticked, as far as there are such scopes.
    pub fn ticked(&self, catalog: &Catalog) -> ScopeSet {
        catalog.known(self.scopes.iter().map(String::as_str))
    }

    /// The key that the form describes.
    ///
    /// # Errors
    /// Every error, each beside its field.
    pub fn key(&self, catalog: &Catalog, now: Moment) -> Result<NewKey, FormErrors> {
        let mut object = Map::new();
        for (field, text) in
            [("name", &self.name), ("owner", &self.owner), ("description", &self.description)]
        {
            // Browsers send line breaks as two characters, which would count twice.
            object.insert(field.to_owned(), json!(text.replace("\r\n", "\n")));
        }
        if !self.scopes.is_empty() {
            object.insert("scopes".to_owned(), json!(self.scopes));
        }
        object.extend(self.limits.fields());
        let end = self.end.moment(now);
        if let Ok(Some(end)) = end {
            object.insert("expires_at".to_owned(), Value::String(format(end)));
        }
        let key = NewKey::from_object(&object, catalog, now);
        let mut errors = match (&key, &end) {
            (Err(errors), _) => errors.clone(),
            (Ok(_), Err(_)) => FieldErrors::default(),
            (Ok(_), Ok(_)) => return key.map_err(|errors| FormErrors::new(errors, &FIELDS)),
        };
        if let Err((field, message)) = end {
            errors.add(field, message);
        }
        for error in errors.named_mut() {
            self.reword(&mut error.field, &mut error.message);
        }
        Err(FormErrors::new(errors, &FIELDS))
    }

    fn reword(&self, field: &mut String, message: &mut String) {
        match (field.as_str(), message.as_str()) {
            ("scopes", "is required") => "is empty: select at least one box".clone_into(message),
            ("name", "is required") => {
                "is missing: choose one by which you will recognise the key".clone_into(message);
            }
            _ => self.end.place(field),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::http::pages::keys::new_key_form::*;
    use crate::model::catalog::sample;
    use crate::model::time::parse_rfc3339;

    fn typed(expires: &str, expires_on: &str) -> FormInput {
        FormInput {
            name: "a".to_owned(),
            end: ChosenEnd { expires: expires.to_owned(), expires_on: expires_on.to_owned() },
            scopes: vec!["calls:read".to_owned()],
            ..FormInput::default()
        }
    }

    fn catalog() -> Catalog {
        sample::catalog()
    }

    #[test]
    fn an_expiry_is_chosen_and_never_guessed() {
        let now = parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let end = |expires, on| {
            typed(expires, on).key(&catalog(), now).map(|key| key.expires_at.map(format))
        };
        assert_eq!(end("never", "").unwrap(), None);
        assert_eq!(end("90d", "").unwrap().unwrap(), "2027-02-19T12:00:00.000Z");
        assert_eq!(end("date", "2027-01-31").unwrap().unwrap(), "2027-02-01T00:00:00.000Z");
        for (expires, on, id) in [
            ("", "", "expires"),
            ("0", "", "expires"),
            ("date", "", "expires_on"),
            ("date", "2027-02-30", "expires_on"),
            ("date", "2026-11-20", "expires_on"),
            ("date", "2037-01-01", "expires_on"),
        ] {
            let errors = end(expires, on).unwrap_err();
            assert_eq!(
                errors.iter().map(|error| error.id).collect::<Vec<_>>(),
                [id],
                "{expires}{on}"
            );
        }
    }

    #[test]
    fn every_fault_is_found_at_once_in_the_order_of_the_fields() {
        let now = parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let empty = FormInput { owner: "\u{7}".to_owned(), ..FormInput::default() };
        let errors = empty.key(&catalog(), now).unwrap_err();
        let ids: Vec<_> = errors.iter().map(|error| error.id).collect();
        assert_eq!(ids, ["name", "owner", "expires", "scope"]);
        let unknown = FormInput { scopes: vec!["*".to_owned()], ..typed("never", "") };
        assert_eq!(unknown.key(&catalog(), now).unwrap_err()[0].id, "scope");
    }
}
