//! Integrations over HTTP: their filters, and an example of one.

use serde_json::{Value, json};

use super::Listed;
use crate::http::extract::QueryReader;
use crate::records::model::integration::{Integration, IntegrationFilter};

impl Listed for Integration {
    const ONE: &'static str = "an integration";
    const MANY: &'static str = "integrations";

    fn example() -> Value {
        json!({
            "name": "CRM",
            "kind": "webhook",
            "description": "Tells the CRM of every call.",
            "settings": {"url": "https://crm.example.com/hook"},
            "enabled": true,
        })
    }

    fn read_filter(query: &mut QueryReader) -> IntegrationFilter {
        IntegrationFilter { kind: query.choice("kind") }
    }
}
