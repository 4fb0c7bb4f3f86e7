//! Users: added, changed, disabled and enabled; what becomes of their keys; the last administrator.

use bitting::domain::Error;
use bitting::domain::principal::Principal;
use bitting::domain::users::disabling::CredentialCounts;
use bitting::model::actor::ClientInfo;
use bitting::model::credential::Ended;
use bitting::model::key::NewKey;
use bitting::model::password::Password;
use bitting::model::token::NewToken;
use bitting::model::user::{NewUser, Role, User, UserChange};
use bitting::records::model::resources;
use serde_json::{Value, json};

use crate::support::browser::PASSWORD;
use crate::support::server::{MadeKey, operator};
use crate::support::{Answer, TestServer, eventually, on_both, rounds};

/// A key that a user makes.
fn db_key_of(server: &TestServer, user: &User, scopes: &[&str]) -> MadeKey {
    let body = json!({"name": "theirs", "scopes": scopes});
    let new = NewKey::from_object(
        body.as_object().unwrap(),
        &resources::catalog(),
        server.bitting.time.now(),
    )
    .unwrap();
    let issued = server.bitting.issue_key(new, &server.db_principal(user), None).unwrap();
    MadeKey { id: issued.key.id.to_string(), secret: issued.secret.expose().to_owned() }
}

/// An admin token that a user makes.
fn db_token_of(server: &TestServer, user: &User) -> String {
    let body = json!({"name": "theirs", "access": "write", "expires_at": "2027-01-01T00:00:00Z"});
    let new = NewToken::from_object(
        body.as_object().unwrap(),
        &resources::catalog(),
        server.bitting.time.now(),
    )
    .unwrap();
    let issued = server.bitting.issue_token(new, &server.db_principal(user)).unwrap();
    issued.secret.expose().to_owned()
}

fn ping(server: &TestServer, key: &MadeKey) -> Answer {
    server.call(key, "GET", "/v1/ping", None)
}

fn list(server: &TestServer, token: &str) -> Answer {
    server.client.with_key(token, "GET", "/v1/keys", None)
}

fn role_change(role: Role) -> UserChange {
    UserChange { role: Some(role), may_grant: None }
}

/// The events of an action, the newest first.
fn events(server: &TestServer, action: &str) -> Vec<Value> {
    let found = server.manage("GET", &format!("/v1/audit?limit=100&action={action}"), None).ok();
    found["data"].as_array().unwrap().clone()
}

