//! What is wrong with a form, beside its fields and at its top.

use actix_web::http::StatusCode;

use crate::domain;
use crate::model::FieldErrors;

/// A complaint about one field.
#[derive(Debug, Clone)]
pub struct FormError {
    /// The field's element.
    pub id: &'static str,
    /// The complaint, as a sentence.
    pub sentence: String,
}

/// A field as rules name it, as the page names it, and as people call it.
pub type Field = (&'static str, &'static str, &'static str);

/// Complaints in the order of the fields. One about a field that the form does not have is shown
/// with the first.
pub fn faults(errors: FieldErrors, fields: &[Field]) -> Vec<FormError> {
    let mut found = Vec::new();
    for error in errors {
        let place = fields.iter().position(|(rule, _, _)| *rule == error.field);
        let Some((_, id, label)) = place.or(Some(0)).and_then(|place| fields.get(place)) else {
            continue;
        };
        let subject = if place.is_some() { label } else { error.field.as_str() };
        let sentence = format!("{subject} {}.", error.message);
        found.push((place, FormError { id, sentence }));
    }
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, fault)| fault).collect()
}

/// A use case's result, with complaints about the input apart from other errors.
///
/// # Errors
/// What is no complaint about the input.
pub fn validation_errors<T>(result: domain::Result<T>) -> domain::Result<Result<T, FieldErrors>> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(domain::Error::Invalid(errors)) => Ok(Err(errors)),
        Err(other) => Err(other),
    }
}

/// A form that is to be shown again.
pub struct Refused {
    /// What the answer says.
    pub status: StatusCode,
    /// What is wrong.
    pub faults: Vec<FormError>,
}

impl Refused {
    /// For complaints about the input.
    pub fn invalid(errors: FieldErrors, fields: &[Field]) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, faults: faults(errors, fields) }
    }
}

/// A use case's result about a user, with what the form is to say apart from other errors. That
/// somebody is the last administrator is said at the first field.
///
/// # Errors
/// What is not said in the form.
pub fn refusals<T>(
    result: domain::Result<T>,
    fields: &[Field],
) -> domain::Result<Result<T, Refused>> {
    match (result, fields.first()) {
        (Err(domain::Error::LastAdministrator), Some((_, id, _))) => {
            let sentence =
                "This is the last administrator who can sign in. Make another one first.";
            let sentence = sentence.to_owned();
            Ok(Err(Refused {
                status: StatusCode::CONFLICT,
                faults: vec![FormError { id, sentence }],
            }))
        }
        (result, _) => {
            Ok(validation_errors(result)?.map_err(|errors| Refused::invalid(errors, fields)))
        }
    }
}
