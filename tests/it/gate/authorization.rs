//! One table of authorization: every method of every path, with every kind of credential.
//!
//! What is expected follows from the path alone, by the rules people are told. A path that no rule
//! covers fails the test, so that nobody adds one without saying here who may call it.

use bitting::domain::principal::Principal;
use bitting::gate::route::Need;
use bitting::http::endpoint::Guard;
use bitting::model::catalog::ResourceNumber;
use bitting::model::secret::{Secret, SecretKind};
use bitting::records::model::resources;
use bitting::server::endpoints;
use serde_json::json;
use std::time::Duration;

use crate::support::server::{MadeKey, start_of_time};
use crate::support::{Answer, TestServer, on_both};

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// Who may call a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Anybody,
    AnyKey,
    Scope(ResourceNumber),
    AdminToken,
    /// A page, which no key and no token opens.
    Page,
    /// A door, at which another request is asked about: `tests/it/doors`.
    Door,
    /// There is nothing there.
    Nothing,
}

/// The rule for a path, by its words.
fn rule_for(path: &str) -> Rule {
    let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let resource = |word: &str| resources::catalog().named(word).map(|found| found.number);
    match words.as_slice() {
        ["healthz" | "readyz" | "docs" | "openapi.json" | "favicon.ico" | ""] => Rule::Anybody,
        ["static" | "docs", _] => Rule::Anybody,
        ["login" | "logout" | "setup" | "password" | "keys", ..] => Rule::Page,
        ["usage" | "audit" | "users" | "tokens" | "account", ..] => Rule::Page,
        ["connections" | "notifications", ..] => Rule::Page,
        ["authz" | "via", ..] => Rule::Door,
        ["v1", "leaks", ..] => Rule::Anybody,
        ["v1", "whoami" | "ping" | "verify"] | ["v1", "admin", "limits"] => Rule::AnyKey,
        ["v1", "keys" | "connections", ..] | ["v1", "audit"] => Rule::AdminToken,
        ["v1", "nothing", ..] => Rule::Nothing,
        ["v1", word, ..] => Rule::Scope(
            resource(word)
                .unwrap_or_else(|| panic!("{path}: no rule says who may call this; add one")),
        ),
        _ => panic!("{path}: no rule says who may call this; add one"),
    }
}

/// What is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credential {
    None,
    Malformed,
    Unknown,
    Revoked,
    Expired,
    RevokedToken,
    ExpiredToken,
    /// A key with every scope but the one that is needed.
    WrongScope,
    /// A key with the one scope that is needed; any, where none is.
    RightScope,
    EveryScope,
    ReadToken,
    WriteToken,
}

impl Credential {
    const ALL: [Self; 12] = [
        Self::None,
        Self::Malformed,
        Self::Unknown,
        Self::Revoked,
        Self::Expired,
        Self::RevokedToken,
        Self::ExpiredToken,
        Self::WrongScope,
        Self::RightScope,
        Self::EveryScope,
        Self::ReadToken,
        Self::WriteToken,
    ];

    fn is_token(self) -> bool {
        matches!(self, Self::ReadToken | Self::WriteToken)
    }
}

/// A refusal, or that the handler runs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    Refusal { status: u16, code: &'static str, challenge: String },
    Handler,
}

fn refusal(status: u16, code: &'static str, challenge: Option<&str>) -> Expected {
    let challenge = challenge.map(|more| format!("Bearer realm=\"bitting\"{more}"));
    Expected::Refusal { status, code, challenge: challenge.unwrap_or_default() }
}

/// The scope that a method needs, as text; `analytics:write` is needed by nothing that exists.
fn needed_scope(resource: ResourceNumber, method: &str) -> String {
    let access = if matches!(method, "GET" | "HEAD") { "read" } else { "write" };
    format!("{}:{access}", resources::name(resource))
}

/// The contract's table, the first row that applies.
fn expected(rule: Rule, offered: bool, method: &str, credential: Credential) -> Expected {
    let invalid_token = Some(", error=\"invalid_token\"");
    let reads = matches!(method, "GET" | "HEAD");
    match (rule, credential) {
        (Rule::Anybody, _) if offered => Expected::Handler,
        (Rule::Anybody, _) => refusal(405, "method_not_allowed", None),
        (_, Credential::None) => refusal(401, "missing_key", Some("")),
        (_, Credential::Malformed | Credential::Unknown) => {
            refusal(401, "invalid_key", invalid_token)
        }
        (_, Credential::Revoked | Credential::RevokedToken) => {
            refusal(401, "key_revoked", invalid_token)
        }
        (_, Credential::Expired | Credential::ExpiredToken) => {
            refusal(401, "key_expired", invalid_token)
        }
        (Rule::Nothing, _) => refusal(404, "not_found", None),
        (Rule::AdminToken, live) if !live.is_token() => refusal(403, "wrong_credential", None),
        (Rule::Scope(_) | Rule::AnyKey, live) if live.is_token() => {
            refusal(403, "wrong_credential", None)
        }
        _ if !offered => refusal(405, "method_not_allowed", None),
        (Rule::Scope(resource), Credential::WrongScope) => {
            let scope = needed_scope(resource, method);
            let more = format!(", error=\"insufficient_scope\", scope=\"{scope}\"");
            refusal(403, "insufficient_scope", Some(&more))
        }
        (Rule::AdminToken, Credential::ReadToken) if !reads => {
            let more = ", error=\"insufficient_scope\", scope=\"keys:write\"";
            refusal(403, "insufficient_scope", Some(more))
        }
        (Rule::Scope(_) | Rule::AnyKey | Rule::AdminToken, _) => Expected::Handler,
        (Rule::Page | Rule::Door, _) => panic!("it judges no request of its own"),
    }
}

