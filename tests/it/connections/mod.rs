//! Connections: what they offer and to which keys, the way out to vendors, how their credentials are
//! kept, and what a test of one says.

mod kinds;
mod commands;
mod outbound;
mod sealing;
mod testing;

use std::io::Write;
use std::process::{Output, Stdio};

use crate::support::binary::command;
use crate::support::vendors::{AUTHORITY, Vendor};
use crate::support::{Backend, TestDatabase};

/// A master key, as `bitting connection new-key` prints one.
fn new_key() -> String {
    bitting::model::connections::MasterKey::generate().unwrap().expose().to_owned()
}

/// The command line on a database, with master keys and the way to some vendors of the tests.
struct Operator {
    database: TestDatabase,
    key: Option<String>,
    hosts: String,
}

impl Operator {
    fn new(backend: Backend, vendors: &[&Vendor]) -> Self {
        let hosts: Vec<&str> = vendors.iter().map(|vendor| vendor.origin()).collect();
        let database = TestDatabase::new(backend);
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

    /// A connection as JSON.
    fn shown(&self, handle: &str) -> serde_json::Value {
        let text = self.connection(&["show", handle, "--json"], "").unwrap();
        serde_json::from_str(&text).unwrap()
    }
}
