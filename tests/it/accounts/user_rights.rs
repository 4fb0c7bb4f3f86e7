//! What users may do in their roles: a member with their own keys within their limits, an auditor
//! nothing but read, and what is noted of attempts.

use bitting::domain::Error;
use bitting::domain::principal::Principal;
use bitting::model::audit::AuditFilter;
use bitting::model::id::KeyId;
use bitting::model::key::{ApiKey, NewKey};
use bitting::model::key_filter::KeyFilter;
use bitting::model::page::PageRequest;
use bitting::model::token::NewToken;
use bitting::model::user::{NewUser, UserChange};
use bitting::records::model::resources;
use serde_json::{Map, Value, json};

use crate::support::browser::PASSWORD;
use crate::support::server::operator;
use crate::support::{Browser, TestServer, on_both};

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn issue(server: &TestServer, by: &Principal, scopes: &[&str]) -> Result<ApiKey, Error> {
    let body = object(json!({"name": "a key", "scopes": scopes}));
    let new = NewKey::from_object(&body, &resources::catalog(), server.bitting.time.now()).unwrap();
    server.bitting.issue_key(new, by, None).map(|issued| issued.key)
}

fn listed(server: &TestServer, by: &Principal, filter: &KeyFilter) -> Vec<KeyId> {
    let page = server.bitting.list_keys(by, filter, &PageRequest::default()).unwrap();
    page.items.iter().map(|key| key.id).collect()
}

fn denials(server: &TestServer) -> Vec<Value> {
    let found = server.manage("GET", "/v1/audit?limit=100&action=access.denied", None).ok();
    found["data"].as_array().unwrap().clone()
}

on_both! {
    fn a_member_grants_only_what_was_allowed_them(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({}));
        let refused = issue(&server, &server.db_principal(&bo), &["calls:read"]);
        assert!(matches!(refused, Err(Error::NotGranted { .. })));
        let limits = UserChange::from_object(&object(json!({"may_grant": ["calls:read"]})), &resources::catalog()).unwrap();
        server.bitting.change_user(&operator(), bo.id, &limits).unwrap();
        let member = server.db_principal(&bo);
        let key = issue(&server, &member, &["calls:read"]).unwrap();
        assert!(key.is_held_by(bo.id));
        assert_eq!(key.created_by.name, "bo@example.com");
        let refused = issue(&server, &member, &["calls:read", "calls:write"]);
        assert!(matches!(refused, Err(Error::NotGranted { .. })));

        // Narrowed: at once, and the key stays.
        let none = UserChange::from_object(&object(json!({"may_grant": []})), &resources::catalog()).unwrap();
        server.bitting.change_user(&operator(), bo.id, &none).unwrap();
        let refused = issue(&server, &member, &["calls:read"]);
        assert!(matches!(refused, Err(Error::NotGranted { .. })), "by rights of before");
        let kept = server.bitting.find_key(&member, key.id).unwrap();
        assert_eq!((kept.revocation, kept.scopes), (None, key.scopes));
        assert_eq!(denials(&server).len(), 3);
        assert_eq!(denials(&server)[0]["actor"]["name"], "bo@example.com");
        assert_eq!(denials(&server)[0]["detail"]["attempt"], "key.created");
    }
}

on_both! {
    fn to_a_member_foreign_keys_are_not_there(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({}));
        let limits = json!({"may_grant": ["calls:read"]});
        let bo = server.db_user("bo@example.com", limits.clone());
        let cy = server.db_user("cy@example.com", limits);
        let (admin, bo, cy) =
            (server.db_principal(&ada), server.db_principal(&bo), server.db_principal(&cy));
        let by_token: KeyId = server.key("calls:read").id.parse().unwrap();
        let by_ada = issue(&server, &admin, &["calls:read"]).unwrap().id;
        let by_bo = issue(&server, &bo, &["calls:read"]).unwrap().id;
        let by_cy = issue(&server, &cy, &["calls:read"]).unwrap().id;

        let all = KeyFilter::default();
        assert_eq!(listed(&server, &bo, &all), [by_bo]);
        assert_eq!(listed(&server, &cy, &all), [by_cy]);
        assert_eq!(listed(&server, &admin, &all), [by_cy, by_bo, by_ada, by_token]);
        let searched = KeyFilter { text: Some("key".to_owned()), ..all };
        assert_eq!(listed(&server, &bo, &searched), [by_bo]);

        let mut expected = 0;
        for foreign in [by_token, by_ada, by_cy] {
            let tries = [
                server.bitting.find_key(&bo, foreign),
                server.bitting.edit_key(foreign, object(json!({"name": "mine"})), &bo),
                server.bitting.revoke_key(foreign, None, &bo, None),
            ];
            for (tried, attempt) in tries.into_iter().zip(["key.read", "key.updated", "key.revoked"]) {
                assert!(matches!(tried, Err(Error::NotFound)), "{tried:?}");
                expected += 1;
                let noted = denials(&server);
                let noted = noted.iter().find(|event| {
                    event["detail"]["attempt"] == attempt && event["key_id"] == json!(foreign)
                });
                assert_eq!(noted.unwrap()["actor"]["name"], "bo@example.com");
            }
            let untouched = server.bitting.find_key(&operator(), foreign).unwrap();
            assert!(untouched.revocation.is_none() && untouched.label.name != "mine");
        }
        assert_eq!(denials(&server).len(), expected);
        // What is nobody's is no attempt.
        let unknown: KeyId = "key_00000000000000000000000000".parse().unwrap();
        assert!(matches!(server.bitting.find_key(&bo, unknown), Err(Error::NotFound)));
        assert_eq!(denials(&server).len(), expected);

        server.bitting.edit_key(by_bo, object(json!({"name": "mine"})), &bo).unwrap();
        server.bitting.revoke_key(by_bo, None, &bo, None).unwrap();
        server.bitting.revoke_key(by_cy, None, &admin, None).unwrap();
    }
}

