//! A server that runs while a newer program makes its database unfit for it.

use std::time::Duration;

use serde_json::json;

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
