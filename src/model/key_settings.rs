//! The part of a key that can be edited: its label and its limits.

use serde::Serialize;
use serde_json::{Map, Value};

use super::FieldErrors;
use super::fields::FieldReader;
use super::key::{ApiKey, KeyLabel};
use super::limits::KeyLimits;

/// The part of a key that can be edited while it is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeySettings {
    /// What people call it.
    #[serde(flatten)]
    pub label: KeyLabel,
    /// How fast, how much and from where it may be used.
    #[serde(flatten)]
    pub limits: KeyLimits,
}

impl KeySettings {
    /// Those of a key.
    pub fn of(key: &ApiKey) -> Self {
        Self { label: key.label.clone(), limits: key.limits.clone() }
    }

    /// Reads every field.
    pub fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let label = KeyLabel::read(reader);
        let limits = KeyLimits::read(reader);
        Some(Self { label: label?, limits })
    }

    /// Reads an object that may hold nothing else.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let settings = Self::read(&mut reader);
        reader.finish(settings)
    }
}
