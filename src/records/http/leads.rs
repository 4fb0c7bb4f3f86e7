//! Leads over HTTP: their filters, and an example of one.

use serde_json::{Value, json};

use super::Listed;
use crate::http::extract::QueryReader;
use crate::records::model::lead::{Lead, LeadFilter};

impl Listed for Lead {
    const ONE: &'static str = "a lead";
    const MANY: &'static str = "leads";

    fn example() -> Value {
        json!({
            "name": "Ada Lovelace",
            "phone": "+14155550100",
            "email": "ada@example.com",
            "source": "website",
            "score": 80,
            "tags": ["vip"],
            "status": "qualified",
        })
    }

    fn is_search(filter: &LeadFilter) -> bool {
        filter.updated_since.is_some()
    }

    fn read_filter(query: &mut QueryReader) -> LeadFilter {
        LeadFilter {
            status: query.choice("status"),
            source: query.text("source"),
            email: query.email("email"),
            phone: query.phone_number("phone"),
            updated_since: query.moment("updated_since"),
        }
    }
}
