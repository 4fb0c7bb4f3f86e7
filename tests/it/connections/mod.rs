//! Connections: what they offer and to which keys, the way out to vendors, how their credentials are
//! kept, and what a test of one says.

mod carriers;
mod clients;
mod commands;
mod hostile;
mod keeping;
mod kinds;
mod other_apis;
mod other_apis_pages;
mod outbound;
mod pages;
mod restored;
mod scopes_on_pages;
mod sealing;
mod testing;
mod under_way;
mod via;
mod via_answers;
mod watching;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Output, Stdio};
use std::sync::Arc;

use bitting::config::{ConnectionOptions, KeySource, Options};
use bitting::model::connections::{Connection, Handle, NewConnection, VendorCredential};
use serde_json::json;

use crate::support::binary::command;
use crate::support::server::{MadeKey, operator};
use crate::support::vendors::{AUTHORITY, Vendor, callrail};
use crate::support::{Backend, Browser, TestDatabase, TestServer};

/// A master key, as `bitting connection new-key` prints one.
fn new_key() -> String {
    bitting::model::connections::MasterKey::generate().unwrap().expose().to_owned()
}

fn options(vendor: &Vendor) -> Options {
    let metrics_listen = Some("127.0.0.1:0".to_owned());
    let mut options = Options { metrics_listen, ..Options::default() };
    options.connections.connections_hosts = Some(vendor.origin().to_owned());
    options.connections.connections_private = Some("127.0.0.0/8, ::1".to_owned());
    options.connections.connections_ca = Some(AUTHORITY.file().display().to_string());
    options
}

/// A server with a master key, which may reach this vendor.
fn server(backend: Backend, vendor: &Vendor) -> TestServer {
    let key = KeySource::Text(new_key().into());
    TestServer::with_settings(
        Arc::new(TestDatabase::migrated(backend)),
        options(vendor),
        |settings| {
            settings.connections.key = Some(key);
        },
    )
}

const ADMIN: &str = "ada@example.com";

/// An administrator who has signed in to the pages.
fn admin_of(server: &TestServer) -> Browser {
    server.db_user(ADMIN, json!({"role": "admin"}));
    server.db_browser(ADMIN)
}

fn handle() -> Handle {
    "calls".parse().unwrap()
}

/// Adds a connection to CallRail.
fn db_add(server: &TestServer, vendor: &Vendor) -> Connection {
    let object = json!({"handle": "calls", "kind": "callrail", "base_url": vendor.origin()});
    let new = NewConnection::from_object(object.as_object().unwrap()).unwrap();
    let credential =
        VendorCredential::parse(&new.kind.credential_fields(None), callrail::KEY).unwrap();
    server.bitting.add_connection(&operator(), new, &credential, false).unwrap().connection
}

/// CallRail behind a server, as the connection `callrail`.
fn behind_a_server(backend: Backend) -> (Vendor, Operator, TestServer) {
    let vendor = callrail::start();
    let ours = Operator::new(backend, &[&vendor]);
    ours.add("callrail", "callrail", &vendor, callrail::KEY).unwrap();
    let server = ours.serve(ConnectionOptions::default());
    vendor.take();
    (vendor, ours, server)
}

/// A key that a token of this moment makes: one of before may not grant the scopes of connections that came
/// later.
fn key_now(server: &TestServer, scopes: &str) -> MadeKey {
    let token = server.db_token(&json!({"name": scopes, "access": "write"}));
    let body = json!({"name": "now", "scopes": scopes.split(' ').collect::<Vec<_>>()});
    let made = server.client.with_key(&token, "POST", "/v1/keys", Some(&body)).ok();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    MadeKey { id: text("id"), secret: text("key") }
}

/// The command line on a database, with master keys and the way to some vendors of the tests.
struct Operator {
    database: Arc<TestDatabase>,
    key: Option<String>,
    hosts: String,
}

impl Operator {
    fn new(backend: Backend, vendors: &[&Vendor]) -> Self {
        let hosts: Vec<&str> = vendors.iter().map(|vendor| vendor.origin()).collect();
        let database = Arc::new(TestDatabase::new(backend));
        Self { database, key: Some(new_key()), hosts: hosts.join(",") }
    }

    /// Runs `bitting` with this on its standard input.
    fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let folder = self.database.folder();
        let ca = AUTHORITY.file();
        let mut command = command(&folder, arguments);
        command
            .env("BITTING_DATABASE_URL", &self.database.url)
            .env("BITTING_CONNECTIONS_HOSTS", &self.hosts)
            .env("BITTING_CONNECTIONS_PRIVATE", "127.0.0.0/8,::1")
            .env("BITTING_CONNECTIONS_CA", ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(key) = &self.key {
            command.env("BITTING_CONNECTIONS_KEY", key);
        }
        let mut child = command.spawn().unwrap();
        // A command that refuses before it reads has closed the other end.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Runs `bitting connection`; what it printed, or what it said when it failed.
    fn connection(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let arguments = [&["connection"], arguments].concat();
        let output = self.run_with(&arguments, input);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Adds a connection to a vendor of the tests.
    fn add(
        &self,
        handle: &str,
        kind: &str,
        vendor: &Vendor,
        input: &str,
    ) -> Result<String, String> {
        let base = vendor.origin();
        self.connection(&["add", handle, "--kind", kind, "--base-url", base], input)
    }

    /// A server on the same database, with the same master key and vendors.
    fn serve(&self, connections: ConnectionOptions) -> TestServer {
        let file = self.database.folder().join("connections.key");
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&file);
        opened.unwrap().write_all(self.key.as_ref().unwrap().as_bytes()).unwrap();
        let text = |path: &std::path::Path| Some(path.to_str().unwrap().to_owned());
        let connections = ConnectionOptions {
            connections_key_file: text(&file),
            connections_hosts: Some(self.hosts.clone()),
            connections_private: Some("127.0.0.0/8,::1".to_owned()),
            connections_ca: text(AUTHORITY.file().as_ref()),
            ..connections
        };
        TestServer::on(self.database.clone(), Options { connections, ..Options::default() })
    }

    /// A connection as JSON.
    fn shown(&self, handle: &str) -> serde_json::Value {
        let text = self.connection(&["show", handle, "--json"], "").unwrap();
        serde_json::from_str(&text).unwrap()
    }
}
