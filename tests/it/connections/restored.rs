//! Connections of a database that was set back: `bitting revoke-as-in` takes away again what had been taken
//! from them, and where running servers cannot read them anew, they keep what they have.

use std::sync::Arc;

use bitting::config::ConnectionOptions;
use serde_json::{Value, json};

use super::{Operator, db_add, handle, server};
use crate::support::restore::{db_save, db_set_back};
use crate::support::vendors::callrail;
use crate::support::{TestDatabase, on_both};

const RULES: [&str; 4] =
    ["--rule", "GET /v1/things/{id} things:read", "--rule", "GET /v1/all all:read"];

fn shown(ours: &Operator, handle: &str) -> Value {
    let mut shown = ours.shown(handle);
    shown.as_object_mut().unwrap().retain(|name, _| {
        ["state", "name", "account", "standing", "recordings", "limit", "key_limit", "rules"]
            .contains(&name.as_str())
    });
    shown
}

on_both! {
    fn what_connections_had_lost_since_a_backup_they_lose_again(backend) {
        let vendor = callrail::start();
        let mut ours = Operator::new(backend, &[&vendor]);
        for handle in ["kept", "off", "gone", "less"] {
            ours.add(handle, "callrail", &vendor, callrail::KEY).unwrap();
        }
        let wide = ["set", "less", "--standing", "true", "--limit", "60/minute", "--key-limit", "7/second"];
        ours.connection(&wide, "").unwrap();
        let base = ["add", "crm", "--kind", "http", "--base-url", vendor.origin(), "--untested"];
        let auth = ["--auth", "header:X-Api-Key"];
        ours.connection(&[&base[..], &auth, &RULES].concat(), callrail::KEY).unwrap();
        let copy: Arc<TestDatabase> = Arc::new(ours.database.db_copy());

        ours.connection(&["disable", "off"], "").unwrap();
        ours.connection(&["remove", "gone"], "").unwrap();
        let less = [
            "set", "less", "--account", callrail::ACCOUNT, "--standing", "false", "--recordings", "false",
            "--limit", "5/second", "--key-limit", "60/minute", "--name", "New name",
        ];
        ours.connection(&less, "").unwrap();
        ours.connection(&["set", "crm", RULES[0], RULES[1]], "").unwrap();
        ours.connection(&["set", "kept", "--standing", "true"], "").unwrap();

        let before = std::mem::replace(&mut ours.database, copy);
        let run = |more: &[&str]| {
            let output = ours.run_with(&[&["revoke-as-in", &before.url], more].concat(), "");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let planned = run(&["--dry-run"]);
        let mut lines: Vec<&str> = planned.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, [
            "connection crm narrowed",
            "connection gone removed",
            "connection less narrowed",
            "connection off switched off",
            "every session and one-time link ended",
        ]);
        assert_eq!(ours.shown("off")["state"], "ok", "looking has changed nothing");
        assert_eq!(run(&[]), planned);
        assert_eq!(run(&[]), "every session and one-time link ended\n", "all is done");

        assert_eq!(ours.shown("off")["state"], "disabled");
        assert!(ours.connection(&["show", "gone"], "").unwrap_err().contains("no connection gone"));
        assert_eq!(shown(&ours, "less"), json!({
            "state": "ok", "name": "less", "account": callrail::ACCOUNT, "standing": false,
            "recordings": false, "limit": "60/minute", "key_limit": "60/minute", "rules": [],
        }));
        assert_eq!(shown(&ours, "crm")["rules"], json!([RULES[1]]));
        assert_eq!(shown(&ours, "kept")["standing"], false, "nothing is given");
        let server = ours.serve(ConnectionOptions::default());
        let key = server.key("things:read@crm");
        server.call(&key, "GET", "/via/crm/v1/all", None).expect(403, "not_offered");
    }
}

on_both! {
    fn where_a_database_that_was_set_back_cannot_be_read_nothing_is_replaced(backend) {
        let vendor = callrail::start();
        let server = server(backend, &vendor);
        let key = server.key("calls:read");
        // Nobody reads a key again that has not changed.
        server.database.db_execute("UPDATE api_keys SET scopes = 'unreadable'");
        db_save(&server.database);
        db_add(&server, &vendor);
        db_set_back(&server.database);
        assert!(server.bitting.read_feed().is_err());
        let there = || server.bitting.connections.registry.find(&handle()).is_some();
        assert!(there(), "the keys are those from before, and so are the connections");
        server.call(&key, "GET", "/v1/ping", None).expect(200, "");

        server.database.db_execute("UPDATE api_keys SET scopes = 'calls:read'");
        server.bitting.read_feed().unwrap();
        assert!(!there());
        server.call(&key, "GET", "/v1/ping", None).expect(200, "");
    }
}