on_both! {
    fn the_first_user_is_an_administrator_and_later_ones_are_members(backend) {
        let server = TestServer::start(backend);
        let first = NewUser {
            email: "ada@example.com".parse().unwrap(),
            role: Some(Role::Member),
            may_grant: Default::default(),
        };
        let refused = server.bitting.add_user(&operator(), &first, None);
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");

        let ada = server.db_user("Ada@Example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({}));
        assert_eq!((ada.role, bo.role), (Role::Admin, Role::Member));
        assert_eq!(ada.email.as_str(), "ada@example.com");
        assert!(bo.grants(&resources::catalog()).is_empty());
        let again = NewUser { email: "ADA@example.com".parse().unwrap(), role: None, ..first };
        let refused = server.bitting.add_user(&operator(), &again, None);
        assert!(refused.is_err_and(|why| why.to_string().contains("email")));

        let created = events(&server, "user.created");
        assert_eq!(created.len(), 2);
        assert_eq!(created[1]["detail"]["user_id"], json!(ada.id));
        assert_eq!(created[1]["detail"]["role"], "admin");
        assert_eq!(created[1]["actor"]["type"], "cli");
    }
}

on_both! {
    fn disabling_revokes_what_they_had_and_enabling_revives_nothing(backend) {
        let server = TestServer::start(backend);
        let other = TestServer::on(server.database.clone(), Default::default());
        server.db_user("ada@example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({"role": "admin"}));
        let (key, spare) =
            (db_key_of(&server, &bo, &["calls:read"]), db_key_of(&server, &bo, &["calls:read"]));
        let token = db_token_of(&server, &bo);
        let foreign = server.key("calls:read");
        server.revoke(&spare);
        ping(&server, &key).ok();
        ping(&other, &key).ok();

        let touched = server.bitting.holdings_of(&operator(), bo.id).unwrap();
        assert_eq!(touched, CredentialCounts { keys: 1, tokens: 1 });
        let (disabled, had) = server.bitting.disable_user(&operator(), bo.id, None).unwrap();
        assert_eq!(had, touched);
        assert!(disabled.disabled_at.is_some());
        ping(&server, &key).expect(401, "key_revoked");
        list(&server, &token).expect(401, "key_revoked");
        ping(&server, &foreign).ok();
        eventually("the other server refuses it", || ping(&other, &key).status == 401);

        let shown = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
        assert_eq!(shown["revoke_reason"], "user_disabled");
        assert_eq!(shown["status"], "revoked");
        assert_eq!(shown["created_by"]["name"], "bo@example.com");
        let revoked = events(&server, "key.revoked");
        assert_eq!(revoked.iter().filter(|event| event["key_id"] == key.id.as_str()).count(), 1);
        assert_eq!(events(&server, "token.revoked").len(), 1);
        let events_of_it = events(&server, "user.disabled");
        assert_eq!(events_of_it[0]["detail"]["keys"], 1);

        // Once more changes nothing; enabling gives back the way in and nothing else.
        let (_, had) = server.bitting.disable_user(&operator(), bo.id, None).unwrap();
        assert_eq!(had, CredentialCounts { keys: 0, tokens: 0 });
        assert_eq!(events(&server, "user.disabled").len(), 1);
        let enabled = server.bitting.enable_user(&operator(), bo.id).unwrap();
        assert_eq!(enabled.disabled_at, None);
        ping(&server, &key).expect(401, "key_revoked");
        list(&server, &token).expect(401, "key_revoked");
        assert_eq!(events(&server, "user.enabled").len(), 1);
    }
}

on_both! {
    fn what_is_handed_over_goes_on_working_for_its_new_user(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({"role": "admin"}));
        let cy = server.db_user("cy@example.com", json!({"may_grant": ["calls:read"]}));
        let key = db_key_of(&server, &cy, &["calls:read"]);
        let before = server.database.db_number("SELECT MAX(revision) FROM api_keys");

        for heir in [&cy, &server.db_user("di@example.com", json!({"role": "auditor"}))] {
            let refused = server.bitting.disable_user(&operator(), cy.id, Some(heir.id));
            assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
        }
        server.bitting.disable_user(&operator(), cy.id, Some(bo.id)).unwrap();
        ping(&server, &key).ok();
        let id = key.id.parse().unwrap();
        let kept = server.bitting.find_key(&operator(), id).unwrap();
        assert!(kept.is_held_by(bo.id));
        assert_eq!(kept.created_by.name, "cy@example.com");
        assert!(kept.revision > before, "the change feed has to tell it");
        let updated = events(&server, "key.updated");
        assert_eq!(updated[0]["detail"]["after"]["holder"], "bo@example.com");
        assert_eq!(updated[0]["id"], json!(kept.revision));

        // Tokens go to administrators alone, and then all goes on once more.
        let token = db_token_of(&server, &bo);
        let eve = server.db_user("eve@example.com", json!({}));
        let refused = server.bitting.disable_user(&operator(), bo.id, Some(eve.id));
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
        let handed = server.bitting.disable_user(&operator(), bo.id, Some(ada.id)).unwrap().1;
        assert_eq!(handed, CredentialCounts { keys: 1, tokens: 1 });
        ping(&server, &key).ok();
        list(&server, &token).ok();
        assert_eq!(events(&server, "token.updated").len(), 1);
        let enabled = server.bitting.enable_user(&operator(), cy.id).unwrap();
        let theirs = server.bitting.find_key(&server.db_principal(&enabled), id);
        assert!(matches!(theirs, Err(Error::NotFound)));
    }
}

on_both! {
    fn the_last_administrator_stays(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({}));
        let refused = server.bitting.disable_user(&operator(), ada.id, None);
        assert!(matches!(refused, Err(Error::LastAdministrator)), "{refused:?}");
        let refused =
            server.bitting.change_user(&operator(), ada.id, &role_change(Role::Auditor));
        assert!(matches!(refused, Err(Error::LastAdministrator)), "{refused:?}");

        // One who is disabled does not count.
        let bo = server.db_user("bo@example.com", json!({"role": "admin"}));
        server.bitting.disable_user(&operator(), bo.id, None).unwrap();
        let refused = server.bitting.disable_user(&operator(), ada.id, None);
        assert!(matches!(refused, Err(Error::LastAdministrator)), "{refused:?}");
        server.bitting.enable_user(&operator(), bo.id).unwrap();
        server.bitting.change_user(&operator(), ada.id, &role_change(Role::Member)).unwrap();
        assert_eq!(events(&server, "user.updated").len(), 1);
    }
}

