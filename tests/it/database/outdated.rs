//! A server that runs while a newer program makes its database unfit for it, and what makes it so.

use std::time::Duration;

use serde_json::json;

use crate::support::binary::run_ok;
use crate::support::{TestServer, eventually, on_both};

on_both! {
    fn an_outdated_server_changes_nothing_more_and_decides_until_what_it_knows_is_old(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read");
        let ping = || server.call(&key, "GET", "/v1/ping", None);
        let body = json!({"name": "new", "scopes": ["calls:read"]});
        let events = "SELECT COUNT(*) FROM audit_events";
        let before = server.database.db_number(events);

        server.database.db_execute("UPDATE bitting SET oldest_program = 99");
        eventually("it is noticed", || server.bitting.read_feed().is_err());
        let refused = server.manage("POST", "/v1/keys", Some(&body));
        refused.expect(503, "unavailable");
        assert!(refused.body.contains("older than its database"), "{}", refused.body);
        let revoke = format!("/v1/keys/{}/revoke", key.id);
        server.manage("POST", &revoke, None).expect(503, "unavailable");
        assert!(server.bitting.save_high_water().is_err());
        ping().expect(200, "");
        assert_eq!(server.database.db_number(events), before);

        server.clock.pass(Duration::from_millis(5_001));
        ping().expect(503, "unavailable");
        assert_eq!(server.client.send("GET", "/readyz", &[], None).status, 503);

        // The database was restored, say.
        server.database.db_execute("UPDATE bitting SET oldest_program = 1");
        eventually("it is ready again", || {
            server.client.send("GET", "/readyz", &[], None).status == 200
        });
        ping().expect(200, "");
        server.manage("POST", "/v1/keys", Some(&body)).expect(201, "");
    }
}

on_both! {
    fn what_earlier_programs_would_not_enforce_keeps_them_away(backend) {
        let limit = json!({"requests": 1, "per": "minute"});
        let made_limited = |server: &TestServer| {
            let body = json!({"name": "a", "scopes": ["calls:read"], "rate_limit": &limit});
            server.manage("POST", "/v1/keys", Some(&body)).expect(201, "");
        };
        let limited_later = |server: &TestServer| {
            let key = server.key("calls:read");
            let change = json!({"allowed_networks": ["127.0.0.1"]});
            let path = format!("/v1/keys/{}", key.id);
            server.manage("PATCH", &path, Some(&change)).expect(200, "");
        };
        let imported = |server: &TestServer| {
            let folder = tempfile::tempdir().unwrap();
            let rows = "free,calls:read,{},\nlimited,calls:read,{},9/day\n";
            let rows = rows.replacen("{}", &"a".repeat(64), 1).replacen("{}", &"b".repeat(64), 1);
            std::fs::write(folder.path().join("keys.csv"), format!("name,scopes,sha256,quota\n{rows}"))
                .unwrap();
            let import = ["key", "import", "keys.csv", "--database-url", &server.database.url];
            run_ok(folder.path(), &import);
        };
        let ways: [&dyn Fn(&TestServer); 3] = [&made_limited, &limited_later, &imported];
        for limit in ways {
            let server = TestServer::start(backend);
            server.key("calls:read");
            let oldest = || server.database.db_number("SELECT oldest_program FROM bitting");
            assert_eq!(oldest(), 1);
            limit(&server);
            assert_eq!(oldest(), 2);
            server.manage("GET", "/v1/keys", None).expect(200, "");
        }
    }
}
