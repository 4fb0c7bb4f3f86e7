//! Starting and stopping: settings that do not go together, a database that is not there yet, and
//! streams under way when the server is told to stop.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{body, connect, head, until};
use crate::support::ports::{NOBODY, free_port};
use crate::support::server::MadeKey;
use crate::support::{Binary, Origin, binary, eventually, raw};

#[test]
fn settings_that_do_not_go_together_are_refused_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, named) in [
        (&["--gateway-listen", "127.0.0.1:0"][..], "--upstream"),
        (&["--upstream", "http://127.0.0.1:1"], "--gateway-listen"),
        (&["--upstream", "ftp://127.0.0.1:1", "--gateway-listen", "127.0.0.1:0"], "such as http"),
        (&["--upstream-ca", "/nowhere.pem"], "--upstream-ca"),
        (&["--upstream", "http://127.0.0.1:1/x", "--gateway-listen", "127.0.0.1:0"], "paths"),
        (&["--upstream", "http://127.0.0.1:9", "--gateway-listen", "127.0.0.1:9"], "itself"),
        (&["--upstream-timeout", "soon"], "--upstream-timeout"),
        (&["--pass-credential=perhaps"], "true or false"),
    ] {
        let output =
            binary::ended(binary::command(folder.path(), &[&["serve"], arguments].concat()));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(named) && error.trim().lines().count() == 1, "{error}");
        assert!(!folder.path().join("bitting.db").exists());
    }
}

#[test]
fn the_environment_and_the_file_say_it_too() {
    let upstream = Origin::polite();
    let folder = tempfile::tempdir().unwrap();
    let create = ["key", "create", "--name", "k", "--scope", "calls:read"];
    let secret = binary::run_ok(folder.path(), &create);
    let listen = format!("127.0.0.1:{}", free_port());
    let file = format!(
        "gateway_listen = \"{listen}\"\npass_credential = true\nupstream_timeout = \"5s\"\n"
    );
    std::fs::write(folder.path().join("bitting.toml"), file).unwrap();
    let mut command = binary::command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    command.env("BITTING_UPSTREAM", upstream.url());
    let server = Binary::start(command);
    let key = MadeKey { id: String::new(), secret };
    let asked = head("GET /v1/calls", &key, "Connection: close\r\n");
    let answer = raw::exchange(listen.parse().unwrap(), asked.as_bytes());
    assert_eq!(body(&answer), "hello", "{answer}");
    assert_eq!(upstream.last().header("authorization"), format!("Bearer {}", key.secret));
    drop(server);
}

#[test]
fn a_stream_under_way_is_brought_to_its_end_when_the_server_stops() {
    let (asked, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (of_asked, of_go_on) = (asked.clone(), go_on.clone());
    let upstream = Origin::talking(move |talk| {
        if talk.request().is_some() {
            talk.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n");
            of_asked.store(true, Ordering::SeqCst);
            eventually("it may go on", || of_go_on.load(Ordering::SeqCst));
            talk.say("3\r\nend\r\n0\r\n\r\n");
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let made = ["key", "create", "--name", "k", "--scope", "calls:read", "--json"];
    let made: serde_json::Value =
        serde_json::from_str(&binary::run_ok(folder.path(), &made)).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let key = MadeKey { id: text("id"), secret: text("key") };
    let listen = format!("127.0.0.1:{}", free_port());
    let arguments = ["--gateway-listen", &listen, "--upstream", &upstream.url()];
    let server = Binary::serve(folder.path(), &arguments);
    let mut stream = connect(listen.parse().unwrap());
    stream.write_all(head("GET /v1/calls", &key, "").as_bytes()).unwrap();
    until(&mut stream, "begin");
    server.signal("TERM");
    eventually("nobody else is let in", || std::net::TcpStream::connect(&listen).is_err());
    go_on.store(true, Ordering::SeqCst);
    assert!(until(&mut stream, "0\r\n\r\n").contains("end"));
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    let shown = binary::run_ok(folder.path(), &["key", "show", &key.id, "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["lifetime_total"], 1, "{shown}");
}

#[test]
fn while_the_database_is_awaited_nothing_is_forwarded() {
    let upstream = Origin::polite();
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let database = format!("postgres://me@127.0.0.1:{NOBODY}/db");
    let arguments = ["--gateway-listen", &listen, "--upstream", &upstream.url()];
    let server =
        Binary::serve(folder.path(), &[&arguments, &["--database-url", &database][..]].concat());
    for path in ["/healthz", "/readyz", "/v1/calls"] {
        let asked = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = raw::exchange(listen.parse().unwrap(), asked.as_bytes());
        assert_eq!(raw::status(&answer), 503, "{path}: {answer}");
        assert!(answer.contains("\"unavailable\""), "{path}: {answer}");
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(server.terminate().0, Some(0));
}

/// Both ports share the room for connections.
#[test]
fn who_is_slow_at_one_port_makes_room_for_others_at_both() {
    let upstream = Origin::polite();
    let folder = tempfile::tempdir().unwrap();
    let create = ["key", "create", "--name", "k", "--scope", "calls:read"];
    let secret = binary::run_ok(folder.path(), &create);
    let key = MadeKey { id: String::new(), secret };
    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = std::process::Command::new("sh");
    let script = format!(
        "ulimit -n 400; exec \"$0\" serve --listen 127.0.0.1:0 --workers 2 --gateway-listen {listen} \
         --upstream {}",
        upstream.url()
    );
    command.args(["-c", &script, env!("CARGO_BIN_EXE_bitting")]);
    command.current_dir(folder.path()).env_clear();
    let server = Binary::start(command);
    let address = server.client.base.trim_start_matches("http://").parse().unwrap();
    for slow in [address, listen.parse().unwrap()] {
        let slow: Vec<_> = (0..320)
            .map(|_| {
                let mut stream = connect(slow);
                stream.write_all(b"GET").unwrap();
                stream
            })
            .collect();
        for port in [address, listen.parse().unwrap()] {
            let mut stream = connect(port);
            stream.write_all(head("GET /v1/calls", &key, "").as_bytes()).unwrap();
            assert!(until(&mut stream, "\r\n").contains("200"));
        }
        drop(slow);
    }
}
