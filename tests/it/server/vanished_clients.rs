//! Clients that are gone without a word: their machine is off, or the link to it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bitting::config::{Options, Patience};

use crate::support::{Backend, TestDatabase, TestServer, eventually, not_granted, tool};

/// A network of its own with one client in it, whose link can be cut.
struct Elsewhere {
    name: String,
    ours: String,
}

impl Elsewhere {
    /// `None` where this user may not make one.
    fn new() -> Option<Self> {
        let ip = tool("ip")?;
        let number = std::process::id() % 60_000;
        let (name, outer) = (format!("bitting-{number}"), format!("bt{number}"));
        let (high, low) = (number / 250, number % 250);
        let (ours, theirs) = (format!("10.{high}.{low}.1"), format!("10.{high}.{low}.2/30"));
        let run = |line: &str| Command::new(&ip).args(line.split(' ')).output().unwrap();
        let made = run(&format!("netns add {name}"));
        if !made.status.success() {
            not_granted(&format!(
                "no network namespace: {}",
                String::from_utf8_lossy(&made.stderr)
            ));
            return None;
        }
        let elsewhere = Self { name: name.clone(), ours: ours.clone() };
        for line in [
            format!("link add {outer} type veth peer name inner netns {name}"),
            format!("addr add {ours}/30 dev {outer}"),
            format!("link set {outer} up"),
            format!("-n {name} addr add {theirs} dev inner"),
            format!("-n {name} link set inner up"),
        ] {
            let output = run(&line);
            if !output.status.success() {
                not_granted(&format!("ip {line}: {}", String::from_utf8_lossy(&output.stderr)));
                return None;
            }
        }
        Some(elsewhere)
    }

    /// Sends this from there, and leaves the connection open.
    fn send(&self, to: SocketAddr, text: &str) -> Child {
        let (address, port) = (to.ip(), to.port());
        let script =
            format!("exec 3<>/dev/tcp/{address}/{port}; printf '{text}' >&3; exec cat <&3");
        let mut command = Command::new(tool("ip").unwrap());
        command.args(["netns", "exec", &self.name, "bash", "-c", &script]);
        command.stdout(Stdio::piped()).spawn().unwrap()
    }

    fn cut(&self) {
        let arguments = ["-n", &self.name, "link", "set", "inner", "down"];
        assert!(Command::new(tool("ip").unwrap()).args(arguments).status().unwrap().success());
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = Command::new(tool("ip").unwrap()).args(["netns", "del", &self.name]).status();
    }
}

#[test]
fn a_client_that_vanished_is_noticed() {
    let Some(elsewhere) = Elsewhere::new() else { return };
    let second = Duration::from_secs(1);
    let patience = Patience { silence: second, answer: 2 * second, ..Patience::default() };
    let options = Options { metrics_listen: Some("127.0.0.1:0".into()), ..Options::default() };
    let database = Arc::new(TestDatabase::migrated(Backend::Sqlite));
    let server = TestServer::with_settings(database, options, |settings| {
        settings.patience = patience;
        settings.listen = vec![format!("{}:0", elsewhere.ours).parse().unwrap()];
    });
    let connections = || {
        let page = server.metrics();
        let line = page.lines().find_map(|line| line.strip_prefix("bitting_connections "));
        line.unwrap().parse::<f64>().unwrap()
    };
    let asked = r"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut client = elsewhere.send(server.address, asked);
    let mut line = String::new();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("200"), "{line}");
    let before = connections();
    elsewhere.cut();
    // An idle connection would be kept for 75 seconds.
    eventually("it is noticed", || connections() < before);
    client.kill().unwrap();
    client.wait().unwrap();
}
