//! Agents over HTTP: their filters, and an example of one.

use serde_json::{Value, json};

use super::Listed;
use crate::http::extract::QueryReader;
use crate::records::model::agent::{Agent, AgentFilter};

impl Listed for Agent {
    const ONE: &'static str = "an agent";
    const MANY: &'static str = "agents";

    fn example() -> Value {
        json!({
            "name": "Reception",
            "voice_id": "warm-1",
            "greeting": "Good morning, how can I help?",
            "prompt": "You answer for a dentist.",
            "phone_number": "+14155550199",
            "status": "active",
        })
    }

    fn read_filter(query: &mut QueryReader) -> AgentFilter {
        AgentFilter { status: query.choice("status") }
    }
}
