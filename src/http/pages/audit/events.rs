//! Audit events in the words of the pages.

use std::collections::HashMap;

use serde_json::Value;

use crate::http::pages::parts::pager::address;
use crate::http::pages::parts::text::{LINK, NAME, When, exact, shortened};
use crate::model::actor::{Actor, ActorKind};
use crate::model::audit::{Action, AuditEvent};
use crate::model::time::{Moment, parse_rfc3339};
use crate::model::words::Word;

/// What users, keys and admin tokens are called, by their ids.
pub type Names = HashMap<String, String>;

/// The longest detail in words, in bytes of HTML.
const DETAIL: usize = 160;
/// The longest event as programs get it; the rest is in the file.
const EXACT: usize = 900;

/// An audit event as a page shows it.
pub struct Event {
    /// When it was.
    pub at: When,
    /// What was done, on the page of the key it was done to.
    pub what: String,
    /// What was done, in the list of all events.
    pub sentence: String,
    /// What it was done to, by name.
    pub subject: String,
    /// The key it was done to, if any.
    pub key_id: Option<String>,
    /// What else there is to say.
    pub details: Vec<String>,
    /// Who did it.
    pub who: String,
    /// What they are, where the name alone does not tell.
    pub kind: Option<&'static str>,
    /// Where everything they did is listed, if their name is short enough for an address.
    pub by_them: Option<String>,
    /// The address it came from.
    pub address: Option<String>,
    /// The event as programs get it, as far as there is room.
    pub exact: String,
}

impl Event {
    /// The event, seen from now, with names for ids where they are known.
    pub fn new(event: AuditEvent, names: &Names, now: Moment) -> Self {
        let known = Action::parse(&event.action).map(action_words);
        Self {
            at: When::ago(event.at, now),
            // What was read from the database can be written again.
            exact: shortened(serde_json::to_string_pretty(&event).unwrap_or_default(), EXACT),
            what: what(&event.action).to_owned(),
            sentence: known.unwrap_or(&event.action).to_owned(),
            subject: shortened(subject(&event, names), NAME),
            key_id: event.key_id,
            details: details(&event.action, &event.detail, names)
                .into_iter()
                .map(|detail| shortened(detail, DETAIL))
                .collect(),
            kind: kind_words(event.actor.kind),
            by_them: by_them(&event.actor),
            who: shortened(event.actor.name, NAME),
            address: event.address,
        }
    }
}

/// An action in words.
pub fn action_words(action: Action) -> &'static str {
    match action {
        Action::KeyCreated => "Made a key",
        Action::KeyUpdated => "Changed a key",
        Action::KeyRotated => "Rotated a key",
        Action::KeyRevoked => "Revoked a key",
        Action::KeyLeaked => "Was told of a leaked key",
        Action::KeysExported => "Exported digests of keys",
        Action::TokenCreated => "Made an admin token",
        Action::TokenRevoked => "Revoked an admin token",
        Action::TokenUpdated => "Handed over an admin token",
        Action::UserCreated => "Added a user",
        Action::UserUpdated => "Changed a user's rights",
        Action::UserDisabled => "Disabled a user",
        Action::UserEnabled => "Enabled a user",
        Action::UserPasswordSet => "Set a user's password",
        Action::UserPasswordForgotten => "Invalidated a user's password",
        Action::UserLinkMade => "Made a link to set a password",
        Action::ConnectionCreated => "Added a connection",
        Action::ConnectionUpdated => "Changed a connection",
        Action::ConnectionCredentialSet => "Replaced a connection's credential",
        Action::ConnectionRejected => "Found a connection's credential rejected",
        Action::ConnectionRecovered => "Found a connection's credential accepted again",
        Action::ConnectionDisabled => "Disabled a connection",
        Action::ConnectionEnabled => "Enabled a connection",
        Action::ConnectionRemoved => "Removed a connection",
        Action::ViaWrite => "Wrote through a connection",
        Action::ConnectionRekeyed => "Sealed all connections with another master key",
        Action::LoginSucceeded => "Signed in",
        Action::LoginFailed => "Failed to sign in",
        Action::LoginEnded => "Signed out",
        Action::AccessDenied => "Was refused",
        Action::DatabaseBackedUp => "Backed up the database",
        Action::DatabaseSetBack => "Found the database set back",
    }
}

