//! The mail that tells of a warning.

use serde_json::Value;

use super::delivery::Delivery;

/// A mail's subject and text, for people.
pub struct Message {
    /// The subject: one line, whatever the key is called.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// What the text says of a connection.
const FACTS_OF_CONNECTION: [(&str, &str); 4] =
    [("name", "Name"), ("kind", "Kind"), ("base_url", "Address"), ("detail", "Detail")];

/// What the text says of a key or admin token: the member of the body, and its name for people.
const FACTS: [(&str, &str); 7] = [
    ("name", "Name"),
    ("id", "Id"),
    ("display", "Key"),
    ("owner", "Owner"),
    ("holder", "Responsible"),
    ("scopes", "Scopes"),
    ("expires_at", "Expires"),
];

impl Message {
    /// The mail of a delivery. `public_url` is where people reach the pages.
    pub fn of(delivery: &Delivery, public_url: Option<&str>) -> Self {
        let body: Value = serde_json::from_str(&delivery.body).unwrap_or_default();
        let mut text = format!("{}.\n", one_line(&delivery.title));
        let data = &body["data"];
        let credential = data.get("key").unwrap_or(&data["token"]);
        text.push_str(&lines(credential, &FACTS));
        if let Some(source) = written(&data["source"]) {
            text.push_str(&format!("Found at: {}\n", one_line(&source)));
        }
        let connection = &data["connection"];
        text.push_str(&lines(connection, &FACTS_OF_CONNECTION));
        if let (Some(url), Some(id)) = (public_url, &delivery.key) {
            text.push_str(&format!("\n{url}/keys/{id}\n"));
        }
        if let (Some(url), Some(handle)) = (public_url, connection["handle"].as_str()) {
            text.push_str(&format!("\n{url}/connections/{handle}\n"));
        }
        Self { subject: one_line(&delivery.title), text }
    }
}

/// A line for each fact about something, after an empty one; nothing where there is nothing.
fn lines(about: &Value, facts: &[(&str, &str)]) -> String {
    let line = |(member, name): &(&str, &str)| {
        Some(format!("{name}: {}\n", one_line(&written(&about[*member])?)))
    };
    let lines: String = facts.iter().filter_map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// A value for people; none where there is nothing.
fn written(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
        }
        other => Some(other.to_string()),
    }
}

/// A line break in a name would begin another header or another line of the text.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ")
}
