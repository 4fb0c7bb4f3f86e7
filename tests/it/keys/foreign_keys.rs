//! What a member is told of somebody else's key: nothing, on no page and in no file; and every
//! attempt is in the audit log.

use bitting::http::endpoint::Guard;
use bitting::server::endpoints;
use serde_json::json;

use crate::support::{TestServer, on_both};

const MEMBER: &str = "bob@example.com";

on_both! {
    fn nothing_of_anothers_key_is_on_any_page_or_in_any_file_of_a_member(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({}));
        server.db_user(MEMBER, json!({"role": "member", "may_grant": ["calls:read", "integrations:write"]}));
        let foreign = server.key_with("integrations:write knowledge_base:read", json!({
            "name": "Quietname", "owner": "Quietowner", "description": "Quietdescription",
        }));
        let agent = [("user-agent", "Quietagent/1.0"), ("x-api-key", &*foreign.secret)];
        for _ in 0..7 {
            server.client.send("GET", "/v1/knowledge_base", &agent, None).ok();
        }
        let ended = server.key_with("integrations:write", json!({"name": "Quietended"}));
        let reason = json!({"reason": "Quietreason"});
        server.manage("POST", &format!("/v1/keys/{}/revoke", ended.id), Some(&reason)).ok();
        let display = server.manage("GET", &format!("/v1/keys/{}", foreign.id), None).ok();
        let display = display["display"].as_str().unwrap();
        let member = server.db_browser(MEMBER);

        let mut tried = 0;
        for endpoint in endpoints(true) {
            let shows = endpoint.methods().iter().any(|method| method.as_str() == "GET");
            if !shows || !matches!(endpoint.guard(), Guard::Page(_)) {
                continue;
            }
            for id in [&foreign.id, &ended.id] {
                let path = endpoint.path().replace("{id}", id);
                for query in [
                    "", "?q=Quiet", "?owner=Quietowner", "?sort=most_used&page=1", "?scope=knowledge_base%3Aread",
                    "?status=all&q=quietname", "?window=24h&by=resource", "?by=time", "?actor_type=token",
                    &format!("?key_id={id}"), &format!("?q={id}"),
                ] {
                    let answer = member.get(&format!("{path}{query}"));
                    assert!([200, 303, 403, 404, 422].contains(&answer.status), "{path}{query}: {answer:#?}");
                    for secret in ["Quietowner", "Quietdescription", "Quietagent", "Quietended", "Quietreason", "Quietname", display] {
                        // What they searched for themselves stands in the field again, in words and in links.
                        let body = answer.body.replace("value=\"Quietowner\"", "").replace("quietname", "");
                        let body = body.replace("<bdi>of Quietowner</bdi>", "").replace("owner=Quietowner", "");
                        assert!(!body.contains(secret), "{path}{query} tells of {secret}: {body}");
                    }
                    if answer.status == 200 && endpoint.path().contains("usage") {
                        assert!(!answer.body.contains("knowledge_base"), "{path}{query}");
                    }
                    tried += 1;
                }
            }
        }
        assert!(tried > 300, "{tried}");
        let denied = server.manage("GET", "/v1/audit?action=access.denied&limit=100", None).ok();
        let denied = denied["data"].as_array().unwrap();
        for id in [&foreign.id, &ended.id] {
            let mine = denied.iter().filter(|event| event["key_id"] == **id && event["actor"]["name"] == MEMBER);
            assert!(mine.count() >= 4, "its page, editing, narrowing, rotating and revoking it");
        }
    }
}