/// People are known by their address.
fn kind_words(kind: ActorKind) -> Option<&'static str> {
    match kind {
        ActorKind::User => None,
        ActorKind::Token => Some("admin token"),
        ActorKind::Cli => Some("command line"),
        ActorKind::Server => None,
    }
}

/// The address of a list of everything an actor did. Actors of the same name differ by kind, and two
/// tokens by their ids.
fn by_them(actor: &Actor) -> Option<String> {
    let name = match (actor.kind, &actor.id) {
        (ActorKind::Token, Some(id)) => id,
        (ActorKind::User | ActorKind::Token | ActorKind::Cli | ActorKind::Server, _) => &actor.name,
    };
    let kind = actor.kind.as_str().to_owned();
    let link = address("/audit", [("actor_type", Some(kind)), ("actor", Some(name.clone()))]);
    Some(link).filter(|link| link.len() <= LINK)
}

/// The name that what was changed had afterwards, as far as the event tells it.
fn subject(event: &AuditEvent, names: &Names) -> String {
    let detail = &event.detail;
    let told = [&detail["handle"], &detail["name"], &detail["after"]["name"], &detail["email"]];
    let told = told.into_iter().find_map(Value::as_str);
    let ids = [event.key_id.as_deref(), detail["token_id"].as_str(), detail["user_id"].as_str()];
    let id = ids.into_iter().flatten().next();
    told.or(id.map(|id| named(id, names))).unwrap_or_default().to_owned()
}

/// The name of what has this id, if it is one and known.
fn named<'a>(id: &'a str, names: &'a Names) -> &'a str {
    names.get(id).map_or(id, String::as_str)
}

/// An action in words; one of a newer program as it is.
fn what(action: &str) -> &str {
    match action {
        "key.created" => "Made",
        "key.updated" => "Changed",
        "key.rotated" => "Rotated",
        "key.revoked" => "Revoked",
        "key.leaked" => "Reported as leaked",
        "access.denied" => "Access denied",
        other => other,
    }
}

fn details(action: &str, detail: &Value, names: &Names) -> Vec<String> {
    match action {
        "key.created" => vec![joined(&detail["scopes"])],
        "key.rotated" => changes(&detail["before"], &detail["after"], names),
        "token.created" => text(&detail["access"], "May ").into_iter().collect(),
        "key.updated" | "token.updated" | "user.updated" | "connection.updated" => {
            changes(&detail["before"], &detail["after"], names)
        }
        "key.revoked" | "token.revoked" | "login.ended" => {
            text(&detail["reason"], "Reason: ").into_iter().collect()
        }
        "connection.created" => text(&detail["base_url"], "To ").into_iter().collect(),
        "connection.rejected" => text(&detail["detail"], "").into_iter().collect(),
        "connection.rekeyed" => text(&detail["master_key"], "With ").into_iter().collect(),
        "key.leaked" => text(&detail["source"], "Found at: ").into_iter().collect(),
        "database.backed_up" => text(&detail["to"], "To ").into_iter().collect(),
        "user.created" => text(&detail["role"], "As ").into_iter().collect(),
        "access.denied" => refused(detail),
        "database.set_back" => set_back(detail),
        _ => Vec::new(),
    }
}

/// What was tried, and what it lacked.
fn refused(detail: &Value) -> Vec<String> {
    let attempt = detail["attempt"].as_str().unwrap_or_default();
    let scopes = joined(&detail["scopes"]);
    let with = if scopes.is_empty() { String::new() } else { format!(" with {scopes}") };
    let lacks = joined(&detail["not_granted"]);
    let lacks = (!lacks.is_empty()).then(|| format!("May not grant {lacks}"));
    std::iter::once(format!("Tried {}{with}", attempted(attempt))).chain(lacks).collect()
}

