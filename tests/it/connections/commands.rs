//! `bitting connection`: making connections, changing and removing them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::{Operator, new_key};
use crate::support::vendors::{Reply, Vendor, aircall, callrail, clari, customerly, header};
use crate::support::{Backend, binary, on_both};

on_both! {
    fn each_kind_is_added_with_the_form_that_its_test_finds(backend) {
        let (callrail, aircall, clari) = (callrail::start(), aircall::start(), clari::start());
        let customerly = customerly::taking("authentication", "Bearer {}");
        let ours = Operator::new(backend, &[&callrail, &aircall, &customerly, &clari]);
        let pair = format!("{}\n{}\n", aircall::API_ID, aircall::API_TOKEN);
        for (kind, vendor, credential, form) in [
            ("callrail", &callrail, callrail::KEY.to_owned(), "token"),
            ("aircall", &aircall, pair, "basic"),
            ("customerly", &customerly, customerly::TOKEN.to_owned(), "authentication-bearer"),
            ("clari", &clari, clari::TOKEN.to_owned(), "apikey"),
        ] {
            assert_eq!(ours.add(kind, kind, vendor, &credential), Ok(format!("{kind} ok")));
            let shown = ours.shown(kind);
            assert_eq!((&shown["auth"], &shown["state"]), (&form.into(), &"ok".into()), "{shown}");
            let last = credential.trim_end();
            assert_eq!(shown["credential_ends_with"], last[last.len() - 4..]);
        }
        let partner = ours.add("partner", "aircall", &aircall, aircall::ACCESS_TOKEN);
        assert_eq!(partner, Ok("partner ok".to_owned()));
        assert_eq!(ours.shown("partner")["auth"], "bearer");
        let list = ours.connection(&["list"], "").unwrap();
        assert_eq!(list.lines().count(), 6, "{list}");

        // Whoever takes the database has no credential.
        let mut taken = ours.database.db_texts("SELECT detail FROM audit_events").concat();
        taken.extend(ours.database.db_texts("SELECT COALESCE(hint, '') FROM connections"));
        for file in std::fs::read_dir(ours.database.folder()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
            taken.push_str(&String::from_utf8_lossy(&bytes));
        }
        for secret in [callrail::KEY, aircall::API_TOKEN, customerly::TOKEN, clari::TOKEN] {
            assert!(!taken.contains(secret));
        }
    }
}

