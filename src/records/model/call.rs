//! Phone calls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Fields;
use super::resources;
use crate::model::catalog::ResourceNumber;
use crate::model::fields::{FieldReader, as_text, check_text};
use crate::model::schema;
use crate::model::time;
use crate::model::time::Moment;
use crate::model::words::{Word, choice, words};

words! {
    /// Who called whom.
    Direction {
        /// The caller called us.
        Inbound = "inbound",
        /// We called them.
        Outbound = "outbound",
    }
}

words! {
    /// The state of a call.
    CallStatus {
        /// The call has not been answered yet.
        Ringing = "ringing",
        /// The call is in progress.
        InProgress = "in_progress",
        /// The call was answered and has ended.
        Completed = "completed",
        /// The call was never answered.
        Missed = "missed",
        /// The call was cut off by a fault.
        Failed = "failed",
    }
}

words! {
    /// How the caller felt.
    Sentiment {
        /// The caller was pleased.
        Positive = "positive",
        /// The caller was neither pleased nor displeased.
        Neutral = "neutral",
        /// The caller was displeased.
        Negative = "negative",
    }
}

words! {
    /// Who spoke.
    Speaker {
        /// The voice agent.
        Agent = "agent",
        /// The person at the other end.
        Caller = "caller",
    }
}

/// One turn of a call's transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    /// Who spoke: `agent` or `caller`.
    #[schemars(with = "Speaker")]
    pub role: String,
    /// What was said.
    pub text: String,
}

/// The fields of a call.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Call {
    /// Who called whom.
    pub direction: Direction,
    /// The other party's number, E.164.
    pub caller: String,
    /// The number that was called, E.164.
    pub to: Option<String>,
    /// The agent that spoke.
    pub agent_id: Option<String>,
    /// The state of the call.
    pub status: Option<CallStatus>,
    /// Length in seconds.
    pub duration_seconds: Option<i64>,
    /// How the caller felt.
    pub sentiment: Option<Sentiment>,
    /// What it was about.
    pub summary: Option<String>,
    /// Where the recording is.
    pub recording_url: Option<String>,
    /// Who said what, in order.
    pub transcript: Vec<Turn>,
    /// Labels.
    pub tags: Vec<String>,
    /// When it began.
    #[serde(with = "time::rfc3339::option")]
    #[schemars(with = "Option<Moment>")]
    pub started_at: Option<Moment>,
}

impl Fields for Call {
    const RESOURCE: ResourceNumber = resources::CALLS;
    const ID_PREFIX: &'static str = "call";
    type Filter = CallFilter;

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let direction = reader.choice("direction");
        let direction = reader.required("direction", direction);
        let caller = reader.phone_number("caller");
        let caller = reader.required("caller", caller);
        let to = reader.phone_number("to");
        let agent_id = reader.line("agent_id", 100);
        let status = reader.choice("status");
        let duration_seconds = reader.integer("duration_seconds", 0, i64::from(i32::MAX));
        let sentiment = reader.choice("sentiment");
        let summary = reader.text("summary", 10_000);
        let recording_url = reader.url("recording_url");
        let transcript = reader.parsed("transcript", transcript_schema, read_transcript);
        let transcript = transcript.unwrap_or_default();
        let tags = reader.tags("tags");
        let started_at = reader.moment("started_at");
        Some(Self {
            direction: direction?,
            caller: caller?,
            to,
            agent_id,
            status,
            duration_seconds,
            sentiment,
            summary,
            recording_url,
            transcript,
            tags,
            started_at,
        })
    }
}

/// The most turns a transcript has.
const MOST_TURNS: usize = 2000;
/// The longest turn, in characters.
const LONGEST_TURN: usize = 10_000;

fn transcript_schema() -> Value {
    json!({
        "type": "array", "maxItems": MOST_TURNS, "default": [],
        "items": {
            "type": "object", "required": ["role", "text"], "additionalProperties": false,
            "properties": {
                "role": choice::<Speaker>(), "text": schema::text(LONGEST_TURN),
            },
        },
    })
}

fn read_transcript(value: &Value) -> Result<Vec<Turn>, String> {
    let turns = value.as_array().filter(|turns| turns.len() <= MOST_TURNS);
    let turns = turns.ok_or_else(|| format!("must be a list of at most {MOST_TURNS} turns"))?;
    turns.iter().enumerate().map(|(n, turn)| read_turn(n, turn)).collect()
}

fn read_turn(n: usize, value: &Value) -> Result<Turn, String> {
    let form = || format!("turn {n} must be an object with role and text, and nothing else");
    let turn = value.as_object().filter(|turn| turn.len() == 2).ok_or_else(form)?;
    let member = |name| turn.get(name).ok_or_else(form).and_then(as_text);
    let role = Speaker::parse(member("role")?)
        .ok_or_else(|| format!("turn {n}: role must be {}", Speaker::choices()))?;
    let text =
        check_text(member("text")?, LONGEST_TURN).map_err(|why| format!("turn {n}: text {why}"))?;
    Ok(Turn { role: role.as_str().to_owned(), text })
}

/// Which calls to list.
#[derive(Debug, Clone, Default, JsonSchema)]
pub struct CallFilter {
    /// Only calls of this agent.
    pub agent_id: Option<String>,
    /// Only calls in this direction.
    pub direction: Option<Direction>,
    /// Only calls in this state.
    pub status: Option<CallStatus>,
    /// Only calls that began (or, if that is not known, were recorded) at or after this time.
    pub from: Option<Moment>,
    /// Only calls that began (or, if that is not known, were recorded) before this time.
    pub to: Option<Moment>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: Value) -> Result<Call, Vec<String>> {
        Call::from_object(object.as_object().unwrap())
            .map_err(|errors| errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn a_call_reads_back_from_its_own_json() {
        let call = read(json!({
            "direction": "inbound", "caller": "+14155550100", "status": "completed",
            "duration_seconds": 0, "started_at": "2026-11-21T12:00:00.5Z", "tags": ["vip"],
            "transcript": [{"role": "agent", "text": "Hello"}],
        }));
        let call = call.unwrap();
        assert_eq!(read(serde_json::to_value(&call).unwrap()), Ok(call));
    }

    #[test]
    fn every_bad_field_is_named() {
        let named = read(json!({
            "direction": "up", "to": "0", "status": "ended", "duration_seconds": -1, "sentiment": 1,
            "summary": "\u{0}", "recording_url": "javascript:alert(1)", "tags": "vip",
            "transcript": [{"role": "dog", "text": "Woof"}], "started_at": "yesterday", "nope": 1,
        }));
        let expected = [
            "direction",
            "caller",
            "to",
            "status",
            "duration_seconds",
            "sentiment",
            "summary",
            "recording_url",
            "transcript",
            "tags",
            "started_at",
            "nope",
        ];
        assert_eq!(named.unwrap_err(), expected);
    }

    #[test]
    fn a_turn_has_role_and_text_and_nothing_else() {
        for wrong in [
            json!([1]),
            json!([{"role": "agent"}]),
            json!([{"role": "agent", "text": "a", "x": 1}]),
            json!({}),
            json!([{"role": "agent", "text": 1}]),
        ] {
            assert!(read_transcript(&wrong).is_err(), "{wrong}");
        }
    }
}