/// An attempt in words; one of a newer program as it is.
fn attempted(action: &str) -> &str {
    match action {
        "key.created" => "to make a key",
        "key.read" => "to open a key",
        "key.updated" => "to change a key",
        "key.rotated" => "to rotate a key",
        "key.revoked" => "to revoke a key",
        "token.created" => "to make an admin token",
        "token.revoked" => "to revoke an admin token",
        "user.created" => "to add a user",
        "user.updated" => "to change a user's rights",
        "user.disabled" => "to disable a user",
        "user.enabled" => "to enable a user",
        "user.password_set" => "to set a user's password",
        "connection.created" => "to add a connection",
        "connection.updated" => "to change a connection",
        "connection.credential_set" => "to replace a connection's credential",
        "connection.disabled" => "to disable a connection",
        "connection.enabled" => "to enable a connection",
        "connection.removed" => "to remove a connection",
        "user.link_made" => "to make a link to set a user's password",
        other => other,
    }
}

/// What was lost with the database's last commits.
fn set_back(detail: &Value) -> Vec<String> {
    let named = |list: &str, all: &str, what: &str| {
        let n = detail[all].as_u64().filter(|n| *n > 0)?;
        Some(format!("{n} {what}: {}", joined(&detail[list])))
    };
    let unknown = named("unknown", "unknown_in_all", "no longer known and refused from now on");
    let revived = named("revived", "revived_in_all", "accepted again, to be revoked again");
    revived.into_iter().chain(unknown).collect()
}

fn text(value: &Value, before: &str) -> Option<String> {
    value.as_str().map(|text| format!("{before}{text}"))
}

fn joined(list: &Value) -> String {
    let words = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    words.collect::<Vec<_>>().join(", ")
}

/// What an event changed, field by field.
fn changes(before: &Value, after: &Value, names: &Names) -> Vec<String> {
    let shown = |field: &str, value: &Value| match value {
        Value::String(text) if field == "expires_at" => {
            parse_rfc3339(text).map_or(text.clone(), exact)
        }
        Value::String(text) => format!("“{}”", named(text, names)),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Array(list) if !list.is_empty() => joined(value),
        Value::Object(limit) if limit.contains_key("per") => {
            format!("{}/{}", value["requests"], value["per"].as_str().unwrap_or_default())
        }
        _ if field == "expires_at" => "never".to_owned(),
        _ => "nothing".to_owned(),
    };
    let fields = after.as_object().into_iter().flatten();
    fields
        .filter(|(field, value)| before[field.as_str()] != **value)
        .map(|(field, value)| {
            let what = match field.as_str() {
                "expires_at" => "expiry".to_owned(),
                other => other.strip_suffix("_id").unwrap_or(other).replace('_', " "),
            };
            let (before, after) = (shown(field, &before[field.as_str()]), shown(field, value));
            format!("{what} from {before} to {after}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::http::pages::audit::events::*;

    #[test]
    fn a_change_names_only_what_changed() {
        let detail = json!({
            "before": {"name": "a", "description": null, "owner": "x"},
            "after": {"name": "b", "description": "new", "owner": "x"},
        });
        assert_eq!(
            details("key.updated", &detail, &Names::new()),
            ["name from “a” to “b”", "description from nothing to “new”"]
        );
        let detail = json!({
            "before": {"rate_limit": null, "allowed_networks": ["::1/128"]},
            "after": {"rate_limit": {"requests": 600, "per": "minute"}, "allowed_networks": null},
        });
        assert_eq!(
            details("key.updated", &detail, &Names::new()),
            ["rate limit from nothing to 600/minute", "allowed networks from ::1/128 to nothing"]
        );
        let detail = json!({
            "before": {"scopes": ["calls:read", "leads:read"], "expires_at": null},
            "after": {"scopes": ["leads:read"], "expires_at": "2026-12-21T12:00:00.000Z"},
        });
        assert_eq!(
            details("key.updated", &detail, &Names::new()),
            [
                "scopes from calls:read, leads:read to leads:read",
                "expiry from never to 21 Dec 2026, 12:00:00 UTC",
            ]
        );
        assert_eq!(
            details("key.created", &json!({"scopes": ["calls:read", "leads:read"]}), &Names::new()),
            ["calls:read, leads:read"]
        );
        assert_eq!(details("key.revoked", &json!({"reason": null}), &Names::new()), [""; 0]);
    }
}
