//! A disk that takes nothing more: decisions go on, changes are put off, counts are kept.

use std::process::{Child, Command};

use serde_json::{Value, json};

use crate::support::{Binary, binary, eventually, not_granted, tool};

/// Lets every write of the server's database fail as on a file system that has become read-only,
/// until it is dropped. (One that is open for writing cannot be mounted read-only.)
struct ReadOnly(Child);

impl ReadOnly {
    fn of(server: &Binary) -> Option<Self> {
        let strace = tool("strace")?;
        let child = Command::new(strace)
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "signal=none"])
            .args(["-e", "inject=pwrite64,fdatasync,fsync:error=EROFS"])
            .args(["-p", &server.id().to_string()])
            .spawn();
        Some(Self(child.unwrap()))
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

#[test]
fn a_file_system_that_becomes_read_only_puts_writes_off_and_loses_no_count() {
    let folder = tempfile::tempdir().unwrap();
    let scopes = ["--scope", "calls:read", "--scope", "calls:write", "--json"];
    let create = [&["key", "create", "--name", "k"], &scopes[..]].concat();
    let made: Value = serde_json::from_str(&binary::run_ok(folder.path(), &create)).unwrap();
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let create = ["token", "create", "--name", "t", "--access", "write"];
    let token = binary::run_ok(folder.path(), &create);
    let server = Binary::serve(folder.path(), &["--usage-flush", "50ms"]);
    let call = json!({"direction": "inbound", "caller": "+14155550100"});
    let mut counted = 0;
    let mut post = || {
        let status = server.client.with_key(key, "POST", "/v1/calls", Some(&call)).status;
        counted += u64::from(status == 201);
        status
    };
    assert_eq!(post(), 201);

    let Some(fault) = ReadOnly::of(&server) else { return };
    let made = std::cell::Cell::new(0);
    eventually("writes are put off", || {
        made.set(made.get() + 1);
        post() == 503
    });
    let mut reads = 0;
    for _ in 0..20 {
        server.client.with_key(key, "GET", "/v1/calls", None).expect(200, "");
        reads += 1;
    }
    let path = format!("/v1/keys/{id}");
    let revoke = format!("{path}/revoke");
    server.client.with_key(&token, "POST", &revoke, None).expect(503, "unavailable");
    let ready = || server.client.send("GET", "/readyz", &[], None).status;
    eventually("the server is not ready", || ready() == 503);
    assert_eq!(server.client.send("GET", "/healthz", &[], None).status, 200);
    server.client.with_key(key, "GET", "/v1/ping", None).expect(200, "");
    reads += 1;
    eventually("it is told", || server.log().contains("writing counts failed"));
    drop(fault);

    eventually("writes are done again", || post() == 201);
    eventually("the server is ready again", || ready() == 200);
    let shown = server.client.with_key(&token, "GET", &path, None).ok();
    assert_eq!(shown["usage"]["24h"]["total"], counted + reads, "{shown}");
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches("writing counts failed").count(), 1, "{log}");
    let shown = binary::run_ok(folder.path(), &["key", "show", id, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["usage"]["24h"]["total"], counted + reads, "{shown}");
    binary::run_ok(folder.path(), &["check"]);
}

#[test]
fn a_full_disk_is_not_taken_for_a_damaged_database() {
    let folder = tempfile::tempdir().unwrap();
    binary::run_ok(folder.path(), &["key", "create", "--name", "k", "--scope", "calls:read"]);
    let script =
        "mkdir disk && mount -t tmpfs -o size=8m full disk && cp bitting.db disk/ || exit 77
        cat /dev/zero > disk/rest 2>/dev/null
        exec \"$0\" serve --listen 127.0.0.1:0 --database-url sqlite://disk/bitting.db";
    let mut start = Command::new("unshare");
    start.args(["--mount", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_bitting")]);
    start.current_dir(folder.path());
    let output = start.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("unshare") || output.status.code() == Some(77) {
        return not_granted("nothing can be mounted here");
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("make room") && !said.contains("backup"), "{said}");
}

#[test]
fn a_stop_that_cannot_write_the_last_counts_says_that_they_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    let create = ["key", "create", "--name", "k", "--scope", "calls:read"];
    let key = binary::run_ok(folder.path(), &create);
    let server = Binary::serve(folder.path(), &["--usage-flush", "50ms"]);
    let Some(_fault) = ReadOnly::of(&server) else { return };
    eventually("writing fails", || {
        server.client.with_key(&key, "GET", "/v1/calls", None).expect(200, "");
        server.log().contains("writing counts failed")
    });
    let (code, log) = server.terminate();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("the last counts could not be written and are lost"), "{log}");
    assert!(!log.contains("counts are written"), "{log}");
}

/// As by `LimitFSIZE=` in a unit.
#[test]
fn a_file_that_may_grow_no_more_puts_writes_off() {
    let folder = tempfile::tempdir().unwrap();
    let create =
        ["key", "create", "--name", "k", "--scope", "calls:read", "--scope", "calls:write"];
    let key = binary::run_ok(folder.path(), &create);
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    // In units of 512 bytes, and more than the database has by now.
    let server = Binary::start(binary::in_script(folder.path(), "ulimit -f 3000", &arguments));
    let summary = "a".repeat(10_000);
    let call = json!({"direction": "inbound", "caller": "+14155550100", "summary": summary});
    eventually("the file is full", || {
        server.client.with_key(&key, "POST", "/v1/calls", Some(&call)).status == 503
    });
    assert_eq!(server.client.with_key(&key, "GET", "/v1/ping", None).status, 200);
}
