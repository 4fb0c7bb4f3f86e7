//! Reports of leaked keys by GitHub, signed here by OpenSSL.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitting::config::{GithubKeySource, Options, Settings, WarningOptions};
use bitting::model::github_keys::GithubKeys;
use serde_json::{Value, json};

use crate::support::vendors::{AUTHORITY, Reply, Vendor};
use crate::support::{
    Answer, Backend, TestDatabase, TestServer, binary, eventually, on_both, tool,
};

const ID: &str = "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a";
const NEXT_ID: &str = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c";

/// Somebody with a key pair on P-256.
struct Signer {
    openssl: std::path::PathBuf,
    folder: tempfile::TempDir,
}

impl Signer {
    fn new() -> Option<Self> {
        let signer = Self { openssl: tool("openssl")?, folder: tempfile::tempdir().unwrap() };
        signer.run(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem"]);
        Some(signer)
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let done = Command::new(&self.openssl)
            .args(arguments)
            .current_dir(self.folder.path())
            .stderr(Stdio::null())
            .output()
            .unwrap();
        assert!(done.status.success(), "{arguments:?}");
        done.stdout
    }

    /// The public key, as GitHub lists it under this name.
    fn listed(&self, id: &str) -> Value {
        let pem = String::from_utf8(self.run(&["ec", "-in", "key.pem", "-pubout"])).unwrap();
        json!({"key_identifier": id, "key": pem, "is_current": id == ID})
    }

    fn sign(&self, body: &str) -> String {
        std::fs::write(self.folder.path().join("body"), body).unwrap();
        STANDARD.encode(self.run(&["dgst", "-sha256", "-sign", "key.pem", "body"]))
    }
}

/// A server that believes what is signed with one of these keys.
fn believing(backend: Backend, listed: &[Value]) -> TestServer {
    let keys = GithubKeys::parse(&json!({"public_keys": listed}).to_string()).unwrap();
    let known = |settings: &mut Settings| settings.github_keys = Some(GithubKeySource::File(keys));
    TestServer::with_settings(Arc::new(TestDatabase::migrated(backend)), Options::default(), known)
}

fn send(server: &TestServer, id: &str, signature: &str, body: &str) -> Answer {
    let headers = [
        ("content-type", "application/json"),
        ("github-public-key-identifier", id),
        ("github-public-key-signature", signature),
    ];
    server.client.send("POST", "/v1/leaks/github", &headers, Some(body))
}

on_both! {
    fn what_github_has_signed_is_believed_and_nothing_else(backend) {
        let Some(signer) = Signer::new() else { return };
        let server = believing(backend, &[signer.listed(ID)]);
        let (key, kept) = (server.key("calls:read"), server.key("calls:read"));
        let body = json!([
            {"token": "btk_none", "type": "bitting_key", "url": "https://github.com/a/b", "source": "content"},
            {"token": key.secret, "type": "bitting_key", "url": "https://github.com/a/c", "source": "commit"},
        ]);
        let body = body.to_string();
        let signature = signer.sign(&body);
        let other = body.replace(&key.secret, &kept.secret);
        for (id, signature, body) in [
            (ID, "", body.as_str()), (ID, "bm9uZQ==", &body), ("other", &signature, &body),
            (ID, &signature, &other), (ID, &signature, &format!("{body} ")),
        ] {
            send(&server, id, signature, body).expect(403, "forbidden");
        }
        server.call(&key, "GET", "/v1/ping", None).ok();
        let answer = send(&server, ID, &signature, &body);
        assert_eq!((answer.status, answer.json()), (202, json!({"status": "received"})));
        server.call(&key, "GET", "/v1/ping", None).expect(401, "key_revoked");
        server.call(&kept, "GET", "/v1/ping", None).ok();
        let log = server.manage("GET", "/v1/audit?action=key.leaked", None).ok();
        let sources: Vec<&Value> =
            log["data"].as_array().unwrap().iter().map(|event| &event["detail"]["source"]).collect();
        assert_eq!(sources, ["GitHub https://github.com/a/c"]);
        let nothing = json!({"token": "x"}).to_string();
        send(&server, ID, &signer.sign(&nothing), &nothing).expect(400, "malformed_json");
    }
}

#[test]
fn while_github_changes_its_key_both_are_believed_each_under_its_own_name() {
    let (Some(old), Some(new)) = (Signer::new(), Signer::new()) else { return };
    let during = believing(Backend::Sqlite, &[old.listed(ID), new.listed(NEXT_ID)]);
    let after = believing(Backend::Sqlite, &[new.listed(NEXT_ID)]);
    let body = "[]";
    let (by_old, by_new) = (old.sign(body), new.sign(body));
    for (server, id, signature, status) in [
        (&during, ID, &by_old, 202),
        (&during, NEXT_ID, &by_new, 202),
        (&during, NEXT_ID, &by_old, 403),
        (&during, ID, &by_new, 403),
        (&after, ID, &by_old, 403),
        (&after, NEXT_ID, &by_old, 403),
        (&after, NEXT_ID, &by_new, 202),
    ] {
        assert_eq!(send(server, id, signature, body).status, status, "{id}");
    }
}

#[test]
fn the_keys_are_fetched_from_an_address_and_again_when_one_is_not_known() {
    let (Some(old), Some(new)) = (Signer::new(), Signer::new()) else { return };
    let listed: Arc<Mutex<Option<Value>>> = Arc::default();
    let listing = listed.clone();
    let github = Vendor::start(move |seen, _| match &*listing.lock().unwrap() {
        Some(keys) if seen.target() == "/keys" => Reply::json(200, keys),
        _ => Reply::json(503, &json!({})),
    });
    let list = |keys: &[Value]| *listed.lock().unwrap() = Some(json!({"public_keys": keys}));
    let options = Options {
        github_keys: Some(format!("{}/keys", github.origin())),
        warnings: WarningOptions {
            notify_ca: Some(AUTHORITY.file().display().to_string()),
            ..WarningOptions::default()
        },
        ..Options::default()
    };
    let database = Arc::new(TestDatabase::migrated(Backend::Sqlite));
    let server = TestServer::with_settings(database, options, |settings| {
        let Some(GithubKeySource::Url { again_after, .. }) = &mut settings.github_keys else {
            panic!("{:?}", settings.github_keys);
        };
        *again_after = Duration::from_millis(100);
    });
    let body = "[]";
    let (by_old, by_new) = (old.sign(body), new.sign(body));
    let told = send(&server, ID, &by_old, body);
    told.expect(503, "unavailable");
    assert!(told.body.contains("could not be fetched yet"), "{}", told.body);
    let mut fetched = 0;
    eventually("they were asked for", || {
        fetched += github.take().len();
        fetched > 0
    });

    list(&[old.listed(ID)]);
    eventually("the first keys are known", || send(&server, ID, &by_old, body).status == 202);
    assert_eq!(send(&server, ID, &by_new, body).status, 403);
    fetched += github.take().len();
    assert!(fetched >= 2, "{fetched}");

    list(&[new.listed(NEXT_ID)]);
    assert_eq!(send(&server, NEXT_ID, &by_new, body).status, 403);
    eventually("the next keys are known", || send(&server, NEXT_ID, &by_new, body).status == 202);
    assert_eq!(github.take().len(), 1, "one key that was missed is one question");
    assert_eq!(send(&server, ID, &by_old, body).status, 403, "an old key is believed no longer");
}

#[test]
fn without_the_keys_there_is_nothing_to_report_to() {
    let server = TestServer::start(Backend::Sqlite);
    let answer = send(&server, ID, "", "[]");
    answer.expect(404, "not_found");
    assert!(answer.body.contains("--github-keys"), "{}", answer.body);
}

#[test]
fn a_file_that_has_no_such_keys_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    file("empty.json", "{\"public_keys\": []}");
    file("other.json", "{\"public_keys\": [{\"key_identifier\": \"a\", \"key\": \"AAAA\"}]}");
    file("text.json", "keys");
    for (path, why) in [
        ("empty.json", "has no public key in it"),
        ("other.json", "has a key that is none on the curve P-256: a"),
        ("text.json", "is not the list of GitHub's public keys"),
        ("missing.json", "cannot be read"),
        ("http://api.github.com/meta/public_keys/secret_scanning", "must begin with https://"),
        ("https://me:secret@api.github.com/", "must hold no user"),
        ("https://", "must be a file, or an address such as https://api.github.com/"),
    ] {
        let refused = binary::run(Path::new(folder.path()), &["migrate", "--github-keys", path]);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains("--github-keys") && told.contains(why), "{told}");
    }
}
