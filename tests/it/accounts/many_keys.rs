//! Users with very many keys are disabled a hundred keys at a time.

use bitting::domain::users::disabling::CredentialCounts;
use bitting::model::key::NewKey;
use bitting::model::user::User;
use serde_json::json;

use crate::support::server::operator;
use crate::support::{Backend, TestServer, on_both};

fn db_keys_of(server: &TestServer, user: &User, many: usize) {
    let body = json!({"name": "theirs", "scopes": ["calls:read"]});
    let principal = server.db_principal(user);
    for _ in 0..many {
        let now = server.bitting.time.now();
        let new = NewKey::from_object(body.as_object().unwrap(), &server.bitting.catalog, now);
        server.bitting.issue_key(new.unwrap(), &principal, None).unwrap();
    }
}

/// Has the database refuse to change the newest key, or no longer.
fn db_spoil_newest(server: &TestServer, spoil: bool) {
    let newest = server.database.db_number("SELECT MAX(number) FROM api_keys");
    let sql = match (server.database.backend, spoil) {
        (Backend::Sqlite, false) => "DROP TRIGGER spoilt".to_owned(),
        (Backend::Postgres, false) => {
            "DROP TRIGGER spoilt ON api_keys; DROP FUNCTION spoil".to_owned()
        }
        (Backend::Sqlite, true) => format!(
            "CREATE TRIGGER spoilt BEFORE UPDATE ON api_keys WHEN OLD.number = {newest} \
             BEGIN SELECT RAISE(ABORT, 'spoilt'); END"
        ),
        (Backend::Postgres, true) => format!(
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql \
             AS $$ BEGIN RAISE EXCEPTION 'spoilt'; END $$; \
             CREATE TRIGGER spoilt BEFORE UPDATE ON api_keys FOR EACH ROW \
             WHEN (OLD.number = {newest}) EXECUTE FUNCTION spoil()"
        ),
    };
    server.database.db_execute(&sql);
}

on_both! {
    fn a_user_with_many_keys_is_disabled_at_once_and_their_keys_in_steps(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({}));
        let admin = server.db_browser("ada@example.com");
        for (email, heir, action) in [
            ("bo@example.com", None, "key.revoked"),
            ("cy@example.com", Some(ada.id), "key.updated"),
        ] {
            let user = server.db_user(email, json!({"may_grant": ["calls:read"]}));
            db_keys_of(&server, &user, 230);
            let session = server.db_browser(email);
            db_spoil_newest(&server, true);
            let failed = server.bitting.disable_user(&operator(), user.id, heir);
            let said = failed.unwrap_err().to_string();
            assert!(said.contains("is disabled") && said.contains("again"), "{said}");
            assert!(!session.is_signed_in());
            let left = server.bitting.holdings_of(&operator(), user.id).unwrap();
            assert_eq!(left, CredentialCounts { keys: 30, tokens: 0 });

            // The page offers to do the rest.
            let page = admin.get(&format!("/users/{}", user.id));
            assert!(page.body.contains(&format!("/users/{}/disable", user.id)), "{}", page.body);
            let page = admin.get(&format!("/users/{}/disable", user.id));
            assert!(page.status == 200 && page.body.contains("30 keys"), "{}", page.body);

            db_spoil_newest(&server, false);
            let (_, had) = server.bitting.disable_user(&operator(), user.id, heir).unwrap();
            assert_eq!(had, left);
            let count = |action: &str, about: &str| {
                let sql = format!("SELECT COUNT(*) FROM audit_events WHERE action = '{action}'{about}");
                server.database.db_number(&sql)
            };
            assert_eq!(count(action, ""), 230);
            assert_eq!(count("user.disabled", &format!(" AND detail LIKE '%{}%'", user.id)), 1);
            let page = admin.get(&format!("/users/{}", user.id));
            assert!(!page.body.contains("/disable"), "{}", page.body);
        }
    }
}

on_both! {
    fn who_disables_themselves_loses_all_their_keys(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({"role": "admin"}));
        db_keys_of(&server, &bo, 101);
        let (_, had) = server.bitting.disable_user(&server.db_principal(&bo), bo.id, None).unwrap();
        assert_eq!(had, CredentialCounts { keys: 101, tokens: 0 });
        let left = server.bitting.holdings_of(&operator(), bo.id).unwrap();
        assert_eq!(left, CredentialCounts::default());
    }
}
