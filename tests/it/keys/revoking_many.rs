//! Revoking many keys at once: by ids and by filters, over HTTP, on the page and at the command line.

use bitting::config::Options;
use serde_json::{Value, json};

use crate::commands::cli::{Shell, errors};
use crate::support::html::{attributes, text, texts};
use crate::support::server::MadeKey;
use crate::support::{Backend, TestServer, eventually, on_both};

const ADMIN: &str = "ada@example.com";
const MEMBER: &str = "bob@example.com";

fn start(backend: Backend) -> TestServer {
    let server = TestServer::start(backend);
    server.db_user(ADMIN, json!({"role": "admin"}));
    server.db_user(MEMBER, json!({"role": "member", "may_grant": ["calls:read"]}));
    server
}

fn make(server: &TestServer, names: &[&str]) -> Vec<MadeKey> {
    let make = |name: &&str| server.key_with("calls:read", json!({"name": name, "owner": "acme"}));
    names.iter().map(make).collect()
}

fn ids(keys: &[MadeKey]) -> Vec<String> {
    keys.iter().map(|key| key.id.clone()).collect()
}

/// The keys of which revocations are in the audit log, the newest first.
fn revocations(server: &TestServer) -> Vec<String> {
    let log = server.manage("GET", "/v1/audit?action=key.revoked&limit=100", None).ok();
    let key = |event: &Value| event["key_id"].as_str().unwrap().to_owned();
    log["data"].as_array().unwrap().iter().map(key).collect()
}

fn revoke(server: &TestServer, body: &Value) -> crate::support::Answer {
    server.manage("POST", "/v1/keys/revoke", Some(body))
}

