//! Contacts: people to call or write to.

use schemars::JsonSchema;
use serde::Serialize;

use super::Fields;
use super::resources;
use crate::model::catalog::ResourceNumber;
use crate::model::fields::FieldReader;
use crate::model::time::Moment;

/// The fields of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Contact {
    /// Their name.
    pub name: String,
    /// Their number, E.164.
    pub phone: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Whom they work for.
    pub company: Option<String>,
    /// Anything else to know about them.
    pub notes: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
}

impl Fields for Contact {
    const RESOURCE: ResourceNumber = resources::CONTACTS;
    const ID_PREFIX: &'static str = "contact";
    type Filter = ContactFilter;

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let name = reader.line("name", 200);
        let name = reader.required("name", name);
        let phone = reader.phone_number("phone");
        let email = reader.email("email");
        let company = reader.line("company", 200);
        let notes = reader.text("notes", 10_000);
        let tags = reader.tags("tags");
        Some(Self { name: name?, phone, email, company, notes, tags })
    }
}

/// Which contacts to list.
#[derive(Debug, Clone, Default, JsonSchema)]
pub struct ContactFilter {
    /// Only contacts with this text in their name, e-mail address or number; case is ignored.
    #[schemars(rename = "q")]
    pub text: Option<String>,
    /// Only those with this address, letter by letter.
    pub email: Option<String>,
    /// Only those with this number.
    pub phone: Option<String>,
    /// Only those that were made or changed at or after this.
    pub updated_since: Option<Moment>,
}
