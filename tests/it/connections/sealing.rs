//! How credentials are kept: what opens them, what does not, and how the master key is changed.

use bitting::config::ConnectionOptions;

use super::{Operator, new_key};
use crate::support::vendors::{Vendor, callrail, clari};
use crate::support::{Backend, on_both};

fn two(backend: Backend) -> (Vendor, Vendor, Operator) {
    let (callrail, clari) = (callrail::start(), clari::start());
    let ours = Operator::new(backend, &[&callrail, &clari]);
    ours.add("calls", "callrail", &callrail, callrail::KEY).unwrap();
    ours.add("other", "callrail", &callrail, callrail::KEY).unwrap();
    ours.add("deals", "clari", &clari, clari::TOKEN).unwrap();
    (callrail, clari, ours)
}

/// What `bitting check` says of connections, and whether it finds nothing wrong.
fn check(ours: &Operator) -> (bool, String) {
    let output = ours.run_with(&["check"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("connections:")).unwrap_or_default();
    (output.status.success(), line.to_owned())
}

on_both! {
    fn whoever_writes_the_database_cannot_send_a_credential_elsewhere(backend) {
        let (callrail, clari, ours) = two(backend);
        let elsewhere = clari.origin();
        for (what, damage, undo) in [
            (
                "origin",
                format!("UPDATE connections SET origin = '{elsewhere}' WHERE handle = 'calls'"),
                format!("UPDATE connections SET origin = '{}' WHERE handle = 'calls'", callrail.origin()),
            ),
            (
                "form",
                "UPDATE connections SET form = 'bearer' WHERE handle = 'calls'".to_owned(),
                "UPDATE connections SET form = 'token' WHERE handle = 'calls'".to_owned(),
            ),
            (
                "database",
                "UPDATE bitting SET database_id = 'x' || database_id".to_owned(),
                "UPDATE bitting SET database_id = SUBSTR(database_id, 2)".to_owned(),
            ),
        ] {
            ours.connection(&["test", "calls"], "").unwrap();
            callrail.take();
            clari.take();
            ours.database.db_execute(&damage);
            let said = ours.connection(&["test", "calls"], "").unwrap_err();
            assert!(said.contains("does not open"), "{what}: {said}");
            assert_eq!((callrail.take().len(), clari.take().len()), (0, 0), "{what}");
            let (right, line) = check(&ours);
            assert!(!right && line.contains("calls: its credential does not open"), "{what}: {line}");
            ours.database.db_execute(&undo);
        }
        // One connection's credential is none of another's, though both are of one vendor.
        let swap = "UPDATE connections SET sealed = (SELECT sealed FROM connections WHERE handle = \
                    'other') WHERE handle = 'calls'";
        ours.database.db_execute(swap);
        let said = ours.connection(&["test", "calls"], "").unwrap_err();
        assert!(said.contains("does not open"), "{said}");
        // It is still listed, as what it is, and mended by entering the credential again.
        let list = ours.connection(&["list"], "").unwrap();
        let states: Vec<_> = list.lines().skip(1).filter_map(|l| l.split_whitespace().nth(2)).collect();
        assert_eq!(states, ["locked", "ok", "ok"], "{list}");
        let server = ours.serve(ConnectionOptions::default());
        let shown = server.manage("GET", "/v1/connections/calls", None).ok();
        assert_eq!(shown["state"], "locked", "{shown}");
        assert!(shown["state_detail"].as_str().unwrap().contains("does not open"), "{shown}");
        assert_eq!(ours.connection(&["set-credential", "calls"], callrail::KEY), Ok("calls ok".into()));
    }
}

on_both! {
    fn what_cannot_be_read_of_one_connection_costs_no_other(backend) {
        let (callrail, _clari, ours) = two(backend);
        let sealed = match backend {
            Backend::Sqlite => "sealed = x'02'",
            Backend::Postgres => "sealed = '\\x02'",
        };
        let damage = |what: &str| ours.database.db_execute(&format!("UPDATE connections SET {what} WHERE handle = 'calls'"));
        let others_work = |what: &str| {
            assert_eq!(ours.connection(&["list"], "").unwrap().lines().count(), 4, "{what}");
            assert_eq!(ours.connection(&["test", "other"], ""), Ok("other ok".to_owned()), "{what}");
        };
        for (what, state) in [(sealed, "locked"), ("test_result = 'nonsense'", "untested")] {
            damage(what);
            assert_eq!(ours.shown("calls")["state"], state, "{what}");
            others_work(what);
            let set = ours.connection(&["set-credential", "calls"], callrail::KEY);
            assert_eq!(set, Ok("calls ok".to_owned()), "{what}");
        }
        // What else stands there is not taken for what was there, and not written over it.
        for (what, before) in [
            ("kind = 'nonsense'", "kind = 'callrail'"),
            ("form = 'nonsense'", "form = 'token'"),
            ("rules = 'nonsense'", "rules = NULL"),
        ] {
            damage(what);
            assert_eq!(ours.shown("calls")["state"], "locked", "{what}");
            others_work(what);
            for command in [&["set-credential", "calls"][..], &["set", "calls", "--name", "x"], &["disable", "calls"], &["test", "calls"]] {
                let said = ours.connection(command, callrail::KEY).unwrap_err();
                assert!(said.contains("cannot be read"), "{what} {command:?}: {said}");
            }
            damage(before);
            assert_eq!(ours.shown("calls")["state"], "ok", "{what}");
        }
        damage("kind = 'nonsense'");
        let server = ours.serve(ConnectionOptions::default());
        let key = server.key("calls:read@other");
        server.call(&key, "GET", "/via/other/v3/a.json", None).expect(200, "");
        drop((server, callrail));
        assert_eq!(ours.connection(&["remove", "calls"], ""), Ok("calls removed".to_owned()));
    }
}

on_both! {
    fn with_another_master_key_connections_are_locked_and_say_which_they_need(backend) {
        let (callrail, _clari, mut ours) = two(backend);
        let (right, line) = check(&ours);
        assert!(right && line.contains("3 sealed with the master key"), "{line}");
        let first = ours.key.replace(new_key());
        let shown = ours.connection(&["show", "calls"], "").unwrap();
        assert!(shown.contains("calls locked: its credential needs the master key"), "{shown}");
        assert_eq!(ours.shown("deals")["state"], "locked");
        let (right, line) = check(&ours);
        assert!(!right && line.contains("needs the master key"), "{line}");
        for refused in [
            ours.add("fresh", "callrail", &callrail, callrail::KEY),
            ours.connection(&["rekey"], ""),
            ours.connection(&["test", "calls"], ""),
        ] {
            let said = refused.unwrap_err();
            assert!(said.contains("needs the master key"), "{said}");
        }
        // All that needs no credential goes on.
        ours.connection(&["set", "calls", "--name", "Calls"], "").unwrap();
        ours.connection(&["disable", "calls"], "").unwrap();
        ours.connection(&["enable", "calls"], "").unwrap();

        let second = ours.key.take().unwrap();
        assert_eq!(ours.shown("calls")["state"], "locked");
        // Both keys at once: the first seals, both open; then the old one is of no use.
        ours.key = Some(format!("{second} {}", first.clone().unwrap()));
        assert_eq!(ours.shown("calls")["state"], "ok");
        let rekeyed = ours.connection(&["rekey"], "").unwrap();
        assert!(rekeyed.contains("3 sealed with the master key"), "{rekeyed}");
        ours.key = first;
        assert_eq!(ours.shown("calls")["state"], "locked");
        ours.key = Some(second);
        ours.connection(&["test", "calls"], "").unwrap();
        assert!(check(&ours).0);
        let events = "SELECT COUNT(*) FROM audit_events WHERE action = 'connection.rekeyed'";
        assert_eq!(ours.database.db_number(events), 1);
    }
}

on_both! {
    /// The list is of those hosts that connections may lead to, not that they might be led to once.
    fn a_host_that_is_taken_off_the_list_gets_no_credential_any_more(backend) {
        let (callrail, _clari, mut ours) = two(backend);
        callrail.take();
        let hosts = std::mem::take(&mut ours.hosts);
        let server = ours.serve(ConnectionOptions::default());
        let key = server.key("calls:read@calls");
        let answer = server.call(&key, "GET", "/via/calls/v3/a.json", None);
        answer.expect(503, "connection_locked");
        drop(server);
        let shown = ours.connection(&["show", "calls"], "").unwrap();
        assert!(shown.contains("calls locked: its address"), "{shown}");
        let (right, line) = check(&ours);
        assert!(!right && line.contains("is not among --connections-hosts"), "{line}");
        let said = ours.run_with(&["check"], "");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(!said.contains("--connections-key-file"), "no key is missing: {said}");
        for refused in [
            ours.connection(&["test", "calls"], ""),
            ours.connection(&["set-credential", "calls"], callrail::KEY),
            ours.connection(&["set-credential", "calls", "--untested"], callrail::KEY),
        ] {
            let said = refused.unwrap_err();
            assert!(said.contains("is not among --connections-hosts"), "{said}");
        }
        assert!(callrail.take().is_empty());
        ours.connection(&["rekey"], "").unwrap();
        ours.hosts = hosts;
        assert_eq!(ours.shown("calls")["state"], "ok");
        assert!(check(&ours).0);
    }
}

on_both! {
    fn a_lost_master_key_costs_the_credentials_and_nothing_else(backend) {
        let (_callrail, _clari, mut ours) = two(backend);
        let before = ours.shown("calls");
        ours.key = Some(new_key());
        for (handle, credential) in
            [("calls", callrail::KEY), ("other", callrail::KEY), ("deals", clari::TOKEN)]
        {
            let set = ours.connection(&["set-credential", handle], credential);
            assert_eq!(set, Ok(format!("{handle} ok")));
        }
        assert_eq!(ours.shown("calls")["id"], before["id"]);
        assert!(check(&ours).0);
        ours.connection(&["rekey"], "").unwrap();
    }
}
