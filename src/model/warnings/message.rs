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
        if let Some(credential) = data.get("key").or(data.get("token")) {
            let facts = FACTS.map(|(member, name)| (name, &credential[member]));
            text.push('\n');
            for (name, fact) in facts.into_iter().chain([("Found at", &data["source"])]) {
                if let Some(fact) = written(fact) {
                    text.push_str(&format!("{name}: {}\n", one_line(&fact)));
                }
            }
        }
        if let (Some(url), Some(id)) = (public_url, &delivery.key) {
            text.push_str(&format!("\n{url}/keys/{id}\n"));
        }
        Self { subject: one_line(&delivery.title), text }
    }
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
