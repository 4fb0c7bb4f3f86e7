//! Agents over HTTP: their filters.

use super::records::Listed;
use crate::http::extract::QueryReader;
use crate::model::records::agent::{Agent, AgentFilter};

impl Listed for Agent {
    fn read_filter(query: &mut QueryReader) -> AgentFilter {
        AgentFilter { status: query.choice("status") }
    }
}
