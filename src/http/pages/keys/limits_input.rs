//! The limits of a key as they are typed into a form.

use serde_json::{Value, json};

use crate::http::extract::Form;
use crate::http::pages::parts::form_error::Field;
use crate::model::limits::KeyLimits;

/// The fields that rules may complain about.
pub const LIMIT_FIELDS: [Field; 3] = [
    ("rate_limit", "rate_limit", "The rate limit"),
    ("quota", "quota", "The quota"),
    ("allowed_networks", "allowed_networks", "The allowed networks"),
];

/// What is typed; empty where there is no limit.
#[derive(Debug, Clone, Default)]
pub struct LimitsInput {
    /// Such as `600/minute`.
    pub rate_limit: String,
    /// Such as `50000/day`.
    pub quota: String,
    /// Networks with spaces between.
    pub allowed_networks: String,
}

impl LimitsInput {
    /// The limits of a key.
    pub fn of_key(limits: &KeyLimits) -> Self {
        Self {
            rate_limit: limits.rate_limit.map(|limit| limit.to_string()).unwrap_or_default(),
            quota: limits.quota.map(|quota| quota.to_string()).unwrap_or_default(),
            allowed_networks: limits
                .allowed_networks
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }

    /// What was sent.
    pub fn of_form(form: &Form) -> Self {
        let text = |name| form.text(name).trim().to_owned();
        Self {
            rate_limit: text("rate_limit"),
            quota: text("quota"),
            allowed_networks: text("allowed_networks"),
        }
    }

    /// The fields of a key that say the same.
    pub fn fields(&self) -> impl Iterator<Item = (String, Value)> {
        let typed = [&self.rate_limit, &self.quota, &self.allowed_networks];
        let value = |text: &String| if text.is_empty() { Value::Null } else { json!(text) };
        let named = LIMIT_FIELDS.iter().zip(typed);
        named.map(move |((field, ..), text)| ((*field).to_owned(), value(text)))
    }
}
