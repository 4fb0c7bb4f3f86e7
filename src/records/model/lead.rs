//! Leads: people who may become customers.

use schemars::JsonSchema;
use serde::Serialize;

use super::Fields;
use super::resources;
use crate::model::catalog::ResourceNumber;
use crate::model::fields::FieldReader;
use crate::model::time::Moment;
use crate::model::words::words;

words! {
    /// The stage a lead has reached.
    LeadStatus {
        /// Nobody has spoken to them yet.
        New = "new",
        /// Somebody has spoken to them.
        Contacted = "contacted",
        /// They are worth pursuing.
        Qualified = "qualified",
        /// They have become customers.
        Converted = "converted",
    }
}

/// The fields of a lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lead {
    /// Who they are.
    pub name: String,
    /// Their number, E.164.
    pub phone: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// The stage they have reached; `new` by default.
    pub status: LeadStatus,
    /// Where they came from.
    pub source: Option<String>,
    /// How promising they are, 0 to 100.
    pub score: Option<i64>,
    /// Labels.
    pub tags: Vec<String>,
}

impl Fields for Lead {
    const RESOURCE: ResourceNumber = resources::LEADS;
    const ID_PREFIX: &'static str = "lead";
    type Filter = LeadFilter;

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let name = reader.line("name", 200);
        let name = reader.required("name", name);
        let phone = reader.phone_number("phone");
        let email = reader.email("email");
        let status = reader.choice("status").unwrap_or(LeadStatus::New);
        let source = reader.line("source", 200);
        let score = reader.integer("score", 0, 100);
        let tags = reader.tags("tags");
        Some(Self { name: name?, phone, email, status, source, score, tags })
    }
}

/// Which leads to list.
#[derive(Debug, Clone, Default, JsonSchema)]
pub struct LeadFilter {
    /// Only leads at this stage.
    pub status: Option<LeadStatus>,
    /// Only leads from this source.
    pub source: Option<String>,
    /// Only those with this address, letter by letter.
    pub email: Option<String>,
    /// Only those with this number.
    pub phone: Option<String>,
    /// Only those that were made or changed at or after this.
    pub updated_since: Option<Moment>,
}
