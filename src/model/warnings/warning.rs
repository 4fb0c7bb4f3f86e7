//! What is worth telling somebody, and how it is said.

use serde_json::{Map, Value, json};

use crate::model::connections::Connection;
use crate::model::id::{KeyId, NotificationId};
use crate::model::key::{ApiKey, Status};
use crate::model::scope::Scope;
use crate::model::time;
use crate::model::time::Moment;
use crate::model::token::AdminToken;
use crate::model::words::{Word, words};

words! {
    /// What a warning is about.
    WarningKind {
        /// A key is about to expire.
        KeyExpiring = "key.expiring",
        /// Somebody uses a key that was revoked or has expired.
        KeyUsedAfterEnd = "key.used_after_end",
        /// A key was used for what its scopes do not allow.
        KeyScopeRefused = "key.scope_refused",
        /// Somebody reported that a key was found where it does not belong.
        KeyLeaked = "key.leaked",
        /// A vendor does not accept the credential of a connection.
        ConnectionRejected = "connection.rejected",
        /// Nothing: somebody wanted to know whether messages arrive.
        Test = "test",
    }
}

/// Something that somebody ought to know. Each is told once on every channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// What it is about.
    pub kind: WarningKind,
    /// Tells it from every other warning: what is told already is not told again.
    pub subject: String,
    /// The key in question.
    pub key: Option<KeyId>,
    /// Whoever is responsible for that key, if they can still be told.
    pub holder: Option<String>,
    /// The message for people, in one line.
    pub title: String,
    /// The message for programs.
    pub body: Value,
}

impl Warning {
    /// A key is going to expire in so many days.
    pub fn key_expiring(key: &ApiKey, days: i64, now: Moment) -> Self {
        let span = if days == 1 { "a day".to_owned() } else { format!("{days} days") };
        let end = key.expires_at.map(time::format).unwrap_or_default();
        Self::of_key(
            WarningKind::KeyExpiring,
            key,
            // Another end is another matter.
            &format!("{end}/{days}"),
            format!("expires in less than {span}"),
            [("days_ahead", days.into())],
            now,
        )
    }

    /// A key was used after its end. It is told of again when the message has been dropped.
    pub fn key_used_after_end(key: &ApiKey, now: Moment) -> Self {
        let ended = match key.status(now) {
            Status::Revoked => "was used after it had been revoked",
            Status::Expired | Status::Active => "was used after it had expired",
        };
        Self::of_key(WarningKind::KeyUsedAfterEnd, key, "", ended.to_owned(), [], now)
    }

    /// A key was used for what needs a scope that it lacks.
    pub fn key_scope_refused(key: &ApiKey, scope: &Scope, now: Moment) -> Self {
        let predicate = format!("was refused a request that needs {scope}");
        let distinction = format!("{scope}/{}", now.date_naive());
        let more = [("scope", scope.to_string().into())];
        Self::of_key(WarningKind::KeyScopeRefused, key, &distinction, predicate, more, now)
    }

    /// A key was reported as leaked, and found at `source`. What was done about it, its status says.
    pub fn key_leaked(key: &ApiKey, source: &Value, now: Moment) -> Self {
        let and_now = match key.status(now) {
            Status::Active => "it still works",
            Status::Revoked => "it is revoked",
            Status::Expired => "it has expired",
        };
        let predicate = format!("was reported as leaked; {and_now}");
        let more = [("source", source.clone())];
        Self::of_key(WarningKind::KeyLeaked, key, "", predicate, more, now)
    }

    /// An admin token was reported as leaked, and was revoked.
    pub fn token_leaked(token: &AdminToken, source: &Value, now: Moment) -> Self {
        let kind = WarningKind::KeyLeaked;
        let facts = json!({
            "id": token.id,
            "name": token.name,
            "display": token.display,
            "status": token.status(now).as_str(),
            "created_at": time::format(token.created_at),
            "expires_at": time::format(token.expires_at),
        });
        Self {
            kind,
            subject: format!("{}/{}/", kind.as_str(), token.id),
            key: None,
            holder: None,
            title: format!(
                "Admin token \u{201c}{}\u{201d} was reported as leaked; it is revoked",
                token.name
            ),
            body: body(kind, now, json!({"token": facts, "source": source})),
        }
    }

    /// A vendor was found not to accept the credential of a connection.
    pub fn connection_rejected(connection: &Connection, now: Moment) -> Self {
        let (kind, handle) = (WarningKind::ConnectionRejected, &connection.handle);
        let data = json!({
            "id": connection.id,
            "handle": handle,
            "name": connection.profile.name,
            "kind": connection.kind,
            "base_url": connection.origin,
            "detail": connection.test.as_ref().and_then(|test| test.detail.as_deref()),
        });
        Self {
            kind,
            // Once it was accepted again, it is another matter.
            subject: format!("{}/{}/{}", kind.as_str(), connection.id, time::format(now)),
            key: None,
            holder: None,
            title: format!(
                "The vendor does not accept the credential of the connection \u{201c}{handle}\u{201d}"
            ),
            body: body(kind, now, json!({"connection": data})),
        }
    }

    /// The message that shows whether messages arrive.
    pub fn test(id: NotificationId, now: Moment) -> Self {
        Self {
            kind: WarningKind::Test,
            subject: id.to_string(),
            key: None,
            holder: None,
            title: "This is a test of the warnings about API keys".to_owned(),
            body: body(WarningKind::Test, now, json!({})),
        }
    }

    /// A warning about a key; `distinction` tells it from others of its kind about the same key, and
    /// `predicate` is what the title says of the key.
    fn of_key<const N: usize>(
        kind: WarningKind,
        key: &ApiKey,
        distinction: &str,
        predicate: String,
        more: [(&str, Value); N],
        now: Moment,
    ) -> Self {
        let mut data = Map::from_iter([("key".to_owned(), facts(key, now))]);
        data.extend(more.map(|(name, value)| (name.to_owned(), value)));
        let holder = key.holder.as_ref().filter(|holder| !holder.disabled);
        Self {
            kind,
            subject: format!("{}/{}/{distinction}", kind.as_str(), key.id),
            key: Some(key.id),
            holder: holder.map(|holder| holder.email.as_str().to_owned()),
            title: format!("API key \u{201c}{}\u{201d} {predicate}", key.label.name),
            body: body(kind, now, Value::Object(data)),
        }
    }
}

fn body(kind: WarningKind, now: Moment, data: Value) -> Value {
    json!({"type": kind.as_str(), "timestamp": time::format(now), "data": data})
}

/// What a message says of a key: enough to find it and whoever is responsible for it.
fn facts(key: &ApiKey, now: Moment) -> Value {
    json!({
        "id": key.id,
        "name": key.label.name,
        "owner": key.label.owner,
        "holder": key.holder.as_ref().map(|holder| &holder.email),
        "display": key.display,
        "scopes": key.scopes,
        "status": key.status(now).as_str(),
        "created_at": time::format(key.created_at),
        "expires_at": key.expires_at.map(time::format),
    })
}
