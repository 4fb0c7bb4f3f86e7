//! A secret is shown once and is found nowhere afterwards: not in the database's files, not in a
//! log that tells everything, and not in an answer.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bitting::model::secret::{Secret, SecretKind};
use serde_json::{Value, json};

use crate::support::binary::{Binary, command, run_ok};
use crate::support::browser::PASSWORD;
use crate::support::{Browser, raw};

/// What would give a secret away, whatever stands around it: the part after the prefix, as it is
/// and in base64 at each of the three places where it can begin.
fn traces(secret: &str) -> Vec<String> {
    let (_, body) = secret.split_once('_').unwrap();
    assert_eq!(body.len(), 38);
    let mut traces = vec![body.to_owned()];
    for shift in 0..3 {
        let shifted = format!("{}{body}", &"..."[..shift]);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&shifted);
            // Its first and last characters also hold bits of what stands before and after.
            traces.push(encoded[4..encoded.len() - 4].to_owned());
        }
    }
    traces.push(body.bytes().map(|byte| format!("{byte:02x}")).collect());
    traces
}

#[track_caller]
fn assert_free_of(secrets: &[String], bytes: &[u8], place: &str) {
    for secret in secrets {
        for trace in traces(secret) {
            let found = bytes.windows(trace.len()).position(|window| window == trace.as_bytes());
            assert_eq!(found, None, "{place} holds {trace}, a trace of {secret}");
        }
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

fn percent_encoded(secret: &str) -> String {
    secret.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The server at work: everything it answered, but for the making of secrets.
struct Story {
    server: Binary,
    answers: Vec<String>,
}

impl Story {
    fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) {
        let answer = self.server.client.send(method, path, headers, body);
        self.answers.push(format!("{answer:?}"));
    }

    /// A JSON body with the admin token.
    fn manage(&mut self, token: &str, method: &str, path: &str, body: Option<Value>) {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send(method, path, &headers, body.map(|body| body.to_string()).as_deref());
    }

    /// Presents a secret in every form, right and wrong.
    fn present(&mut self, id: &str, secret: &str) {
        let basic = |text: String| format!("Basic {}", STANDARD.encode(text));
        for (name, value) in [
            ("authorization", format!("Bearer {secret}")),
            ("authorization", format!("Token token=\"{secret}\"")),
            ("authorization", basic(format!("{id}:{secret}"))),
            ("authorization", basic(format!("{secret}:"))),
            ("authorization", basic(format!(":{secret}"))),
            ("authorization", format!("Unknown {secret}")),
            ("authorization", format!("Bearer {secret}, Bearer {secret}")),
            ("authorization", secret.to_owned()),
            ("authentication", format!("AccessToken {secret}")),
            ("apikey", secret.to_owned()),
            ("x-api-key", secret.to_owned()),
            ("x-api-key", percent_encoded(secret)),
            ("cookie", format!("api_key={secret}")),
            ("referer", format!("http://localhost/?api_key={secret}")),
        ] {
            for path in ["/v1/whoami", "/v1/calls", "/v1/keys", "/v1/nothing"] {
                self.send("GET", path, &[(name, &value)], None);
            }
        }
    }

    /// Puts a secret everywhere it does not belong, with an accepted credential.
    fn misplace(&mut self, bearer: &str, secret: &str) {
        let encoded = percent_encoded(secret);
        let form = format!("api_key={secret}");
        let authorization = ("authorization", bearer);
        for secret in [secret, &encoded] {
            for path in [
                "/v1/calls",
                "/v1/keys",
                "/v1/audit",
                "/v1/whoami",
                "/v1/ping",
                "/healthz",
                "/nothing",
            ] {
                for query in [
                    format!("api_key={secret}"),
                    format!("{secret}=1"),
                    format!("limit={secret}"),
                    format!("cursor={secret}"),
                    format!("status={secret}"),
                    format!("q={secret}"),
                    secret.to_owned(),
                ] {
                    self.send("GET", &format!("{path}?{query}"), &[authorization], None);
                    self.send("GET", &format!("{path}?{query}"), &[], None);
                }
                self.send("GET", &format!("{path}/{secret}"), &[authorization], None);
                self.send("DELETE", &format!("{path}/{secret}"), &[authorization], None);
            }
            self.send("GET", &format!("/{secret}"), &[], None);
        }
        for name in [
            "x-request-id",
            "user-agent",
            "x-forwarded-for",
            "content-type",
            "content-encoding",
            "origin",
            "accept",
            "x-forwarded-host",
            "idempotency-key",
        ] {
            self.send("GET", "/v1/whoami", &[authorization, (name, secret)], None);
            self.send("POST", "/v1/calls", &[authorization, (name, secret)], Some("{}"));
        }
        self.send(
            "GET",
            "/v1/whoami",
            &[authorization, ("user-agent", &format!("curl/8 ({secret})"))],
            None,
        );
        self.send("POST", "/v1/calls", &[authorization], Some(&form));
        self.send(secret, "/v1/calls", &[authorization], None);
        self.send("GET", "/v1/calls", &[authorization, (secret, "1")], None);
    }

    /// Looks a secret up, in the way that is meant for it and in others.
    fn look_up(&mut self, token: &str, secret: &str) {
        for body in [
            json!({"key": secret}),
            json!({"key": format!(" {secret}\n")}),
            json!({"key": &secret[..30]}),
            json!({"key": format!("{secret}x")}),
            json!({"key": [secret]}),
            json!({"key": secret, secret: secret}),
        ] {
            self.manage(token, "POST", "/v1/keys/find", Some(body));
        }
        self.manage(token, "POST", &format!("/v1/keys/find?key={secret}"), None);
        self.manage(token, "GET", &format!("/v1/keys?q={secret}"), None);
    }

    /// Reports a secret as leaked, and says that it was found beside itself; also in bodies that are
    /// refused.
    fn report(&mut self, secret: &str) {
        let headers = [("content-type", "application/json")];
        for (path, body) in [
            ("", json!({"key": secret, "source": format!("https://example.com/?key={secret}")})),
            ("", json!({"key": format!("{secret}x"), "source": secret})),
            ("", json!({"key": [secret], "source": secret})),
            ("", json!({"key": secret, secret: secret})),
            (&format!("?key={secret}"), json!({"key": secret})),
            ("/github", json!([{"token": secret}])),
        ] {
            self.send("POST", &format!("/v1/leaks{path}"), &headers, Some(&body.to_string()));
        }
    }

    /// Pastes secrets into the search of the page, and into its address.
    fn search(&mut self, secrets: &[String]) {
        let browser = Browser::signed_in(&self.server.client.base, EMAIL);
        for secret in secrets {
            for text in [secret.clone(), format!(" {secret}\t"), secret[..30].to_owned()] {
                let answer = browser.submit("/keys", "/keys/search", &[("q", &text)]);
                assert!([303, 404].contains(&answer.status), "{answer:?}");
                self.answers.push(format!("{answer:?}"));
                for path in ["/keys", "/keys/retired", "/keys/export"] {
                    let answer = browser.get(&format!("{path}?q={}", text.trim()));
                    self.answers.push(format!("{answer:?}"));
                }
            }
            let stranger = Browser::new(&self.server.client.base);
            self.answers.push(format!("{:?}", stranger.get(&format!("/keys?q={secret}"))));
        }
    }

    /// Puts a secret into every member of a body.
    fn misplace_in_bodies(&mut self, token: &str, key_path: &str, secret: &str) {
        let good = json!({"name": "x", "scopes": ["calls:read"]});
        for (member, value) in [
            ("name", json!(secret)),
            ("name", json!(format!("my {secret}!"))),
            ("description", json!(secret)),
            ("owner", json!(secret)),
            ("scopes", json!([secret])),
            ("scopes", json!(secret)),
            ("expires_at", json!(secret)),
            (secret, json!(1)),
            (secret, Value::Null),
        ] {
            let mut body = good.clone();
            body[member] = value.clone();
            self.manage(token, "POST", "/v1/keys", Some(body));
            self.manage(token, "PATCH", key_path, Some(json!({member: value})));
        }
        self.manage(token, "POST", &format!("{key_path}/revoke"), Some(json!({"reason": secret})));
        self.manage(
            token,
            "POST",
            &format!("{key_path}/revoke"),
            Some(json!({"reason": format!("leaked: {secret}")})),
        );
        self.manage(token, "POST", &format!("{key_path}/revoke"), Some(json!({secret: 1})));
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let doubled = format!("{{\"{secret}\": 1, \"{secret}\": 2}}");
        for body in [doubled.as_str(), secret, &format!("{{\"{secret}")] {
            self.send("POST", "/v1/keys", &headers, Some(body));
        }
    }
}

const EMAIL: &str = "ada@example.com";

/// Runs a command with this on standard input, and returns its code and all that it said.
fn given(place: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut command = command(place, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).unwrap())
}

fn add_user(place: &Path) {
    let (code, told) = given(place, &["user", "add", EMAIL], &format!("{PASSWORD}\n"));
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_secret_is_shown_once_and_found_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let scope = ["--scope", "calls:read", "--scope", "calls:write"];
    let create =
        |name: &str| run_ok(place, &[&["key", "create", "--name", name][..], &scope].concat());
    let token = run_ok(
        place,
        &["token", "create", "--name", "admin", "--access", "write", "--expires", "90d"],
    );
    let early = create("before the server");
    let server = Binary::serve(place, &["--log-level", "trace", "--usage-flush", "50ms"]);
    let late = create("beside the server");
    let mut story = Story { server, answers: Vec::new() };

    let new = json!({"name": "over HTTP", "scopes": ["calls:read", "calls:write"]});
    // Under an Idempotency-Key that is a secret itself, and once more, for the kept answer.
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", token.as_str()),
    ];
    let new = new.to_string();
    let made = story.server.client.send("POST", "/v1/keys", &headers, Some(&new)).ok();
    story.send("POST", "/v1/keys", &headers, Some(&new));
    assert!(story.answers[0].contains("idempotency-replayed"));
    let (id, posted) =
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned());
    let key_path = format!("/v1/keys/{id}");
    let foreign = Secret::generate(&"bt".parse().unwrap(), SecretKind::ApiKey).unwrap();
    let secrets = [token.clone(), early, late, posted, foreign.expose().to_owned()];

    for secret in &secrets {
        story.present(&id, secret);
    }
    for bearer in [&secrets[3], &token].map(|secret| format!("Bearer {secret}")) {
        for secret in [&secrets[3], &token] {
            story.misplace(&bearer, secret);
        }
    }
    for secret in [&secrets[3], &token] {
        story.misplace_in_bodies(&token, &key_path, secret);
    }
    for secret in &secrets {
        story.look_up(&token, secret);
    }
    add_user(place);
    story.search(&secrets);
    for secret in &secrets[1..4] {
        let (code, told) = given(place, &["key", "find", "-"], secret);
        assert_eq!(code, Some(0), "{told}");
        assert_free_of(&secrets, told.as_bytes(), "what is found of a key");
    }
    // Once more in an HTTP request that no parser gets through.
    let address = story.server.client.base.strip_prefix("http://").unwrap().parse().unwrap();
    let broken = format!(
        "GET /v1/calls?{0} HTTP/1.1\r\n{0}\r\nAuthorization : Bearer {0}\r\n\r\n",
        secrets[3]
    );
    story.answers.push(raw::exchange(address, broken.as_bytes()));

    // All that can be shown of keys, before and after one is revoked.
    for _ in 0..2 {
        for path in
            ["/v1/keys?status=all", "/v1/audit?limit=100", &key_path, &format!("{key_path}/usage")]
        {
            story.manage(&token, "GET", path, None);
        }
        story.manage(
            &token,
            "POST",
            &format!("{key_path}/revoke"),
            Some(json!({"reason": "over"})),
        );
        story.present(&id, &secrets[3]);
    }
    // The token comes last, since it is revoked for it.
    for secret in secrets.iter().rev() {
        story.manage(&token, "GET", "/v1/audit?limit=100", None);
        story.report(secret);
    }
    let received = story.answers.iter().filter(|answer| answer.contains("status: 202")).count();
    assert_eq!(received, 2 * secrets.len());
    let shown = story.answers.iter().filter(|answer| answer.contains("status: 200")).count();
    assert!(shown > 40, "the story was hardly told: {shown} answers");
    for answer in &story.answers {
        assert_free_of(&secrets, answer.as_bytes(), answer);
    }

    // The WAL is there only while the server runs.
    let search = |when: &str| {
        let files = files_below(place);
        for file in &files {
            let bytes = std::fs::read(file).unwrap();
            assert_free_of(&secrets, &bytes, &format!("{} {when}", file.display()));
        }
        files.len()
    };
    assert!(search("while the server runs") >= 2);
    for arguments in [
        &["key", "list"][..],
        &["key", "list", "--json"],
        &["key", "show", &id, "--json"],
        &["token", "list", "--json"],
    ] {
        assert_free_of(&secrets, run_ok(place, arguments).as_bytes(), "the command line");
    }
    let (code, log) = story.server.terminate();
    assert_eq!(code, Some(0));
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log tells little: {log}");
    assert_free_of(&secrets, log.as_bytes(), "the log");
    search("after the server");
}

/// A person who mistypes a command has the key on the screen already; a log of a build has not.
#[test]
fn the_command_line_does_not_repeat_a_secret_in_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let secret = run_ok(folder.path(), &["key", "create", "--name", "a", "--scope", "calls:read"]);
    for arguments in [
        &["key", "revoke", &secret][..],
        &["key", "show", &secret],
        &["token", "revoke", &secret],
        &["key", "create", "--name", "b", "--scope", &secret],
        &["key", "create", "--name", &secret, "--scope", "calls:read"],
        &["key", "create", "--name", "b", "--scope", "calls:read", "--expires", &secret],
    ] {
        let output = command(folder.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let told = [output.stdout, output.stderr].concat();
        assert_free_of(std::slice::from_ref(&secret), &told, &String::from_utf8_lossy(&told));
    }
}
