//! What pages say of a key that reaches a connection: its use there is told from that of a resource of
//! our own with the same name.

use serde_json::json;

use super::{admin_of, behind_a_server};
use crate::commands::cli::Shell;
use crate::support::html::{attributes, text, texts};
use crate::support::vendors::callrail;
use crate::support::{TestDatabase, on_both};

on_both! {
    fn the_use_of_a_scope_at_a_connection_is_its_own(backend) {
        let (_vendor, ours, server) = behind_a_server(backend);
        let key = server.key("calls:read calls:read@callrail leads:read@callrail");
        server.call(&key, "GET", "/v1/calls", None).ok();
        let through = format!("/via/callrail/v3/a/{}/calls.json", callrail::ACCOUNT);
        for _ in 0..2 {
            server.call(&key, "GET", &through, None).ok();
        }
        server.db_flush();
        let browser = admin_of(&server);
        let page = browser.get(&format!("/keys/{}", key.id));
        let used = text(&page, "#granted-used");
        assert!(used.starts_with("granted 3, used 2 in 30 days"), "{used}");
        let form = browser.get(&format!("/keys/{}/narrow", key.id));
        let used = ["1 request in 30 days", "2 requests in 30 days", "not used in 30 days"];
        assert_eq!(texts(&form, "#scope .under"), used);
        let in_use = browser.get(&format!("/keys/{}/narrow?in_use=true", key.id)).body;
        assert!(in_use.matches("checked").count() >= 2, "{in_use}");

        let shell = Shell(TestDatabase::at(backend, ours.database.url.clone()));
        let scopes = "calls:read calls:read@callrail leads:read@callrail\n";
        let shown = shell.ok(&["key", "show", &key.id]);
        assert!(shown.contains(scopes), "{shown}");
        ours.connection(&["remove", "callrail", "--yes"], "").unwrap();
        server.pass(std::time::Duration::from_secs(1));
        let form = browser.get(&format!("/keys/{}/narrow", key.id));
        let gone = ["1 request in 30 days", "no longer a resource", "no longer a resource"];
        assert_eq!(texts(&form, "#scope .under"), gone);
        let here = format!("/keys/{}", key.id);
        assert_eq!(texts(&browser.get(&here), ".scopes .gone"), ["gone", "gone"]);
        let gone = json!(["calls:read@callrail", "leads:read@callrail"]);
        assert_eq!(server.manage("GET", &format!("/v1{here}"), None).ok()["gone_scopes"], gone);
        let shown = shell.ok(&["key", "show", &key.id]);
        let marked = "calls:read calls:read@callrail(gone) leads:read@callrail(gone)";
        assert!(shown.contains(marked), "{shown}");
    }
}

on_both! {
    fn a_new_key_is_shown_with_a_request_that_it_may_make(backend) {
        let (_vendor, _ours, server) = behind_a_server(backend);
        let browser = admin_of(&server);
        for (scope, wanted) in [
            ("calls:read", "/v1/calls"),
            ("calls:read@callrail", "/via/callrail/v3/a/ACCOUNT/calls.json"),
            ("calls:write@callrail", ""),
        ] {
            let form = browser.get("/keys/new");
            let nonce = attributes(&form, "input[name=nonce]", "value").remove(0);
            let fields =
                [("nonce", &*nonce), ("name", scope), ("expires", "30d"), ("scope", scope)];
            let made = browser.submit("/keys/new", "/keys/new", &fields);
            assert_eq!(made.status, 200, "{scope}: {}", made.body);
            let sample = text(&made, "#sample");
            assert!(sample.ends_with(wanted), "{scope}: {sample}");
            assert_eq!(sample.is_empty(), wanted.is_empty(), "{scope}: {sample}");
        }
    }
}
