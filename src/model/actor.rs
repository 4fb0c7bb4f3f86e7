//! Who does something to a key or a token: a person, a program with an admin token, or the
//! command line.

use schemars::JsonSchema;
use serde::Serialize;

use super::words::words;

words! {
    /// What kind of actor it is.
    ActorKind {
        /// Somebody signed in to the pages.
        User = "user",
        /// A program with an admin token.
        Token = "token",
        /// Somebody with access to the database, at the command line.
        Cli = "cli",
        /// A server, of its own accord.
        Server = "server",
    }
}

/// An actor as it was when it acted; the name is kept so that the record stays readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Actor {
    /// User, token, command line or server.
    #[serde(rename = "type")]
    pub kind: ActorKind,
    /// The user's or the token's id; none for all others.
    pub id: Option<String>,
    /// The user's e-mail address, the token's name, the operating system's user and host,
    /// or `server`.
    pub name: String,
}

/// Who acts, and the client they act with: what an audit event records beside the action.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The actor that the audit event names.
    pub actor: Actor,
    /// The client of the request; nothing is known of it at the command line, or where the server
    /// acts of its own accord.
    pub client: ClientInfo,
}

impl Origin {
    /// The origin of what a server does of its own accord.
    pub fn server() -> Self {
        let actor = Actor { kind: ActorKind::Server, id: None, name: "server".to_owned() };
        ClientInfo::default().origin(actor)
    }
}

/// The client of a request, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct ClientInfo {
    /// The client's IP address.
    pub address: Option<std::net::IpAddr>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// The request's id, as its answer and the log give it.
    pub request_id: Option<String>,
}

impl ClientInfo {
    /// The origin of what this actor does with the request.
    pub fn origin(&self, actor: Actor) -> Origin {
        Origin { actor, client: self.clone() }
    }
}
