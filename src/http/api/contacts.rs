//! Contacts over HTTP: their filters.

use super::records::Listed;
use crate::http::extract::QueryReader;
use crate::model::records::contact::{Contact, ContactFilter};

impl Listed for Contact {
    fn read_filter(query: &mut QueryReader) -> ContactFilter {
        ContactFilter { text: query.text("q") }
    }
}