/// The server, and one of each credential.
struct Table {
    server: TestServer,
    revoked: MadeKey,
    expired: MadeKey,
    revoked_token: String,
    expired_token: String,
    read_token: String,
    unknown: String,
    every_scope: MadeKey,
    /// Keys by their scopes, made as they are needed.
    made: std::cell::RefCell<std::collections::HashMap<String, MadeKey>>,
}

impl Table {
    fn new(server: TestServer) -> Self {
        let all = all_scopes(|_| true);
        let soon = bitting::model::time::format(start_of_time() + Duration::from_secs(60));
        let expired = server.key_with(&all, json!({"expires_at": soon}));
        let token = |body| server.db_token(&body);
        let expired_token = token(json!({"name": "short", "access": "write", "expires_at": soon}));
        let read_token = token(json!({"name": "reader", "access": "read"}));
        let revoked_token = token(json!({"name": "revoked", "access": "write"}));
        db_revoke_token(&server, "revoked");
        let revoked = server.key(&all);
        server.revoke(&revoked);
        server.pass(Duration::from_secs(61));
        let unknown = Secret::generate(&server.bitting.brand, SecretKind::ApiKey).unwrap();
        Self {
            revoked,
            expired,
            revoked_token,
            expired_token,
            read_token,
            unknown: unknown.expose().to_owned(),
            every_scope: server.key(&all),
            made: Default::default(),
            server,
        }
    }

    /// A key with exactly these scopes.
    fn key(&self, scopes: String) -> String {
        let mut made = self.made.borrow_mut();
        let key = made.entry(scopes.clone()).or_insert_with(|| self.server.key(&scopes));
        key.secret.clone()
    }

    fn secret(&self, credential: Credential, rule: Rule, method: &str) -> Option<String> {
        let needed = match rule {
            Rule::Scope(resource) => needed_scope(resource, method),
            _ => "leads:write".to_owned(),
        };
        Some(match credential {
            Credential::None => return None,
            Credential::Malformed => "nonsense".to_owned(),
            Credential::Unknown => self.unknown.clone(),
            Credential::Revoked => self.revoked.secret.clone(),
            Credential::Expired => self.expired.secret.clone(),
            Credential::RevokedToken => self.revoked_token.clone(),
            Credential::ExpiredToken => self.expired_token.clone(),
            Credential::EveryScope => self.every_scope.secret.clone(),
            Credential::WrongScope => self.key(all_scopes(|scope| scope != needed)),
            Credential::RightScope if resources::catalog().parse_scope(&needed).is_ok() => {
                self.key(needed)
            }
            Credential::RightScope => self.every_scope.secret.clone(),
            Credential::ReadToken => self.read_token.clone(),
            Credential::WriteToken => self.server.admin.clone(),
        })
    }

    fn ask(&self, method: &str, path: &str, secret: Option<&str>) -> Answer {
        match secret {
            Some(secret) => self.server.client.with_key(secret, method, path, None),
            None => self.server.client.send(method, path, &[], None),
        }
    }

    /// Asks, and compares; true if the handler ran.
    fn check(
        &self,
        rule: Rule,
        offered: &[&str],
        method: &str,
        path: &str,
        credential: Credential,
    ) -> bool {
        let secret = self.secret(credential, rule, method);
        let answer = self.ask(method, path, secret.as_deref());
        let case = format!("{method} {path} with {credential:?}: {answer:?}");
        match expected(rule, offered.contains(&method), method, credential) {
            Expected::Refusal { status, code, challenge } => {
                let code = if method == "HEAD" { "" } else { code };
                assert_eq!((answer.status, answer.code().as_str()), (status, code), "{case}");
                assert_eq!(answer.header("www-authenticate"), challenge, "{case}");
                let allow = format!("{}, OPTIONS", offered.join(", "));
                let allow = if status == 405 { allow.as_str() } else { "" };
                assert_eq!(answer.header("allow"), allow, "{case}");
                assert_eq!(answer.header("content-type"), "application/problem+json", "{case}");
                assert_eq!(answer.header("cache-control"), "no-store", "{case}");
                if code == "insufficient_scope" {
                    let told = answer.json();
                    assert!(told["required"].is_string() && told["granted"].is_array(), "{case}");
                }
                false
            }
            Expected::Handler => {
                assert!(![401, 403, 405].contains(&answer.status), "{case}");
                assert!(answer.status < 500, "{case}");
                assert!(answer.header("www-authenticate").is_empty(), "{case}");
                true
            }
        }
    }
}

