//! Calls over HTTP: their filters, and an example of one.

use serde_json::{Value, json};

use super::Listed;
use crate::http::extract::QueryReader;
use crate::records::model::call::{Call, CallFilter};

impl Listed for Call {
    const ONE: &'static str = "a call";
    const MANY: &'static str = "calls";

    fn example() -> Value {
        json!({
            "direction": "inbound",
            "caller": "+14155550100",
            "to": "+14155550199",
            "status": "completed",
            "duration_seconds": 184,
            "sentiment": "positive",
            "summary": "Asked for an appointment on Friday.",
            "recording_url": "https://recordings.example.com/1.mp3",
            "transcript": [{"role": "agent", "text": "Good morning."}],
            "started_at": "2026-11-30T09:00:00Z",
            "tags": ["appointment"],
        })
    }

    fn is_search(filter: &CallFilter) -> bool {
        filter.from.is_some() || filter.to.is_some()
    }

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