on_both! {
    fn nothing_is_saved_that_the_vendor_does_not_accept(backend) {
        let (callrail, aircall) = (callrail::start(), aircall::start());
        let customerly = customerly::start();
        let ours = Operator::new(backend, &[&callrail, &aircall, &customerly]);
        for (kind, vendor, credential, why) in [
            ("callrail", &callrail, "wrong", "rejected: the vendor does not accept the credential"),
            ("aircall", &aircall, "wrong\nworse", "status 403"),
            ("customerly", &customerly, "wrong", "rejected: the vendor does not accept"),
            ("clari", &callrail, "wrong", "rejected"),
        ] {
            let said = ours.add("fresh", kind, vendor, credential).unwrap_err();
            assert!(said.contains(why) && said.contains("nothing was saved"), "{said}");
            assert!(!said.contains("worse"), "{said}");
        }
        // Where a connection is made is a page of its own.
        let said = ours.add("new", "callrail", &callrail, callrail::KEY).unwrap_err();
        assert!(said.contains("the handle must not be new"), "{said}");
        let said = ours.add("fresh", "aircall", &aircall, "").unwrap_err();
        assert!(said.contains("api_id and api_token, or access_token"), "{said}");
        for (form, credential, fields) in
            [("basic", "one", "api_id and api_token"), ("bearer", "one\ntwo", "access_token")]
        {
            let base = aircall.origin();
            let one = ["add", "fresh", "--kind", "aircall", "--base-url", base, "--auth", form];
            let said = ours.connection(&one, credential).unwrap_err();
            assert!(said.ends_with(&format!("the credential must be {fields}")), "{said}");
        }
        let elsewhere = ["add", "fresh", "--kind", "callrail", "--base-url", "https://evil.example"];
        let said = ours.connection(&elsewhere, callrail::KEY).unwrap_err();
        assert!(said.contains("--connections-hosts"), "{said}");
        let base = callrail.origin();
        let other = ["add", "fresh", "--kind", "callrail", "--base-url", base, "--account", "ACCOTHER"];
        let said = ours.connection(&other, callrail::KEY).unwrap_err();
        assert!(said.contains(callrail::ACCOUNT), "{said}");
        assert_eq!(ours.database.db_number("SELECT COUNT(*) FROM connections"), 0);
        // So the program before may still open it.
        assert_eq!(ours.database.db_number("SELECT oldest_program FROM bitting"), 1);

        let untested = ["add", "fresh", "--kind", "callrail", "--base-url", base, "--untested"];
        assert_eq!(ours.connection(&untested, "wrong"), Ok("fresh untested".to_owned()));
        assert_eq!(ours.database.db_number("SELECT oldest_program FROM bitting"), 2);
        let said = ours.connection(&["test", "fresh"], "").unwrap_err();
        assert!(said.contains("fresh rejected"), "{said}");
        // Only a test that succeeds ends that.
        let again = ours.connection(&["set-credential", "fresh", "--untested"], "other").unwrap();
        assert!(again.starts_with("fresh rejected"), "{again}");
        let mended = ours.connection(&["set-credential", "fresh"], callrail::KEY);
        assert_eq!(mended, Ok("fresh ok".to_owned()));
        let events = "SELECT action FROM audit_events WHERE action LIKE 'connection.%' ORDER BY id";
        let expected = ["created", "rejected", "credential_set", "recovered", "credential_set"];
        let expected = expected.map(|a| format!("connection.{a}"));
        assert_eq!(ours.database.db_texts(events), expected);
    }
}

on_both! {
    fn a_connection_is_changed_switched_off_and_removed_for_good(backend) {
        let callrail = callrail::start();
        let ours = Operator::new(backend, &[&callrail]);
        ours.add("cr", "callrail", &callrail, callrail::KEY).unwrap();
        let set = ["set", "cr", "--account", callrail::ACCOUNT, "--limit", "600/minute", "--name", "Calls"];
        ours.connection(&set, "").unwrap();
        let shown = ours.shown("cr");
        assert_eq!((&shown["account"], &shown["limit"]), (&callrail::ACCOUNT.into(), &"600/minute".into()));
        let said = ours.connection(&["set", "cr", "--limit", "fast"], "").unwrap_err();
        assert!(said.contains("--limit"), "{said}");
        let said = ours.connection(&["set", "cr", "--name", ""], "").unwrap_err();
        assert!(said.contains("--name is required"), "{said}");
        ours.connection(&["set", "cr", "--limit", "none"], "").unwrap();
        assert_eq!(ours.shown("cr")["limit"], serde_json::Value::Null);

        assert_eq!(ours.connection(&["disable", "cr"], ""), Ok("cr disabled".to_owned()));
        assert_eq!(ours.connection(&["enable", "cr"], ""), Ok("cr ok".to_owned()));
        let twice = ours.add("cr", "callrail", &callrail, callrail::KEY).unwrap_err();
        assert!(twice.contains("another connection"), "{twice}");
        assert_eq!(ours.connection(&["remove", "cr"], ""), Ok("cr removed".to_owned()));
        for gone in [["show", "cr"], ["test", "cr"], ["enable", "cr"]] {
            let said = ours.connection(&gone, "").unwrap_err();
            assert!(said.contains("no connection cr"), "{said}");
        }
        let again = ours.add("cr", "callrail", &callrail, callrail::KEY).unwrap_err();
        assert!(again.contains("never given again"), "{again}");
        let sealed = "SELECT COUNT(*) FROM connections WHERE sealed IS NOT NULL OR hint IS NOT NULL";
        assert_eq!(ours.database.db_number(sealed), 0);
    }
}