on_both! {
    fn many_are_revoked_at_once_each_with_an_event_and_here_and_elsewhere(backend) {
        let server = start(backend);
        let other = TestServer::with_clock(server.database.clone(), Options::default(), server.clock.clone());
        let names: Vec<String> = (0..230).map(|n| format!("key {n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let keys = make(&server, &names);
        other.call(&keys[0], "GET", "/v1/ping", None).ok();
        let gone = server.revoke(&keys[7])["revoked_at"].clone();
        // One twice.
        let mut named = ids(&keys);
        named.push(keys[3].id.clone());
        let done = revoke(&server, &json!({"ids": named, "reason": "cleared up"})).ok();
        assert_eq!(done["already_revoked"], json!([keys[7].id]));
        let expected: Vec<_> = ids(&keys).into_iter().filter(|id| *id != keys[7].id).collect();
        assert_eq!(done["revoked"], json!(expected));
        for key in [&keys[0], &keys[99], &keys[100], &keys[229]] {
            server.call(key, "GET", "/v1/ping", None).expect(401, "key_revoked");
            eventually("the other server refuses it", || {
                other.call(key, "GET", "/v1/ping", None).status == 401
            });
        }
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM audit_events WHERE action = 'key.revoked'"), 230);
        let shown = server.manage("GET", &format!("/v1/keys/{}", keys[150].id), None).ok();
        assert_eq!((&shown["revoke_reason"], &shown["status"]), (&json!("cleared up"), &json!("revoked")));
        let first = server.manage("GET", &format!("/v1/keys/{}", keys[7].id), None).ok();
        assert_eq!((&first["revoked_at"], &first["revoke_reason"]), (&gone, &Value::Null));
        // Once more changes nothing.
        let again = revoke(&server, &json!({"ids": [keys[1].id]})).ok();
        assert_eq!(again, json!({"revoked": [], "already_revoked": [keys[1].id]}));
    }
}

on_both! {
    fn an_id_of_no_key_is_named_and_nothing_is_changed(backend) {
        let server = start(backend);
        let keys = make(&server, &["a", "b"]);
        let unknown = "key_00000000000000000000000000";
        let mut named = ids(&keys);
        named.insert(1, unknown.to_owned());
        let refused = revoke(&server, &json!({"ids": named}));
        refused.expect(422, "validation_failed");
        assert_eq!(refused.fields(), ["ids"]);
        assert!(refused.body.contains(unknown) && !refused.body.contains(&keys[0].id), "{}", refused.body);
        assert!(revocations(&server).is_empty());
        server.call(&keys[0], "GET", "/v1/ping", None).ok();
    }
}

on_both! {
    fn what_a_filter_finds_is_revoked_only_if_it_is_as_many_as_was_said(backend) {
        let server = start(backend);
        let keys = make(&server, &["job a", "job b", "job c", "other"]);
        server.revoke(&keys[2]);
        let with = |confirm: usize| json!({"filter": {"q": "job"}, "confirm": confirm});
        for wrong in [0, 1, 3] {
            let refused = revoke(&server, &with(wrong));
            refused.expect(409, "not_confirmed");
            assert_eq!(refused.json()["found"], 2);
        }
        assert_eq!(revocations(&server).len(), 1);
        let done = revoke(&server, &with(2)).ok();
        assert_eq!(done, json!({"revoked": [keys[1].id, keys[0].id], "already_revoked": []}));
        assert_eq!(revoke(&server, &with(0)).ok()["revoked"], json!([]));
        let all = json!({"filter": {"q": "job", "status": "all"}, "confirm": 3});
        assert_eq!(revoke(&server, &all).ok()["already_revoked"].as_array().unwrap().len(), 3);
        server.call(&keys[3], "GET", "/v1/ping", None).ok();
    }
}

#[test]
fn a_request_that_is_wrong_is_refused_with_every_fault_named() {
    let server = start(Backend::Sqlite);
    let key = make(&server, &["a"]).remove(0);
    let many = vec![key.id.clone(); 1001];
    for (body, fields) in [
        (json!({}), &["ids"][..]),
        (json!({"reason": "x"}), &["ids"]),
        (json!({"ids": []}), &["ids"]),
        (json!({"ids": many}), &["ids"]),
        (json!({"ids": key.id}), &["ids"]),
        (json!({"ids": ["key_1"]}), &["ids"]),
        (json!({"ids": [1]}), &["ids"]),
        (json!({"ids": [key.id], "confirm": 1}), &["confirm"]),
        (json!({"ids": [key.id], "filter": {}, "confirm": 1}), &["filter"]),
        (json!({"filter": {}}), &["confirm"]),
        (json!({"confirm": 1}), &["filter"]),
        (json!({"filter": "all", "confirm": 1}), &["filter"]),
        (json!({"filter": {}, "confirm": -1}), &["confirm"]),
        (json!({"filter": {}, "confirm": "1"}), &["confirm"]),
        (json!({"filter": {}, "confirm": 1}), &["filter"]),
        (json!({"filter": {"owner": null}, "confirm": 1}), &["filter"]),
        (
            json!({"filter": {"unused_for": "90", "over_scoped": "true", "x": 1}, "confirm": 1}),
            &["filter.unused_for", "filter.over_scoped", "filter.x"],
        ),
        (json!({"ids": [key.id], "reason": "a".repeat(501)}), &["reason"]),
        (json!({"ids": [key.id], "reason": key.secret}), &["reason"]),
        (json!({"ids": [key.id], "force": true}), &["force"]),
    ] {
        let refused = revoke(&server, &body);
        refused.expect(422, "validation_failed");
        assert_eq!(refused.fields(), fields, "{body:.200}");
    }
    server.call(&key, "GET", "/v1/ping", None).ok();
    let reader = server.db_token(&json!({"name": "reader", "access": "read"}));
    let body = json!({"ids": [key.id]});
    server
        .client
        .with_key(&reader, "POST", "/v1/keys/revoke", Some(&body))
        .expect(403, "insufficient_scope");
    server
        .client
        .with_key(&key.secret, "POST", "/v1/keys/revoke", Some(&body))
        .expect(403, "wrong_credential");
    server.manage("GET", "/v1/keys/revoke", None).expect(405, "method_not_allowed");
}

/// Has the database refuse to revoke this key.
fn db_poison(server: &TestServer, key: &MadeKey) {
    let when = format!("NEW.id = '{}' AND NEW.revoked_at IS NOT NULL", key.id);
    server.database.db_execute(&match server.database.backend {
        Backend::Sqlite => format!(
            "CREATE TRIGGER poison BEFORE UPDATE ON api_keys WHEN {when} \
             BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
        ),
        Backend::Postgres => format!(
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'poisoned'; END $$; \
             CREATE TRIGGER poison BEFORE UPDATE ON api_keys FOR EACH ROW WHEN ({when}) \
             EXECUTE FUNCTION poison()"
        ),
    });
}

on_both! {
    fn what_was_revoked_before_a_failure_is_named_and_the_rest_can_be_revoked(backend) {
        let server = start(backend);
        let names: Vec<String> = (0..230).map(|n| format!("key {n:03}")).collect();
        let keys = make(&server, &names.iter().map(String::as_str).collect::<Vec<_>>());
        db_poison(&server, &keys[210]);
        let body = json!({"ids": ids(&keys)});
        let failed = revoke(&server, &body);
        failed.expect(503, "unavailable");
        let failed = failed.json();
        assert_eq!(failed["revoked"], json!(ids(&keys[..200])));
        let detail = failed["detail"].as_str().unwrap();
        assert!(detail.contains("200 of 230 keys were revoked"), "{detail}");
        assert!(!detail.contains("nothing was changed") && !detail.contains("poisoned"), "{detail}");
        server.call(&keys[199], "GET", "/v1/ping", None).expect(401, "key_revoked");
        server.call(&keys[200], "GET", "/v1/ping", None).ok();

        // On the page, too; and before anything is revoked, nothing was changed.
        let admin = server.db_browser(ADMIN);
        let rest: Vec<(&str, &str)> = keys[200..].iter().map(|key| ("key", key.id.as_str())).collect();
        let page = admin.submit("/keys", "/keys/revoke", &rest);
        assert_eq!(page.status, 503);
        assert!(page.body.contains("nothing was changed"), "{}", page.body);

        server.database.db_execute(match backend {
            Backend::Sqlite => "DROP TRIGGER poison",
            Backend::Postgres => "DROP TRIGGER poison ON api_keys",
        });
        let done = revoke(&server, &body).ok();
        assert_eq!(done["revoked"], json!(ids(&keys[200..])));
        assert_eq!(done["already_revoked"], json!(ids(&keys[..200])));
    }
}

on_both! {
    fn sent_again_with_its_idempotency_key_it_is_answered_as_before(backend) {
        let server = start(backend);
        let keys = make(&server, &["a", "b"]);
        let body = json!({"filter": {"owner": "acme"}, "confirm": 2}).to_string();
        let credential = format!("Bearer {}", server.admin);
        let headers = [("Authorization", credential.as_str()), ("Idempotency-Key", "clear-up"), ("Content-Type", "application/json")];
        let send = || server.client.send("POST", "/v1/keys/revoke", &headers, Some(&body));
        let (first, again) = (send(), send());
        assert_eq!(first.ok(), again.ok());
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(revocations(&server), ids(&keys));
    }
}

on_both! {
    fn the_page_names_what_it_will_revoke_and_asks_first(backend) {
        let server = start(backend);
        let keys = make(&server, &["<one>", "two", "three"]);
        let admin = server.db_browser(ADMIN);
        let list = admin.get("/keys");
        assert_eq!(attributes(&list, "td input, th input", "value").len(), 3);
        assert_eq!(attributes(&list, "form[action='/keys/revoke']", "method"), ["get"]);
        let asked = admin.get(&format!("/keys/revoke?key={}&key={}", keys[0].id, keys[1].id));
        assert_eq!(asked.status, 200, "{asked:#?}");
        assert_eq!((text(&asked, "h1"), texts(&asked, "#named bdi:first-child").len()), ("Revoke 2 keys?".to_owned(), 4));
        assert!(texts(&asked, "#named a").contains(&"<one>".to_owned()));
        server.call(&keys[0], "GET", "/v1/ping", None).ok();
        let fields = [("key", keys[0].id.as_str()), ("key", keys[1].id.as_str()), ("reason", "not needed")];
        let wrong = admin.submit("/keys", "/keys/revoke", &[fields[0], ("reason", &"x".repeat(501))]);
        assert_eq!((wrong.status, attributes(&wrong, "#named input", "value")), (422, vec![keys[0].id.clone()]));
        let done = admin.submit("/keys", "/keys/revoke", &fields);
        assert_eq!((done.status, done.header("location")), (303, "/keys/retired"));
        server.call(&keys[0], "GET", "/v1/ping", None).expect(401, "key_revoked");
        server.call(&keys[2], "GET", "/v1/ping", None).ok();
        assert!(text(&admin.get("/keys/retired"), "table").contains("not needed"));
        // Nothing is ticked, or nothing is left of it.
        for path in ["/keys/revoke".to_owned(), format!("/keys/revoke?key={}", keys[0].id)] {
            assert_eq!(text(&admin.get(&path), "#empty h2"), "No key to revoke", "{path}");
        }
        for path in ["key=key_1", "key=key_00000000000000000000000000", "unused_for=x", "nope=1"] {
            assert_eq!(admin.get(&format!("/keys/revoke?{path}")).status, 422, "{path}");
        }
    }
}

on_both! {
    fn the_page_revokes_what_a_filter_finds_unless_that_has_changed(backend) {
        let server = start(backend);
        let names: Vec<String> = (0..120).map(|n| format!("job {n:03}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        make(&server, &names);
        let admin = server.db_browser(ADMIN);
        assert!(attributes(&admin.get("/keys"), ".picked a", "href").is_empty());
        let list = admin.get("/keys?q=job&sort=name");
        assert_eq!(text(&list, ".picked a"), "Revoke all 120 keys…");
        let way = attributes(&list, ".picked a", "href").concat();
        assert_eq!(way, "/keys/revoke?q=job");
        let asked = admin.get(&way);
        assert_eq!((text(&asked, "h1"), texts(&asked, "#named li").len()), ("Revoke 120 keys?".to_owned(), 100));
        assert!(texts(&asked, "main p").contains(&"And 20 more: see all of them .".to_owned()), "{:?}", texts(&asked, "main p"));
        let field = |page, name: &str| attributes(page, &format!("input[name={name}]"), "value").concat();
        let (filter, mark) = (field(&asked, "q"), field(&asked, "mark"));
        make(&server, &["job made meanwhile"]);
        let fields = [("q", filter.as_str()), ("mark", mark.as_str()), ("reason", "old")];
        let changed = admin.submit("/keys", "/keys/revoke", &fields);
        assert_eq!((changed.status, text(&changed, "h1")), (409, "Revoke 121 keys?".to_owned()));
        assert!(text(&changed, ".notice").contains("Nothing has been revoked: these are not the keys that were shown"));
        assert_eq!(field(&changed, "reason"), "old");
        assert!(revocations(&server).is_empty());
        // As many, and not the same.
        let mark = field(&changed, "mark");
        let list = server.manage("GET", "/v1/keys?q=job&limit=1", None).ok();
        let body = json!({"ids": [list["data"][0]["id"]]});
        revoke(&server, &body).ok();
        make(&server, &["job made later"]);
        let other = admin.submit("/keys", "/keys/revoke", &[fields[0], ("mark", &mark)]);
        assert_eq!((other.status, text(&other, "h1")), (409, "Revoke 121 keys?".to_owned()));
        let mark = field(&other, "mark");
        let done = admin.submit("/keys", "/keys/revoke", &[fields[0], ("mark", &mark)]);
        assert_eq!(done.status, 303, "{done:#?}");
        assert_eq!(texts(&admin.get("/keys"), ".tabs .count"), ["0", "122"]);
    }
}

on_both! {
    fn a_member_revokes_only_keys_of_their_own(backend) {
        let server = start(backend);
        let foreign = make(&server, &["foreign job"]).remove(0);
        let user = server.db_user("cy@example.com", json!({"role": "member", "may_grant": ["calls:read"]}));
        let new = json!({"name": "own job", "scopes": ["calls:read"]});
        let new = bitting::model::key::NewKey::from_object(new.as_object().unwrap(), &server.bitting.catalog, server.bitting.time.now());
        let own = server.bitting.issue_key(new.unwrap(), &server.db_principal(&user), None).unwrap().key.id.to_string();
        let member = server.db_browser("cy@example.com");
        let asked = member.get("/keys/revoke?q=job");
        assert_eq!(texts(&asked, "#named a"), ["own job"]);
        let both = member.get(&format!("/keys/revoke?key={own}&key={}", foreign.id));
        assert!(both.status == 422 && !both.body.contains("foreign job"), "{both:#?}");
        let both = member.submit("/keys", "/keys/revoke", &[("key", &own), ("key", &foreign.id)]);
        assert!(both.status == 422 && !both.body.contains("foreign job"), "{both:#?}");
        assert!(revocations(&server).is_empty());
        let denied = server.manage("GET", "/v1/audit?action=access.denied", None).ok();
        assert_eq!(denied["data"][0]["key_id"], json!(foreign.id));
        let mark = attributes(&asked, "input[name=mark]", "value").concat();
        let done = member.submit("/keys", "/keys/revoke", &[("q", "job"), ("mark", &mark)]);
        assert_eq!((done.status, revocations(&server)), (303, vec![own]));
        server.db_user("eve@example.com", json!({"role": "auditor"}));
        let auditor = server.db_browser("eve@example.com");
        assert_eq!(auditor.get("/keys/revoke").status, 403);
        assert_eq!(auditor.submit("/keys", "/keys/revoke", &[("key", &foreign.id)]).status, 403);
        assert!(attributes(&auditor.get("/keys"), "input[type=checkbox]", "name").is_empty());
        server.call(&foreign, "GET", "/v1/ping", None).ok();
    }
}

on_both! {
    fn the_command_line_revokes_several_and_what_filters_find(backend) {
        let shell = Shell::new(backend);
        for name in ["a", "b", "c", "d", "e"] {
            shell.ok(&["key", "create", "--name", name, "--scope", "calls:read", "--owner", "acme"]);
        }
        let listed = shell.json(&["key", "list"]);
        let ids: Vec<&str> = listed.iter().map(|key| key["id"].as_str().unwrap()).collect();
        let unknown = "key_00000000000000000000000000";
        shell.refused(&["key", "revoke", ids[0], unknown], 2, &[unknown]);
        shell.refused(&["key", "revoke"], 2, &["no keys are named"]);
        shell.refused(&["key", "revoke", ids[0], "--owner", "acme"], 2, &["either ids or filters"]);
        shell.refused(&["key", "revoke", ids[0], "--confirm", "1"], 2, &["--confirm"]);
        shell.refused(&["key", "revoke", "--owner", "acme"], 2, &["find 5 keys", "--confirm 5"]);
        shell.refused(&["key", "revoke", "--owner", "acme", "--confirm", "4"], 1, &["finds 5 keys, not 4"]);
        shell.refused(&["key", "revoke", "--unused-for", "x", "--confirm", "5"], 2, &["--unused-for"]);
        let printed = shell.ok(&["key", "revoke", ids[0], ids[1]]);
        assert_eq!(printed, format!("{} revoked\n{} revoked\n", ids[0], ids[1]));
        let again = shell.run(&["key", "revoke", ids[0], ids[2], "--reason", "x"]);
        assert_eq!(String::from_utf8_lossy(&again.stdout), format!("{} was already revoked\n{} revoked\n", ids[0], ids[2]));
        assert!(errors(&again).contains("1 revoked, 1 already"), "{}", errors(&again));
        let done = shell.json(&["key", "revoke", "--owner", "acme", "--confirm", "2"]);
        assert_eq!(done, [json!({"revoked": [ids[3], ids[4]], "already_revoked": []})]);
    }
}
