//! What keeps credentials apart and inside: many connections at once, a killed `rekey`, a database that
//! somebody else writes, logs and files.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bitting::config::ConnectionOptions;
use bitting::model::connections::{NewConnection, VendorCredential};
use serde_json::json;

use super::{Operator, key_now, new_key, operator};
use crate::support::binary::{Binary, command};
use crate::support::client::Client;
use crate::support::ports::NOBODY;
use crate::support::vendors::{AUTHORITY, Reply, Vendor, aircall, callrail, header};
use crate::support::{
    Backend, Origin, SetAtEnd, TestDatabase, TestServer, eventually, on_both, rounds,
};

/// Says which path was asked with which credential.
fn vendor() -> Origin {
    Origin::answering(|seen| {
        let body = seen.header("authorization").len().to_string();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    })
}

fn secret_of(n: usize) -> String {
    format!("credential-{n:03}-of-its-own")
}

fn db_add(server: &TestServer, n: usize, origin: &Origin) {
    let object = json!({
        "handle": format!("c{n:03}"), "kind": "http", "base_url": origin.url(), "auth": "bearer",
        "rules": ["GET /{n} things:read"],
    });
    let new = NewConnection::from_object(object.as_object().unwrap()).unwrap();
    let fields = new.kind.credential_fields(new.form.as_ref());
    let credential = VendorCredential::parse(&fields, &secret_of(n)).unwrap();
    server.bitting.add_connection(&operator(), new, &credential, true).unwrap();
}

fn operator_of(backend: Backend, hosts: String) -> Operator {
    Operator { database: Arc::new(TestDatabase::new(backend)), key: Some(new_key()), hosts }
}

on_both! {
    fn fifty_keys_at_fifty_connections_each_reach_their_own(backend) {
        let many = rounds(50, 16);
        let origin = vendor();
        let ours = operator_of(backend, origin.url());
        let server = ours.serve(ConnectionOptions::default());
        let keys: Vec<_> = (0..many).map(|n| {
            db_add(&server, n, &origin);
            key_now(&server, &format!("things:read@c{n:03}"))
        }).collect();
        std::thread::scope(|scope| {
            for (n, key) in keys.iter().enumerate() {
                let server = &server;
                scope.spawn(move || {
                    for step in 0..many {
                        let at = (n + step) % many;
                        let answer = server.call(key, "GET", &format!("/via/c{at:03}/{at}"), None);
                        if at == n {
                            answer.expect(200, "");
                        } else {
                            answer.expect(403, "insufficient_scope");
                        }
                    }
                });
            }
        });
        let seen = origin.seen();
        assert_eq!(seen.len(), many);
        let wanted: BTreeSet<_> =
            (0..many).map(|n| (format!("GET /{n} HTTP/1.1"), format!("Bearer {}", secret_of(n)))).collect();
        let found: BTreeSet<_> =
            seen.iter().map(|seen| (seen.line(), seen.header("authorization"))).collect();
        assert_eq!(found, wanted);
    }
}

