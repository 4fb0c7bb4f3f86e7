//! What `POST /v1/verify` is asked: about a request, or about an access to a resource.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::gate::route::{Need, Route};
use crate::model::FieldErrors;
use crate::model::catalog::Catalog;
use crate::model::fields::{FieldReader, as_text};
use crate::model::requirement::Unmapped;
use crate::model::scope::Access;

/// The longest path that is asked about, in characters.
const LONGEST_PATH: usize = 8192;
/// The longest method or name, in characters.
const LONGEST_WORD: usize = 100;

/// What is asked about: a method and a path, or a resource and an access.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
pub struct Question {
    /// The method of a request, in capitals.
    method: Option<String>,
    /// The path of a request as it was sent, with its query, if there is one: `_method` in it is refused.
    path: Option<String>,
    /// The name of a resource.
    resource: Option<String>,
    /// What would be done to the resource: `read` or `write`.
    #[schemars(with = "Option<String>")]
    access: Option<Access>,
}

impl Question {
    /// Reads a method and a path, or a resource and an access.
    pub fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let method = reader.text("method", LONGEST_WORD);
        let path = reader.text("path", LONGEST_PATH);
        let resource = reader.text("resource", LONGEST_WORD);
        let words = || json!({"type": "string", "enum": Access::ALL});
        let access = reader.parsed("access", words, |value| {
            Access::parse(as_text(value)?).ok_or_else(|| "must be read or write".to_owned())
        });
        reader.demand_one_of(&[&["method", "path"], &["resource", "access"]]);
        Some(Self { method, path, resource, access })
    }

    /// Reads an object that may hold nothing else.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let question = Self::read(&mut reader);
        reader.finish(question)
    }

    /// The route that the key is judged for.
    pub fn route(&self, catalog: &Catalog) -> Route {
        match (&self.resource, self.access) {
            (Some(resource), Some(access)) => match catalog.named(resource) {
                Some(resource) => {
                    let need = Need::Scope(resource.number);
                    Route::Known { need, access, offered: resource.offers(access) }
                }
                None => Route::Unmapped { access, why: Unmapped::UnknownResource },
            },
            _ => Route::of_request(catalog, self.method.as_deref(), self.path.as_deref()),
        }
    }
}
