//! Leads over HTTP: their filters.

use super::records::Listed;
use crate::http::extract::QueryReader;
use crate::model::records::lead::{Lead, LeadFilter};

impl Listed for Lead {
    fn read_filter(query: &mut QueryReader) -> LeadFilter {
        LeadFilter { status: query.choice("status"), source: query.text("source") }
    }
}