#[test]
fn a_test_reads_gzip_and_says_that_another_encoding_is_one() {
    for (encoding, said) in
        [("gzip", Ok("cr ok")), ("br", Err("status 200: there was no valid answer: it is encoded"))]
    {
        let vendor = Vendor::start(move |seen, _| {
            assert_eq!(header(seen, "accept-encoding"), Some("identity"));
            let mut zip = GzEncoder::new(Vec::new(), Compression::default());
            zip.write_all(b"{\"accounts\": []}").unwrap();
            let body = zip.finish().unwrap();
            Reply { body, ..Reply::json(200, &json!({})) }.with("Content-Encoding", encoding)
        });
        let ours = Operator::new(Backend::Sqlite, &[&vendor]);
        match (ours.add("cr", "callrail", &vendor, callrail::KEY), said) {
            (Ok(found), Ok(wanted)) => assert_eq!(found, wanted),
            (Err(found), Err(wanted)) => assert!(found.contains(wanted), "{found}"),
            (found, _) => panic!("{encoding}: {found:?}"),
        }
    }
}

#[test]
fn without_a_master_key_nobody_is_asked_for_a_credential() {
    let callrail = callrail::start();
    let mut ours = Operator::new(Backend::Sqlite, &[&callrail]);
    ours.key = None;
    let said = ours.add("cr", "callrail", &callrail, callrail::KEY).unwrap_err();
    assert!(said.contains("no master key is set") && said.contains("new-key"), "{said}");
    ours.key = Some(new_key()[..40].to_owned());
    let said = ours.add("cr", "callrail", &callrail, callrail::KEY).unwrap_err();
    assert!(said.contains("BITTING_CONNECTIONS_KEY: the key in place 1"), "{said}");
    assert_eq!(callrail.take().len(), 0);
}

#[test]
fn a_new_key_is_alone_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let key = binary::run_ok(folder.path(), &["connection", "new-key"]);
    assert!(key.parse::<bitting::model::connections::MasterKey>().is_ok());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a database was made");
}

on_both! {
    fn scopes_at_connections_are_granted_by_commands(backend) {
        let callrail = callrail::start();
        let ours = Operator::new(backend, &[&callrail]);
        ours.add("callrail", "callrail", &callrail, callrail::KEY).unwrap();
        let made = |arguments: &[&str]| {
            let output = ours.run_with(arguments, "correct horse battery staple\n");
            let said = String::from_utf8(output.stderr).unwrap();
            (output.status.success(), said)
        };
        let key = |scope| {
            made(&["key", "create", "--name", "a", "--scope", scope, "--expires", "30d"])
        };
        assert!(key("calls:read@callrail").0);
        for unknown in ["calls:read@other", "agents:write@callrail", "orders:read@callrail"] {
            let (made, said) = key(unknown);
            assert!(!made && said.contains("is not a scope"), "{said}");
        }
        let granted = ["--may-grant", "calls:read@callrail"];
        let token = ["token", "create", "--name", "t", "--access", "write"];
        let (done, said) = made(&[&token[..], &granted].concat());
        assert!(done, "{said}");
        let every = ours.run_with(&[&token[..], &["--json"]].concat(), "").stdout;
        let every = String::from_utf8(every).unwrap();
        assert!(every.contains("calls:read@callrail") && every.contains("agents:write"), "{every}");
        assert!(made(&["user", "add", "ada@example.com", "--role", "admin"]).0);
        let bob = ["user", "add", "bob@example.com", "--role", "member"];
        let (done, said) = made(&[&bob[..], &granted].concat());
        assert!(done, "{said}");
        let (done, said) = made(&["key", "list", "--scope", "calls:read@callrail"]);
        assert!(done, "{said}");
    }
}
