//! Audit events: who did what, when and from where. They are only ever added.

use schemars::JsonSchema;
use serde::Serialize;

use super::actor::{Actor, ActorKind};
use super::email::Email;
use super::id::{TokenId, UserId};
use super::time;
use super::time::Moment;
use super::words::words;

words! {
    /// What was done.
    Action {
        /// A key was made.
        KeyCreated = "key.created",
        /// A key's label, holder, limits, scopes or expiry was changed.
        KeyUpdated = "key.updated",
        /// A key was rotated: another took its place, and it ends.
        KeyRotated = "key.rotated",
        /// A key was revoked.
        KeyRevoked = "key.revoked",
        /// Somebody reported that a key was found where it does not belong.
        KeyLeaked = "key.leaked",
        /// The digests of keys were exported.
        KeysExported = "keys.exported",
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
        /// A user was disabled.
        UserDisabled = "user.disabled",
        /// A user was enabled again.
        UserEnabled = "user.enabled",
        /// A user's password was set.
        UserPasswordSet = "user.password_set",
        /// A user's password was taken away; they set a new one by a link.
        UserPasswordForgotten = "user.password_forgotten",
        /// A link was made by which a user sets a password.
        UserLinkMade = "user.link_made",
        /// A connection was made.
        ConnectionCreated = "connection.created",
        /// What may be changed of a connection was changed.
        ConnectionUpdated = "connection.updated",
        /// The credential of a connection was replaced.
        ConnectionCredentialSet = "connection.credential_set",
        /// A vendor was found not to accept the credential of a connection.
        ConnectionRejected = "connection.rejected",
        /// A vendor was found to accept the credential of a connection again.
        ConnectionRecovered = "connection.recovered",
        /// A connection was switched off.
        ConnectionDisabled = "connection.disabled",
        /// A connection was switched on again.
        ConnectionEnabled = "connection.enabled",
        /// A connection was removed, and its credential erased.
        ConnectionRemoved = "connection.removed",
        /// The credentials of all connections were sealed with another master key.
        ConnectionRekeyed = "connection.rekeyed",
        /// A key changed something at a vendor, through a connection.
        ViaWrite = "via.write",
        /// Somebody signed in.
        LoginSucceeded = "login.succeeded",
        /// An attempt to sign in failed.
        LoginFailed = "login.failed",
        /// Somebody signed out, or a session was ended.
        LoginEnded = "login.ended",
        /// Somebody known tried to do something they may not do.
        AccessDenied = "access.denied",
        /// The database was copied.
        DatabaseBackedUp = "database.backed_up",
        /// A server found that the database has lost what was committed before.
        DatabaseSetBack = "database.set_back",
    }
}

/// One line of the audit log.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AuditEvent {
    /// Increases in the order in which changes were committed.
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
    /// The address it came from, if it came over the network.
    pub address: Option<String>,
    /// The request it was part of, if any.
    pub request_id: Option<String>,
    /// Further details, as a JSON object.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub detail: serde_json::Value,
}

impl Action {
    /// What happens each time somebody comes and goes, and hides the rest.
    pub const SIGNING_IN: [Self; 3] = [Self::LoginSucceeded, Self::LoginFailed, Self::LoginEnded];
}

/// Which events to list.
#[derive(Debug, Clone, Default, JsonSchema)]
pub struct AuditFilter {
    /// Only events with this action.
    pub action: Option<Action>,
    /// Everything but signing in; asked for on the page alone.
    #[schemars(skip)]
    pub but_signing_in: bool,
    /// Only events of this key.
    pub key_id: Option<String>,
    /// Only at or after this moment.
    pub from: Option<Moment>,
    /// Only before this moment.
    pub to: Option<Moment>,
    /// Only what such an actor did; asked for on the page alone.
    #[schemars(skip)]
    pub actor_kind: Option<ActorKind>,
    /// Only what this actor did; asked for on the page alone.
    #[schemars(skip)]
    pub actor: Option<ActorIs>,
}

/// Which actor it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorIs {
    /// The one with this id.
    WithId(String),
    /// One of this name: two tokens, or two people at the command line, may share it.
    Named(String),
}

impl ActorIs {
    /// Takes an id for an id, and an address as it is stored; everything else is a name.
    pub fn parse(text: &str) -> Self {
        let is_id = text.parse::<UserId>().is_ok() || text.parse::<TokenId>().is_ok();
        match text.trim().parse::<Email>() {
            _ if is_id => Self::WithId(text.to_owned()),
            Ok(email) => Self::Named(email.to_string()),
            Err(_) => Self::Named(text.to_owned()),
        }
    }
}
