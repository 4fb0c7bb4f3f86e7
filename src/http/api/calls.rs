//! Calls over HTTP: their filters.

use super::records::Listed;
use crate::http::extract::QueryReader;
use crate::model::records::call::{Call, CallFilter};

impl Listed for Call {
    fn read_filter(query: &mut QueryReader) -> CallFilter {
        CallFilter {
            agent_id: query.text("agent_id"),
            direction: query.choice("direction"),
            status: query.choice("status"),
            from: query.moment("from"),
            to: query.moment("to"),
        }
    }
}