on_both! {
    fn an_administrator_without_a_password_cannot_sign_in_and_does_not_count(backend) {
        let server = TestServer::start(backend);
        let refused = |result: Result<User, Error>| {
            assert!(matches!(result, Err(Error::LastAdministrator)), "{result:?}");
        };
        let change = |user: &User| {
            server.bitting.change_user(&operator(), user.id, &role_change(Role::Member))
        };
        let disable = |user: &User| {
            server.bitting.disable_user(&operator(), user.id, None).map(|(user, _)| user)
        };
        let ada = server.db_user("ada@example.com", json!({}));
        let new = |email: &str| NewUser {
            email: email.parse().unwrap(), role: Some(Role::Admin), may_grant: Default::default(),
        };
        let [bo, cy] = ["bo@example.com", "cy@example.com"].map(|email| {
            server.bitting.add_user(&operator(), &new(email), None).unwrap()
        });
        refused(change(&ada));
        refused(disable(&ada));
        disable(&cy).unwrap();
        server.bitting.enable_user(&operator(), cy.id).unwrap();
        // They can go, but not all who might still set one.
        let password = Password::choose(PASSWORD, &bo.email).unwrap();
        server.bitting.set_password(&operator(), bo.id, &password).unwrap();
        disable(&ada).unwrap();
        refused(disable(&bo));
        disable(&cy).unwrap();
    }
}

on_both! {
    /// The first one may not have followed their link yet.
    fn the_only_administrator_stays_before_they_have_a_password(backend) {
        let server = TestServer::start(backend);
        let new = NewUser {
            email: "ada@example.com".parse().unwrap(), role: None, may_grant: Default::default(),
        };
        let ada = server.bitting.add_user(&operator(), &new, None).unwrap();
        let refused = server.bitting.disable_user(&operator(), ada.id, None);
        assert!(matches!(refused, Err(Error::LastAdministrator)), "{refused:?}");
    }
}

on_both! {
    fn two_administrators_who_demote_each_other_leave_one(backend) {
        let server = TestServer::start(backend);
        let other = TestServer::on(server.database.clone(), Default::default());
        let ada = server.db_user("ada@example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({"role": "admin"}));
        for round in 0..rounds(20, 6) {
            let by = |server: &TestServer, user: &User| {
                Principal::user(
                    server.bitting.find_user(&operator(), user.id).unwrap(),
                    &ClientInfo::default(),
                )
            };
            let (by_ada, by_bo) = (by(&server, &ada), by(&other, &bo));
            let (server, other, ada, bo) = (&server, &other, &ada, &bo);
            let (first, second) = std::thread::scope(|scope| {
                let first = scope.spawn(move || {
                    server.bitting.change_user(&by_ada, bo.id, &role_change(Role::Member))
                });
                let second = scope.spawn(move || match round % 2 {
                    0 => other.bitting.change_user(&by_bo, ada.id, &role_change(Role::Member)),
                    _ => other.bitting.disable_user(&by_bo, ada.id, None).map(|(user, _)| user),
                });
                (first.join().unwrap(), second.join().unwrap())
            });
            let administrators = "SELECT COUNT(*) FROM users \
                                  WHERE role = 'admin' AND disabled_at IS NULL";
            assert_eq!(server.database.db_number(administrators), 1, "{first:?} {second:?}");
            assert_eq!(i32::from(first.is_ok()) + i32::from(second.is_ok()), 1);
            for user in [ada, bo] {
                server.bitting.enable_user(&operator(), user.id).unwrap();
                let back = role_change(Role::Admin);
                server.bitting.change_user(&operator(), user.id, &back).unwrap();
            }
        }
    }
}

on_both! {
    fn an_administrator_who_is_demoted_loses_their_tokens_and_keeps_their_keys(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({"role": "admin"}));
        let (key, token) = (db_key_of(&server, &bo, &["leads:read"]), db_token_of(&server, &bo));
        list(&server, &token).ok();
        server.bitting.change_user(&operator(), bo.id, &role_change(Role::Member)).unwrap();
        list(&server, &token).expect(401, "key_revoked");
        ping(&server, &key).ok();
        let revoked = events(&server, "token.revoked");
        assert_eq!(revoked[0]["detail"]["reason"], "user_demoted");
    }
}

on_both! {
    fn no_key_is_made_by_somebody_who_is_being_disabled(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({}));
        for round in 0..rounds(10, 4) {
            let email = format!("bo{round}@example.com");
            let bo = server.db_user(&email, json!({"may_grant": ["calls:read"]}));
            let principal = server.db_principal(&bo);
            let (server, bo) = (&server, &bo);
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    let principal = principal.clone();
                    scope.spawn(move || {
                        let body = json!({"name": "late", "scopes": ["calls:read"]});
                        let now = server.bitting.time.now();
                        let new = NewKey::from_object(body.as_object().unwrap(), &resources::catalog(), now).unwrap();
                        let made = server.bitting.issue_key(new, &principal, None);
                        assert!(matches!(made, Ok(_) | Err(Error::Ended(Ended::SignedOut))));
                    });
                }
                scope.spawn(|| server.bitting.disable_user(&operator(), bo.id, None).unwrap());
            });
            let left = server.bitting.holdings_of(&operator(), bo.id).unwrap();
            assert_eq!(left, CredentialCounts { keys: 0, tokens: 0 });
        }
    }
}
