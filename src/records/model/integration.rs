//! Integrations: other systems that Bitting's clients work with.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Fields;
use super::resources;
use crate::model::catalog::ResourceNumber;
use crate::model::fields::FieldReader;
use crate::model::words::words;

/// The most bytes that settings have as JSON.
const LARGEST_SETTINGS: usize = 16 * 1024;

words! {
    /// Which system it is.
    IntegrationKind {
        /// CallRail.
        Callrail = "callrail",
        /// Aircall.
        Aircall = "aircall",
        /// Customerly.
        Customerly = "customerly",
        /// Clari.
        Clari = "clari",
        /// Any system that accepts a request.
        Webhook = "webhook",
        /// Another system.
        Other = "other",
    }
}

/// The fields of an integration.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Integration {
    /// What people call it.
    pub name: String,
    /// Which system it is.
    pub kind: IntegrationKind,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it is in use; `true` by default.
    pub enabled: bool,
    /// Settings for the system; empty by default. A patch is merged into them, member by
    /// member.
    pub settings: Map<String, Value>,
}

impl Fields for Integration {
    const RESOURCE: ResourceNumber = resources::INTEGRATIONS;
    const ID_PREFIX: &'static str = "int";
    type Filter = IntegrationFilter;

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let name = reader.line("name", 200);
        let name = reader.required("name", name);
        let kind = reader.choice("kind");
        let kind = reader.required("kind", kind);
        let description = reader.text("description", 10_000);
        let enabled = reader.boolean("enabled").unwrap_or(true);
        let settings = reader.object("settings", LARGEST_SETTINGS).unwrap_or_default();
        Some(Self { name: name?, kind: kind?, description, enabled, settings })
    }
}

/// Which integrations to list.
#[derive(Debug, Clone, Default, JsonSchema)]
pub struct IntegrationFilter {
    /// Only integrations with this system.
    pub kind: Option<IntegrationKind>,
}
