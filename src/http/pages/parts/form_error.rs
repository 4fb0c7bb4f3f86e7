//! What is wrong with a form, beside its fields and at its top.

use std::ops::Deref;

use actix_web::http::StatusCode;

use crate::domain;
use crate::model::FieldErrors;

/// An error about one field of a form.
#[derive(Debug, Clone)]
pub struct FormError {
    /// The id of the field's element.
    pub id: &'static str,
    /// The error, as a sentence.
    pub sentence: String,
}

/// A field as rules name it, as the page names it, and as people call it.
pub type Field = (&'static str, &'static str, &'static str);

/// The errors of a form, in the order of its fields.
#[derive(Debug, Clone, Default)]
pub struct FormErrors(Vec<FormError>);

impl FormErrors {
    /// Shows each error at its field. One about a field that the form does not have is shown at the
    /// first.
    pub fn new(errors: FieldErrors, fields: &[Field]) -> Self {
        let mut found = Vec::new();
        for error in errors {
            let place = fields.iter().position(|(rule, _, _)| *rule == error.field);
            let Some((_, id, label)) = place.or(Some(0)).and_then(|place| fields.get(place)) else {
                continue;
            };
            let subject = if place.is_some() { label } else { error.field.as_str() };
            let sentence = ended(format!("{subject} {}", error.message));
            found.push((place, FormError { id, sentence }));
        }
        found.sort_by_key(|(place, _)| *place);
        Self(found.into_iter().map(|(_, error)| error).collect())
    }

    /// One error at a field: a sentence, whose first letter and full stop it may lack.
    pub fn one(id: &'static str, why: &str) -> Self {
        let mut letters = why.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        let sentence = ended(first.into_iter().chain(letters).collect());
        Self(vec![FormError { id, sentence }])
    }

    /// All of them, for a form that has one place for them.
    pub fn in_one_line(&self) -> String {
        let sentences: Vec<&str> = self.iter().map(|error| &*error.sentence).collect();
        sentences.join(" ")
    }

    /// The first error at the field with this id.
    pub fn of(&self, id: &str) -> Option<&FormError> {
        self.iter().find(|error| error.id == id)
    }
}

impl Deref for FormErrors {
    type Target = [FormError];

    fn deref(&self) -> &[FormError] {
        &self.0
    }
}

/// A sentence with a full stop, unless it ends with a mark of its own.
fn ended(sentence: String) -> String {
    if sentence.ends_with(['.', '?', '!']) { sentence } else { sentence + "." }
}

/// Separates errors about the input from other errors of a use case.
///
/// # Errors
/// Errors that are not about the input.
pub fn validation_errors<T>(result: domain::Result<T>) -> domain::Result<Result<T, FieldErrors>> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(domain::Error::Invalid(errors)) => Ok(Err(errors)),
        Err(other) => Err(other),
    }
}

/// A form that is to be shown again.
pub struct Refused {
    /// The status of the answer.
    pub status: StatusCode,
    /// The errors to show.
    pub errors: FormErrors,
}

impl Refused {
    /// A form that is to be shown again with these errors about its input.
    pub fn invalid(errors: FieldErrors, fields: &[Field]) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, errors: FormErrors::new(errors, fields) }
    }
}

/// Separates the errors that a form shows from other errors of a use case. That somebody is the last
/// administrator is shown at the first field.
///
/// # Errors
/// What is not said in the form.
pub fn refusals<T>(
    result: domain::Result<T>,
    fields: &[Field],
) -> domain::Result<Result<T, Refused>> {
    match (result, fields.first()) {
        (Err(domain::Error::NotGranted { required, granted }), Some(_)) => {
            let lacking = required.iter().filter(|scope| !granted.contains(scope));
            let lacking: Vec<String> = lacking.map(ToString::to_string).collect();
            let why = format!("must not name {}, which you may not grant", lacking.join(", "));
            let errors = FormErrors::new(FieldErrors::one("scopes", why), fields);
            Ok(Err(Refused { status: StatusCode::FORBIDDEN, errors }))
        }
        (Err(domain::Error::LastAdministrator), Some((_, id, _))) => {
            let sentence =
                "This is the last administrator who can sign in. Make another one first.";
            let sentence = sentence.to_owned();
            Ok(Err(Refused {
                status: StatusCode::CONFLICT,
                errors: FormErrors(vec![FormError { id, sentence }]),
            }))
        }
        (result, _) => {
            Ok(validation_errors(result)?.map_err(|errors| Refused::invalid(errors, fields)))
        }
    }
}