on_both! {
    fn a_member_reads_the_audit_log_of_their_own(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({"may_grant": ["calls:read"]}));
        let (admin, member) = (server.db_principal(&ada), server.db_principal(&bo));
        let own = issue(&server, &member, &["calls:read"]).unwrap();
        let foreign = issue(&server, &admin, &["calls:read"]).unwrap();
        let _ = server.bitting.find_key(&member, foreign.id);
        server.bitting.revoke_key(own.id, None, &admin, None).unwrap();
        let read = |by: &Principal| {
            let (filter, request) = (AuditFilter::default(), PageRequest::default());
            let page = server.bitting.list_audit(by, &filter, &request).unwrap();
            page.items.into_iter().map(|event| event.action).collect::<Vec<_>>()
        };
        assert_eq!(read(&member), ["key.revoked", "access.denied", "key.created"]);
        assert_eq!(read(&admin).len(), 7);
        // Of what was handed on the page names the events, and leads to no key that is not theirs.
        let handed = issue(&server, &member, &["calls:read"]).unwrap();
        server.bitting.edit_key(handed.id, object(json!({"holder": ada.email})), &operator()).unwrap();
        let browser = Browser::new(&server.client.base);
        browser.log_in(bo.email.as_str(), PASSWORD);
        let log = browser.get("/audit").body;
        let links = |key: &ApiKey| log.matches(&format!("href=\"/keys/{}\"", key.id)).count();
        assert_eq!([&own, &handed, &foreign].map(links), [2, 0, 0], "{log}");
        assert!(log.contains("Made a key"), "{log}");
    }
}

on_both! {
    fn an_auditor_reads_everything_and_changes_nothing(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({}));
        let more = json!({"role": "auditor"});
        let auditor = server.db_principal(&server.db_user("di@example.com", more));
        let key = issue(&server, &server.db_principal(&ada), &["calls:read"]).unwrap();
        let bitting = &server.bitting;
        assert_eq!(listed(&server, &auditor, &KeyFilter::default()), [key.id]);
        bitting.find_key(&auditor, key.id).unwrap();
        let tokens = bitting.list_tokens(&auditor).unwrap();
        assert_eq!(bitting.list_users(&auditor).unwrap().len(), 2);
        bitting.holdings_of(&auditor, ada.id).unwrap();

        let new = NewUser::from_object(&object(json!({"email": "x@example.com"})), &resources::catalog()).unwrap();
        let change = UserChange::default();
        let refusals = [
            issue(&server, &auditor, &["calls:read"]).err(),
            bitting.edit_key(key.id, object(json!({"name": "b"})), &auditor).err(),
            bitting.revoke_key(key.id, None, &auditor, None).err(),
            bitting.revoke_token(tokens[0].id, None, &auditor).err(),
            bitting.add_user(&auditor, &new, None).err(),
            bitting.change_user(&auditor, ada.id, &change).err(),
            bitting.disable_user(&auditor, ada.id, None).err(),
            bitting.enable_user(&auditor, ada.id).err(),
            bitting.make_password_link(&auditor, ada.id).err(),
        ];
        for (n, refusal) in refusals.iter().enumerate() {
            assert!(matches!(refusal, Some(Error::Forbidden)), "{n}: {refusal:?}");
        }
        assert_eq!(denials(&server).len(), refusals.len());
    }
}

on_both! {
    fn members_and_tokens_administer_nothing(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({}));
        let more = json!({"may_grant": ["calls:read"]});
        let member = server.db_principal(&server.db_user("bo@example.com", more));
        let id = server.bitting.list_tokens(&operator()).unwrap()[0].id;
        let token = Principal::token(id, operator().origin, resources::catalog().scopes());
        for principal in [member, token] {
            let body = object(json!({
                "name": "t", "access": "read", "expires_at": "2027-01-01T00:00:00Z",
            }));
            let new = NewToken::from_object(&body, &resources::catalog(), server.bitting.time.now()).unwrap();
            let refused = server.bitting.issue_token(new, &principal);
            assert!(matches!(refused, Err(Error::Forbidden)));
            assert!(matches!(server.bitting.list_tokens(&principal), Err(Error::Forbidden)));
            assert!(matches!(server.bitting.list_users(&principal), Err(Error::Forbidden)));
            let refused = server.bitting.disable_user(&principal, ada.id, None);
            assert!(matches!(refused, Err(Error::Forbidden)));
        }
    }
}
