//! The fields of a vendor's credential in a form, and what a form says that was not accepted.

use actix_web::http::StatusCode;

use crate::domain;
use crate::domain::Error;
use crate::http::extract::Form;
use crate::http::pages::parts::form_error::{Field, FormErrors, Refused, refusals};
use crate::model::FieldErrors;
use crate::model::connections::VendorCredential;
use crate::model::connections::credential::FieldGroups;

/// A field of a credential. What is typed into it is never shown again.
pub struct CredentialField {
    /// Its name in the form. [`Form::to_keep`] leaves out what begins so.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// Whether it is one of another group than the first.
    pub instead: bool,
}

/// The fields of a credential.
pub fn fields_of(groups: &FieldGroups) -> Vec<CredentialField> {
    let groups = groups.iter().enumerate();
    let fields =
        groups.flat_map(|(group, fields)| fields.iter().map(move |field| (group, &**field)));
    let field = |(group, field)| CredentialField {
        name: format!("credential_{field}"),
        label: label(field),
        instead: group > 0,
    };
    fields.map(field).collect()
}

/// What people call a field; one that an administrator has named is called that.
fn label(field: &str) -> String {
    let words = match field {
        "api_id" => "API ID",
        "api_token" => "API token",
        "access_token" => "Access token",
        "api_key" => "API key",
        "username" => "User name",
        "password" => "Password",
        named => named,
    };
    words.to_owned()
}

/// The credential that was typed in.
///
/// # Errors
/// What is wrong with it.
pub fn read(groups: &FieldGroups, form: &Form) -> Result<VendorCredential, FieldErrors> {
    let typed = fields_of(groups);
    let given = typed.iter().map(|field| {
        let name = field.name.strip_prefix("credential_").unwrap_or(&field.name);
        (name, Some(form.text(&field.name).trim()))
    });
    VendorCredential::of(groups, given).map_err(|why| FieldErrors::one("credential", why))
}

/// Separates what a form shows from other errors of a use case. What the test has found is shown at
/// the credential.
///
/// # Errors
/// What is not said in the form.
pub fn refused<T>(
    result: domain::Result<T>,
    fields: &[Field],
) -> domain::Result<Result<T, Refused>> {
    match result {
        Err(Error::Refused(why)) => {
            let errors = FormErrors::one("credential", &why);
            Ok(Err(Refused { status: StatusCode::CONFLICT, errors }))
        }
        result => refusals(result, fields),
    }
}
