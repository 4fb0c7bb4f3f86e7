//! Audit events in the words of the pages.

use serde_json::Value;

use super::text::When;
use crate::model::audit::AuditEvent;
use crate::model::time::Moment;

/// An audit event as a page shows it.
pub struct Event {
    /// When it was.
    pub at: When,
    /// What was done.
    pub what: String,
    /// What else there is to say.
    pub details: Vec<String>,
    /// Who did it.
    pub who: String,
    /// From where.
    pub address: Option<String>,
}

impl Event {
    /// The event, seen from now.
    pub fn new(event: AuditEvent, now: Moment) -> Self {
        Self {
            at: When::ago(event.at, now),
            what: what(&event.action).to_owned(),
            details: details(&event.action, &event.detail),
            who: event.actor.name,
            address: event.address,
        }
    }
}

/// An action in words; one of a newer program as it is.
fn what(action: &str) -> &str {
    match action {
        "key.created" => "Made",
        "key.updated" => "Changed",
        "key.revoked" => "Revoked",
        "access.denied" => "Access denied",
        other => other,
    }
}

fn details(action: &str, detail: &Value) -> Vec<String> {
    match action {
        "key.created" => {
            let scopes = detail["scopes"].as_array().into_iter().flatten();
            let scopes: Vec<&str> = scopes.filter_map(Value::as_str).collect();
            vec![scopes.join(", ")]
        }
        "key.updated" => changes(&detail["before"], &detail["after"]),
        "key.revoked" => detail["reason"]
            .as_str()
            .map(|reason| format!("Reason: {reason}"))
            .into_iter()
            .collect(),
        "access.denied" => detail["attempt"].as_str().map(str::to_owned).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// What an event changed, field by field.
fn changes(before: &Value, after: &Value) -> Vec<String> {
    let shown = |value: &Value| match value.as_str() {
        Some(text) => format!("“{text}”"),
        None => "nothing".to_owned(),
    };
    let fields = after.as_object().into_iter().flatten();
    fields
        .filter(|(field, value)| before[field.as_str()] != **value)
        .map(|(field, value)| {
            format!("{field} from {} to {}", shown(&before[field.as_str()]), shown(value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_names_only_what_changed() {
        let detail = json!({
            "before": {"name": "a", "description": null, "owner": "x"},
            "after": {"name": "b", "description": "new", "owner": "x"},
        });
        assert_eq!(
            details("key.updated", &detail),
            ["name from “a” to “b”", "description from nothing to “new”"]
        );
        assert_eq!(
            details("key.created", &json!({"scopes": ["calls:read", "leads:read"]})),
            ["calls:read, leads:read"]
        );
        assert_eq!(details("key.revoked", &json!({"reason": null})), [""; 0]);
    }
}
