//! Connections as JSON: over HTTP and on the command line. Nothing of a credential is in it but its
//! end.

use schemars::JsonSchema;
use serde::Serialize;

use super::connection::{Connection, ConnectionState};
use crate::model::actor::Actor;
use crate::model::id::ConnectionId;
use crate::model::time;
use crate::model::time::Moment;
use crate::model::words::Word;

/// A connection as it is shown.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Connection")]
pub struct ConnectionView<'a> {
    /// Names the connection; it is not secret.
    id: ConnectionId,
    /// Its name in scopes and URLs.
    handle: &'a str,
    /// What people call it.
    name: &'a str,
    /// What it is for.
    description: Option<&'a str>,
    /// Which API it is.
    kind: &'static str,
    /// Where the API is served.
    base_url: &'a str,
    /// How the credential is sent.
    auth: String,
    /// The end of the credential, if that is long enough to be shown.
    credential_ends_with: Option<&'a str>,
    /// Whether it can be used.
    state: ConnectionState,
    /// What is wrong with it, if anything is.
    state_detail: Option<String>,
    /// Since when tests find the same.
    #[serde(with = "time::rfc3339::option")]
    #[schemars(with = "Option<Moment>")]
    state_since: Option<Moment>,
    /// When it was last tested.
    #[serde(with = "time::rfc3339::option")]
    #[schemars(with = "Option<Moment>")]
    tested_at: Option<Moment>,
    /// The only account that requests may be about, if it is limited to one.
    account: Option<&'a str>,
    /// Whether calls are offered that outlive a key, such as making a webhook.
    standing: bool,
    /// Whether answers may hold links to recordings.
    recordings: bool,
    /// How fast all keys together may use it.
    limit: Option<String>,
    /// How fast each key may use it.
    key_limit: Option<String>,
    /// What it offers, where its kind is `http`: a method, a path and a scope each.
    rules: Vec<String>,
    /// The path that it is tested with, where its kind is `http`.
    test_path: Option<&'a str>,
    /// When it was made.
    #[serde(with = "time::rfc3339")]
    #[schemars(with = "Moment")]
    created_at: Moment,
    /// By whom.
    created_by: &'a Actor,
}

impl<'a> ConnectionView<'a> {
    /// The connection, in this state for this reason.
    pub fn new(
        connection: &'a Connection,
        (state, state_detail): (ConnectionState, Option<String>),
    ) -> Self {
        let (profile, test) = (&connection.profile, connection.test.as_ref());
        Self {
            id: connection.id,
            handle: connection.handle.as_str(),
            name: &profile.name,
            description: profile.description.as_deref(),
            kind: connection.kind.as_str(),
            base_url: connection.origin.as_str(),
            auth: connection.form.to_string(),
            credential_ends_with: connection.hint.as_deref(),
            state,
            state_detail,
            state_since: test.map(|test| test.since),
            tested_at: test.map(|test| test.at),
            account: profile.account.as_deref(),
            standing: profile.standing,
            recordings: profile.recordings,
            limit: profile.limit.map(|limit| limit.to_string()),
            key_limit: profile.key_limit.map(|limit| limit.to_string()),
            rules: profile.rules.rows().iter().map(|row| row.to_string()).collect(),
            test_path: profile.test_path.as_deref(),
            created_at: connection.created_at,
            created_by: &connection.created_by,
        }
    }
}
