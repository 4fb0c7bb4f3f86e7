//! Those who are warned: a webhook's receiver, what verifies its messages, and a mail server, the
//! last two in Python from PyPI, as `tests/run` fetches them.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::ports::free_port;
use super::upstream::{Seen, Upstream};
use super::{eventually, fetched};

/// What the receiver knows messages by.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A message as it came to a webhook.
#[derive(Debug, Clone)]
pub struct Received {
    pub id: String,
    pub body: Value,
    seen: Seen,
}

impl Received {
    fn of(seen: Seen) -> Self {
        assert_eq!(seen.method(), "POST");
        assert_eq!(seen.all("content-type"), ["application/json"]);
        let id = seen.all("webhook-id").concat();
        Self { id, body: serde_json::from_slice(&seen.body).unwrap(), seen }
    }

    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    /// The name of the key that it is about.
    pub fn key_name(&self) -> &str {
        self.body["data"]["key"]["name"].as_str().unwrap()
    }
}

/// Takes the messages that have come since the last time somebody asked.
pub fn received(webhook: &Upstream) -> Vec<Received> {
    webhook.take().into_iter().map(Received::of).collect()
}

fn python() -> Option<PathBuf> {
    fetched("receivers/bin/python")
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/receivers").join(name)
}

/// Has the library of Standard Webhooks verify messages at the time they say they are of; it must
/// refuse each of them when a byte was changed.
pub fn verify(messages: &[Received]) {
    let Some(python) = python() else { return };
    let verified = |messages: Vec<Value>| {
        let mut child = Command::new(&python)
            .arg(script("verify.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines: String = messages.iter().map(|message| format!("{message}\n")).collect();
        // It stops reading at the first message that it refuses.
        let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
        let output = child.wait_with_output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap().lines().count();
        (lines, String::from_utf8(output.stderr).unwrap())
    };
    let message = |message: &Received, body: String| {
        let headers = message.seen.headers();
        let headers: serde_json::Map<String, Value> =
            headers.map(|(name, value)| (name.to_owned(), value.into())).collect();
        let now: i64 = message.seen.all("webhook-timestamp").concat().parse().unwrap();
        json!({"secret": SECRET, "headers": headers, "body": body, "now": now})
    };
    let body = |seen: &Received| String::from_utf8(seen.seen.body.clone()).unwrap();
    let all = messages.iter().map(|seen| message(seen, body(seen))).collect();
    assert_eq!(verified(all), (messages.len(), String::new()));
    let (count, errors) = verified(vec![message(&messages[0], format!("{} ", body(&messages[0])))]);
    assert!(count == 0 && errors.contains("No matching signature"), "{errors}");
}

/// When a mail server begins to speak TLS.
#[derive(Clone, Copy)]
pub enum MailTls {
    StartTls,
    FromTheBeginning,
}

/// A mail server. It ends when it is dropped.
pub struct MailServer {
    pub port: u16,
    process: Child,
    mails: Arc<Mutex<Vec<Value>>>,
    /// Where its certificate is.
    _folder: TempDir,
}

impl MailServer {
    /// One without TLS. None where it cannot be had.
    pub fn start() -> Option<Self> {
        Self::with(None)
    }

    /// One with a certificate and its key, both as PEM. None where it cannot be had.
    pub fn with(tls: Option<(MailTls, (String, String))>) -> Option<Self> {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let mut command = Command::new(python()?);
        command.arg(script("smtp.py")).arg(port.to_string());
        if let Some((when, (certificate, key))) = tls {
            let file = folder.path().join("server.pem");
            std::fs::write(&file, certificate + &key).unwrap();
            let when = match when {
                MailTls::StartTls => "starttls",
                MailTls::FromTheBeginning => "tls",
            };
            command.arg(when).arg(file);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "listening");
        let mails = Arc::new(Mutex::new(Vec::new()));
        let kept = mails.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Some(Self { port, process, mails, _folder: folder })
    }

    /// The mails, once there are so many.
    pub fn wait_for_mails(&self, count: usize) -> Vec<Value> {
        eventually("the mails have arrived", || self.mails().len() >= count);
        self.mails()
    }

    /// The mails that have come so far.
    pub fn mails(&self) -> Vec<Value> {
        self.mails.lock().unwrap().clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // The end of its input is its end.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