on_both! {
    fn whoever_writes_the_database_gets_no_request_with_a_credential(backend) {
        let (callrail, evil) = (callrail::start(), callrail::start());
        let ours = Operator::new(backend, &[&callrail, &evil]);
        ours.add("calls", "callrail", &callrail, callrail::KEY).unwrap();
        ours.add("other", "callrail", &evil, "another-key-0123456789").unwrap_err();
        let other = ["add", "other", "--kind", "callrail", "--base-url", evil.origin(), "--untested"];
        ours.connection(&other, "another-key-0123456789").unwrap();
        let id = ours.database.db_texts("SELECT database_id FROM bitting").concat();
        ours.database.db_execute("CREATE TABLE saved AS SELECT * FROM connections");
        let sealed = "SELECT sealed FROM connections WHERE handle";
        for damage in [
            format!("UPDATE connections SET origin = '{}' WHERE handle = 'calls'", evil.origin()),
            "UPDATE connections SET form = 'bearer' WHERE handle = 'calls'".to_owned(),
            format!("UPDATE connections SET sealed = ({sealed} = 'calls') WHERE handle = 'other'"),
            "UPDATE connections SET sealed = SUBSTR(sealed, 1, 60) WHERE handle = 'calls'".to_owned(),
            "UPDATE bitting SET database_id = 'foreign'".to_owned(),
        ] {
            ours.database.db_execute(&damage);
            let server = ours.serve(ConnectionOptions::default());
            callrail.take();
            evil.take();
            let handle = if damage.contains("'other'") { "other" } else { "calls" };
            let key = server.key(&format!("calls:read@{handle}"));
            let answer = server.call(&key, "GET", &format!("/via/{handle}/v3/a.json"), None);
            answer.expect(503, "connection_locked");
            assert_eq!((callrail.take().len(), evil.take().len()), (0, 0), "{damage}");
            server.stop();
            ours.database.db_execute("DELETE FROM connections");
            ours.database.db_execute("INSERT INTO connections SELECT * FROM saved");
            ours.database.db_execute(&format!("UPDATE bitting SET database_id = '{id}'"));
        }
    }
}

on_both! {
    fn a_rekey_that_is_killed_changes_all_or_nothing(backend) {
        let callrail = callrail::start();
        let mut ours = Operator::new(backend, &[&callrail]);
        for n in 0..20 {
            let handle = format!("calls-{n}");
            let add = ["add", &handle, "--kind", "callrail", "--base-url", callrail.origin(), "--untested"];
            ours.connection(&add, callrail::KEY).unwrap();
        }
        for round in 0..rounds(20, 4) {
            let (old, new) = (ours.key.clone().unwrap(), new_key());
            ours.key = Some(format!("{new} {old}"));
            let mut rekey = command(&ours.database.folder(), &["connection", "rekey"]);
            rekey
                .env("BITTING_DATABASE_URL", &ours.database.url)
                .env("BITTING_CONNECTIONS_KEY", ours.key.as_ref().unwrap())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .stdin(Stdio::null());
            let mut rekey = rekey.spawn().unwrap();
            // Each round kills it at another moment; none is waited for.
            std::thread::sleep(Duration::from_millis(10 * round as u64 + 5));
            rekey.kill().unwrap();
            rekey.wait().unwrap();
            let sealed_with = |key: &str| {
                let only = Operator { database: ours.database.clone(), key: Some(key.to_owned()), hosts: ours.hosts.clone() };
                let list = only.connection(&["list", "--json"], "").unwrap();
                list.lines().filter(|line| !line.contains("\"locked\"")).count()
            };
            let counts = (sealed_with(&old), sealed_with(&new));
            assert!(counts == (20, 0) || counts == (0, 20), "round {round}: {counts:?}");
            ours.connection(&["test", "calls-7"], "").unwrap();
            ours.key = Some(if counts.0 == 20 { old } else { new });
        }
        ours.connection(&["rekey"], "").unwrap();
    }
}

on_both! {
    fn a_revoked_key_is_refused_in_a_stream_of_requests(backend) {
        let origin = vendor();
        let ours = operator_of(backend, origin.url());
        let server = ours.serve(ConnectionOptions::default());
        db_add(&server, 7, &origin);
        let key = key_now(&server, "things:read@c007");
        let revoked = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let streams: Vec<_> = (0..4).map(|_| scope.spawn(|| {
                let mut served = 0;
                loop {
                    let ended = revoked.load(Ordering::SeqCst);
                    let answer = server.call(&key, "GET", "/via/c007/7", None);
                    match answer.status {
                        200 if !ended => served += 1,
                        _ => {
                            answer.expect(401, "key_revoked");
                            return served;
                        }
                    }
                }
            })).collect();
            let end = SetAtEnd(&revoked);
            while origin.seen().len() < 20 {
                std::thread::yield_now();
            }
            server.revoke(&key);
            drop(end);
            let served: usize = streams.into_iter().map(|stream| stream.join().unwrap()).sum();
            assert_eq!(origin.seen().len(), served, "each request was answered once");
        });
    }
}

