//! What is asked for when a key is found by the key itself.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::FieldErrors;
use super::fields::{FieldReader, as_text};

/// The longest secret that a key can have, in characters.
const LONGEST: usize = 512;

/// A request to find a key. It does not print: it holds a secret.
#[derive(JsonSchema)]
pub struct FindRequest {
    /// The whole key; white space around it is dropped.
    pub key: String,
}

impl FindRequest {
    /// Reads the key.
    pub fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let schema = || json!({"type": "string", "pattern": format!(r"^[!-~]{{1,{LONGEST}}}$")});
        let key = reader.parsed("key", schema, |value| match as_text(value)?.trim() {
            "" => Err("must be the whole key".to_owned()),
            key if key.chars().nth(LONGEST).is_some() => {
                Err(format!("must be at most {LONGEST} characters long"))
            }
            key => Ok(key.to_owned()),
        });
        Some(Self { key: reader.required("key", key)? })
    }

    /// Reads an object that may hold nothing else.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let request = Self::read(&mut reader);
        reader.finish(request)
    }
}
