//! What is said to whoever starts the server: addresses that can be opened, and nothing but JSON
//! where a program reads the log.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::support::{Binary, binary, eventually, not_granted};

/// A server whose log goes to a file.
struct Started {
    process: Child,
    out: BufReader<ChildStdout>,
}

impl Started {
    fn new(folder: &Path, arguments: &[&str]) -> Self {
        let all = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = binary::command(folder, &all);
        command.stdout(Stdio::piped()).stderr(File::create(folder.join("log")).unwrap());
        let mut process = command.spawn().unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        Self { process, out }
    }

    /// What it has printed, up to the line that holds this.
    fn printed(&mut self, last: &str) -> String {
        let mut printed = String::new();
        while !printed.lines().last().is_some_and(|line| line.contains(last)) {
            assert_ne!(self.out.read_line(&mut printed).unwrap(), 0, "no {last:?} in {printed}");
        }
        printed
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_address_that_is_shown_can_be_opened() {
    for (listen, here) in [("0.0.0.0:0", "http://127.0.0.1:"), ("[::]:0", "http://[::1]:")] {
        let folder = tempfile::tempdir().unwrap();
        if listen.starts_with('[') && std::net::TcpListener::bind(listen).is_err() {
            not_granted("this machine has no IPv6");
            continue;
        }
        let server = Binary::start(binary::command(folder.path(), &["serve", "--listen", listen]));
        let base = server.client.base.clone();
        assert!(base.starts_with(here), "{base}");
        eventually("the link is printed", || server.log().contains("There is no key yet"));
        let log = server.log();
        let at = log.find(&format!("{base}/setup?token=")).unwrap_or_else(|| panic!("{log}"));
        let page = log[at + base.len()..].lines().next().unwrap();
        assert_eq!(server.client.send("GET", page, &[], None).status, 200);
        assert!(log.contains("--public-url") && !log.contains("http://0.0.0.0"), "{log}");
        drop(server);
        let mut command = binary::command(folder.path(), &["serve", "--listen", listen]);
        command.args(["--public-url", "https://keys.example.com"]);
        let server = Binary::start(command);
        eventually("the link is printed", || {
            server.log().contains("\n  https://keys.example.com/setup?token=")
        });
        assert!(!server.log().contains("From another machine"), "{}", server.log());
    }
}

#[test]
fn a_log_in_json_holds_nothing_else_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, told, last) in [
        (&["--log-format", "json"][..], "/setup?token=", "bitting key create"),
        (
            &["--log-format", "json", "--demo", "--database-url", "sqlite://demo.db"],
            "password  ",
            "API key   ",
        ),
    ] {
        let mut server = Started::new(folder.path(), arguments);
        let printed = server.printed(last);
        assert!(printed.starts_with("listening on http://127.0.0.1:"), "{printed}");
        assert!(printed.contains(told), "{printed}");
        let ended = Command::new("kill").arg(server.process.id().to_string()).status().unwrap();
        assert!(ended.success() && server.process.wait().unwrap().success());
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(log.lines().count() >= 3, "{log}");
        for line in log.lines() {
            let line: Result<Value, _> = serde_json::from_str(line);
            assert!(line.is_ok_and(|line| line["level"].is_string()), "{log}");
        }
        for word in ["token=", "btk_", "password  "] {
            assert!(!log.contains(word), "{word}: {log}");
        }
    }
}

#[test]
fn a_failure_is_json_in_a_log_of_json() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["serve", "--log-format", "json", "--listen", &address];
    let output = binary::run(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let line: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().unwrap().contains(&address), "{said}");
}