/// `bitting serve` with connections, which logs everything.
fn serve(ours: &Operator, level: &str) -> Binary {
    let listen = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "127.0.0.1:0",
        "--log-level",
        level,
    ];
    let mut serve = command(&ours.database.folder(), &listen);
    serve
        .env("BITTING_DATABASE_URL", &ours.database.url)
        .env("BITTING_CONNECTIONS_KEY", ours.key.as_ref().unwrap())
        .env("BITTING_CONNECTIONS_HOSTS", &ours.hosts)
        .env("BITTING_CONNECTIONS_PRIVATE", "127.0.0.0/8,::1")
        .env("BITTING_CONNECTIONS_CA", AUTHORITY.file());
    Binary::start(serve)
}

/// A key, made on the command line.
fn db_key(ours: &Operator, scopes: &[&str]) -> String {
    let mut arguments = vec!["key", "create", "--name", "k", "--expires", "30d"];
    scopes.iter().for_each(|scope| arguments.extend(["--scope", scope]));
    let made = ours.run_with(&arguments, "");
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[test]
fn no_credential_is_in_a_log_a_file_or_a_metric() {
    use base64::Engine as _;
    let (callrail, aircall) = (callrail::start(), aircall::start());
    let echo = Vendor::start(|seen, _| {
        let sent = header(seen, "authorization").unwrap_or_default().to_owned();
        Reply::json(500, &json!({"error": sent})).with("X-Echo", sent)
    });
    let ours = Operator::new(Backend::Sqlite, &[&callrail, &aircall, &echo]);
    let pair = format!("{}\n{}\n", aircall::API_ID, aircall::API_TOKEN);
    ours.add("calls", "callrail", &callrail, callrail::KEY).unwrap();
    ours.add("phones", "aircall", &aircall, &pair).unwrap();
    let add = [
        "add",
        "echo",
        "--kind",
        "http",
        "--base-url",
        echo.origin(),
        "--untested",
        "--rule",
        "GET /x a:read",
    ];
    let other = "echo-9f8e7d6c5b4a39281706f5e4d3c2b1a0";
    ours.connection(&add, other).unwrap();
    let gone = format!("https://localhost:{NOBODY}");
    let ours = Operator { hosts: format!("{},{gone}", ours.hosts), ..ours };
    for handle in ["gone", "away"] {
        let add = ["add", handle, "--kind", "callrail", "--base-url", &gone, "--untested"];
        ours.connection(&add, callrail::KEY).unwrap();
    }
    let scopes = "calls:read@calls calls:read@phones a:read@echo calls:read@gone calls:read@away";
    let scopes: Vec<_> = scopes.split(' ').collect();
    let key = db_key(&ours, &scopes);
    let server = serve(&ours, "trace");
    let get = |path: &str| server.client.with_key(&key, "GET", path, None);
    let account = format!("/via/calls/v3/a/{}/calls.json", callrail::ACCOUNT);
    get(&account).expect(200, "");
    get("/via/phones/v1/calls").expect(200, "");
    assert_eq!(get("/via/echo/x").status, 500);
    get("/via/echo/y").expect(403, "not_offered");
    let unanswered = ["gone", "away"].map(|handle| {
        let answer = get(&format!("/via/{handle}/v3/a.json"));
        answer.expect(502, "vendor_unreachable");
        (handle, answer.header("x-request-id").to_owned())
    });
    let folder = ours.database.folder();
    let backup = folder.join("backup.db");
    let done = ours.run_with(&["backup", backup.to_str().unwrap()], "");
    assert!(done.status.success(), "{done:?}");

    let metrics_at = || {
        let said = server.said();
        let line = said.lines().find(|line| line.contains("metrics on"))?;
        Some(line.split("http://").nth(1)?.trim_end_matches("/metrics").to_owned())
    };
    eventually("it says where metrics are", || metrics_at().is_some());
    let base = format!("http://{}", metrics_at().unwrap());
    let metrics = Client::new(&base).send("GET", "/metrics", &[], None).body;
    assert!(metrics.contains("bitting_vendor_answers_total"), "{metrics}");
    let log = server.log();
    let mut kept = vec![
        ("log".to_owned(), log.clone().into_bytes()),
        ("metrics".to_owned(), metrics.into_bytes()),
    ];
    let before_end = files(&folder);
    let (code, ended) = server.terminate();
    assert_eq!(code, Some(0));
    kept.push(("log at the end".to_owned(), ended.into_bytes()));
    kept.extend(before_end);
    kept.extend(files(&folder));
    assert!(kept.iter().any(|(name, _)| name.ends_with("-wal")), "there was no WAL to look at");
    for (handle, id) in &unanswered {
        let parts = ["the vendor cannot be reached", handle, "GET /v3/a.json any", id];
        let told = log.lines().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(told, "nothing was logged of {handle}: {log}");
    }
    let master = ours.key.clone().unwrap();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!(
        "{}:{}",
        aircall::API_ID,
        aircall::API_TOKEN
    ));
    for secret in [callrail::KEY, aircall::API_TOKEN, other, &master, &basic, &key] {
        for (name, bytes) in &kept {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {name}");
        }
    }
}

