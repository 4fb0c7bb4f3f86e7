//! Contacts over HTTP: their filters, and an example of one.

use serde_json::{Value, json};

use super::Listed;
use crate::http::extract::QueryReader;
use crate::records::model::contact::{Contact, ContactFilter};

impl Listed for Contact {
    const ONE: &'static str = "a contact";
    const MANY: &'static str = "contacts";

    fn example() -> Value {
        json!({
            "name": "Ada Lovelace",
            "phone": "+14155550100",
            "email": "ada@example.com",
            "company": "Analytical Engines",
            "tags": ["vip"],
            "notes": "Prefers to be called in the morning.",
        })
    }

    fn is_search(filter: &ContactFilter) -> bool {
        filter.text.is_some() || filter.updated_since.is_some()
    }

    fn read_filter(query: &mut QueryReader) -> ContactFilter {
        ContactFilter {
            text: query.text("q"),
            email: query.email("email"),
            phone: query.phone_number("phone"),
            updated_since: query.moment("updated_since"),
        }
    }
}
