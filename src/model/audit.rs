//! Audit events: who did what, when and from where. They are only ever added.

use schemars::JsonSchema;
use serde::Serialize;

use super::actor::Actor;
use super::time::{self, Moment};
use super::words::words;

words! {
    /// What was done.
    Action {
        /// A key was made.
        KeyCreated = "key.created",
        /// A key's name, description, owner or user was changed.
        KeyUpdated = "key.updated",
        /// A key was revoked.
        KeyRevoked = "key.revoked",
        /// An admin token was made.
        TokenCreated = "token.created",
        /// An admin token was revoked.
        TokenRevoked = "token.revoked",
        /// An admin token was handed to another user.
        TokenUpdated = "token.updated",
        /// A user was added.
        UserCreated = "user.created",
        /// A user's role or grant limits were changed.
        UserUpdated = "user.updated",
        /// A user may sign in no more.
        UserDisabled = "user.disabled",
        /// A user may sign in again.
        UserEnabled = "user.enabled",
        /// A user's password was set.
        UserPasswordSet = "user.password_set",
        /// A link was made by which a user sets a password.
        UserLinkMade = "user.link_made",
        /// Somebody signed in.
        LoginSucceeded = "login.succeeded",
        /// Somebody did not get in.
        LoginFailed = "login.failed",
        /// Somebody signed out, or a session was ended.
        LoginEnded = "login.ended",
        /// Somebody known tried what they may not do.
        AccessDenied = "access.denied",
    }
}

/// One line of the audit log.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AuditEvent {
    /// Rises in the order in which changes were committed.
    pub id: i64,
    /// When.
    #[serde(with = "time::rfc3339")]
    #[schemars(with = "Moment")]
    pub at: Moment,
    /// What was done; text, so that a newer program's actions stay readable.
    pub action: String,
    /// Who did it.
    pub actor: Actor,
    /// The key it was done to, if any.
    pub key_id: Option<String>,
    /// From where, if over the network.
    pub address: Option<String>,
    /// In which request, if in one.
    pub request_id: Option<String>,
    /// What else there is to know, as a JSON object.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub detail: serde_json::Value,
}

/// Which events to list.
#[derive(Debug, Clone, Default, JsonSchema)]
pub struct AuditFilter {
    /// Only this action.
    pub action: Option<Action>,
    /// Only what was done to this key.
    pub key_id: Option<String>,
    /// Only at or after this moment.
    pub from: Option<Moment>,
    /// Only before this moment.
    pub to: Option<Moment>,
}