/// Every file of a folder.
fn files(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap_or_default()))
        .collect()
}

/// Reads a whole answer and keeps nothing but its end; how many bytes it had.
fn drained(server: &Binary, key: &str, path: &str) -> (usize, [u8; 7]) {
    let mut stream =
        TcpStream::connect(server.client.base.strip_prefix("http://").unwrap()).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (mut length, mut end, mut piece) = (0, Vec::new(), vec![0; 1 << 16]);
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        length += read;
        end.extend_from_slice(&piece[..read]);
        end.drain(..end.len().saturating_sub(7));
    }
    (length, end.try_into().unwrap())
}

/// The most memory that a process has had, in kilobytes.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_gigabyte_is_streamed_in_constant_memory() {
    const PIECE: usize = 1 << 16;
    // More than may be kept. What is changed byte by byte takes a debug build its time.
    const FEW: usize = 1 << 9;
    let all = rounds(1 << 14, FEW);
    let pieces_of = move |path: &str| if path.contains("json") { FEW } else { all };
    let origin = Origin::talking(move |talk| {
        while let Some(seen) = talk.request() {
            let kind = if seen.line().contains("json") { "application/json" } else { "audio/mpeg" };
            talk.say(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
            ));
            let piece =
                [format!("{PIECE:x}\r\n").into_bytes(), vec![b'7'; PIECE], b"\r\n".to_vec()]
                    .concat();
            for _ in 0..pieces_of(&seen.line()) {
                if !talk.say(&piece) {
                    return;
                }
            }
            talk.say("0\r\n\r\n");
        }
    });
    let ours = operator_of(Backend::Sqlite, origin.url());
    let add = [
        "add",
        "media",
        "--kind",
        "http",
        "--base-url",
        &ours.hosts,
        "--untested",
        "--rule",
        "GET /{x} media:read",
    ];
    ours.connection(&add, "secret-of-the-media-server").unwrap();
    let key = db_key(&ours, &["media:read@media"]);
    let server = serve(&ours, "info");
    server.client.with_key(&key, "GET", "/v1/whoami", None).ok();
    let before = peak(server.id());
    for path in ["bytes", "json"] {
        let (length, end) = drained(&server, &key, &format!("/via/media/{path}"));
        assert!(
            length > pieces_of(path) * PIECE && end == *b"\r\n0\r\n\r\n",
            "{path}: {length} {end:?}"
        );
    }
    let grown = peak(server.id()) - before;
    assert!(grown < 16 * 1024, "it grew by {grown} kB");
}