fn all_scopes(wanted: impl Fn(String) -> bool) -> String {
    let scopes = resources::catalog()
        .scopes()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .into_iter();
    scopes.filter(|scope| wanted(scope.clone())).collect::<Vec<_>>().join(" ")
}

fn db_revoke_token(server: &TestServer, name: &str) {
    let principal = Principal::command_line("test");
    let tokens = server.bitting.list_tokens(&principal).unwrap();
    let token = tokens.iter().find(|token| token.name == name).unwrap();
    server.bitting.revoke_token(token.id, None, &principal).unwrap();
}

fn assert_guard_follows_the_rule(path: &str, guard: Guard) {
    let expected = match rule_for(path) {
        Rule::Anybody => Guard::Public,
        Rule::AnyKey if path == "/v1/verify" => Guard::Key(Need::Question),
        Rule::AnyKey => Guard::Key(Need::AnyKey),
        Rule::Scope(resource) => Guard::Key(Need::Scope(resource)),
        Rule::AdminToken => Guard::Key(Need::AdminToken),
        Rule::Page => return assert!(matches!(guard, Guard::Page(_)), "{path}: {guard:?}"),
        Rule::Door => return assert_eq!(guard, Guard::Door, "{path}"),
        Rule::Nothing => panic!("{path}: there should be nothing here"),
    };
    assert_eq!(guard, expected, "{path}");
}

on_both! {
    fn every_method_of_every_path_decides_by_the_table(backend) {
        let table = Table::new(TestServer::start(backend));
        for endpoint in endpoints(true) {
            assert_guard_follows_the_rule(endpoint.path(), endpoint.guard());
            let rule = rule_for(endpoint.path());
            if matches!(rule, Rule::Page | Rule::Door) {
                continue; // told by the tests of pages and doors
            }
            // Nothing has this id, so that no handler changes what later rows need.
            let path = match endpoint.path().split_once("/{id}") {
                Some(("/v1/keys", rest)) => {
                    format!("/v1/keys/key_00000000000000000000000000{rest}")
                }
                Some((list, rest)) => format!("{list}/call_00000000000000000000000000{rest}"),
                None => endpoint.path().to_owned(),
            };
            let offered: Vec<_> = endpoint.methods().iter().map(|method| method.as_str()).collect();
            for method in METHODS {
                for credential in Credential::ALL {
                    let ran = table.check(rule, &offered, method, &path, credential);
                    assert!(!ran || credential != Credential::None || rule == Rule::Anybody);
                }
            }
        }
    }
}

#[test]
fn where_nothing_is_a_credential_is_asked_for_first() {
    let table = Table::new(TestServer::start(crate::support::Backend::Sqlite));
    for path in ["/v1/nothing", "/v1/nothing/here", "/v1/nothing/"] {
        for method in METHODS {
            for credential in Credential::ALL {
                table.check(rule_for(path), &[], method, path, credential);
            }
        }
    }
    for path in ["/v1", "/v1/", "/v1/calls/a/b", "/v1/keys/a/b", "/v1/tokens", "/v1/keys/"] {
        for credential in Credential::ALL {
            table.check(Rule::Nothing, &[], "GET", path, credential);
        }
    }
}

#[test]
fn an_api_key_in_any_form_manages_nothing() {
    let table = Table::new(TestServer::start(crate::support::Backend::Sqlite));
    let (server, key) = (&table.server, &table.every_scope);
    let before =
        server.manage("GET", "/v1/keys?limit=100", None).ok()["data"].as_array().unwrap().len();
    let body = json!({"name": "mine", "scopes": ["calls:read"]}).to_string();
    let pair = format!("{}:{}", key.id, key.secret);
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair);
    for (name, value) in [
        ("authorization", format!("Bearer {}", key.secret)),
        ("authorization", format!("Token token=\"{}\"", key.secret)),
        ("authorization", format!("Basic {basic}")),
        ("authentication", format!("Bearer {}", key.secret)),
        ("authentication", format!("AccessToken {}", key.secret)),
        ("apikey", key.secret.clone()),
        ("x-api-key", key.secret.clone()),
    ] {
        for endpoint in endpoints(true).iter().filter(|e| e.guard() == Guard::Key(Need::AdminToken))
        {
            let path = endpoint.path().replace("{id}", &key.id);
            for method in endpoint.methods().iter().filter(|method| method.as_str() != "HEAD") {
                let headers = [(name, value.as_str()), ("content-type", "application/json")];
                let body = (method.as_str() != "GET").then_some(body.as_str());
                let answer = server.client.send(method.as_str(), &path, &headers, body);
                answer.expect(403, "wrong_credential");
                assert_eq!(answer.header("set-cookie"), "");
            }
        }
    }
    let after = server.manage("GET", "/v1/keys?limit=100", None).ok();
    assert_eq!(after["data"].as_array().unwrap().len(), before);
    server.call(key, "GET", "/v1/ping", None).ok();
}
