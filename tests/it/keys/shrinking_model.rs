//! Whatever is done to a key, in whatever order: what it may do at any time is part of what it might
//! do before.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use bitting::config::{Options, Settings};
use bitting::domain::keys::transfer::Intake;
use bitting::domain::principal::Principal;
use bitting::model::imported_key::ImportedKey;
use bitting::model::policy::LeakPolicy;
use bitting::model::time::{Moment, format};

use super::transfer::sha256;
use crate::support::server::{MadeKey, start_of_time};
use crate::support::{TestDatabase, TestServer, on_both, rounds};

const SCOPES: [&str; 4] = ["calls:read", "leads:read", "contacts:read", "agents:read"];
const PATHS: [&str; 4] = ["/v1/calls", "/v1/leads", "/v1/contacts", "/v1/agents"];

const PEOPLE: [&str; 2] = ["ada@example.com", "bo@example.com"];

/// Something that somebody does. Which key is meant is taken modulo how many there are.
#[derive(Debug, Clone)]
enum Step {
    /// Asks for these scopes, as bits.
    Scopes(usize, u8),
    /// Asks for an expiry so many hours after the beginning; none to have it removed.
    Expires(usize, Option<i64>),
    /// Asks for a rotation with an overlap in hours.
    Rotate(usize, i64),
    Revoke(usize),
    /// Gives it to one of these people, or to nobody.
    HandOver(usize, Option<usize>),
    /// Imports its digest once more, with every scope and without an end.
    Import(usize),
    /// Reports it as leaked, which the policy of this server only marks.
    Report(usize),
    /// Lets so many hours pass.
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..8_usize;
    let step = prop_oneof![
        4 => (key.clone(), 0..16_u8).prop_map(|(key, bits)| Step::Scopes(key, bits)),
        3 => (key.clone(), prop::option::of(0..400_i64)).prop_map(|(key, end)| Step::Expires(key, end)),
        3 => (key.clone(), 0..100_i64).prop_map(|(key, overlap)| Step::Rotate(key, overlap)),
        1 => key.clone().prop_map(Step::Revoke),
        2 => (key.clone(), prop::option::of(0..PEOPLE.len())).prop_map(|(key, to)| Step::HandOver(key, to)),
        1 => key.clone().prop_map(Step::Import),
        1 => key.prop_map(Step::Report),
        2 => (1..30_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..25)
}

/// How far a key reaches: what it may do, and until when.
#[derive(Debug, Clone)]
struct Reach {
    opens: [bool; 4],
    scopes: Vec<String>,
    end: Option<Moment>,
}

impl Reach {
    fn of(server: &TestServer, key: &MadeKey) -> Self {
        let stored = server.bitting.find_own_key(key.id.parse().unwrap()).unwrap();
        let opens = PATHS.map(|path| server.call(key, "GET", path, None).status == 200);
        let end = stored.revocation.map(|end| end.at).into_iter().chain(stored.expires_at).min();
        Self { opens, scopes: stored.scopes.iter().map(ToString::to_string).collect(), end }
    }

    fn is_part_of(&self, before: &Self) -> bool {
        let opens = self.opens.iter().zip(before.opens).all(|(now, before)| before || !now);
        let scopes = self.scopes.iter().all(|scope| before.scopes.contains(scope));
        let ends = match (self.end, before.end) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(now), Some(before)) => now <= before,
        };
        opens && scopes && ends
    }

    /// What the answers must be by what is stored.
    fn is_enforced(&self, now: Moment) -> bool {
        let lives = self.end.is_none_or(|end| now < end);
        let granted = SCOPES.map(|scope| lives && self.scopes.iter().any(|own| own == scope));
        self.opens == granted
    }
}

fn take(server: &TestServer, keys: &mut Vec<MadeKey>, step: &Step) {
    let admin = server.db_token(&json!({"name": "now", "access": "write"}));
    let send = |method, key: &MadeKey, more: &str, body: Value| {
        let path = format!("/v1/keys/{}{more}", key.id);
        server.client.with_key(&admin, method, &path, Some(&body))
    };
    let count = keys.len();
    let key = |n: usize| &keys[n % count];
    let status = match step {
        Step::Scopes(n, bits) => {
            let wanted: Vec<_> =
                (0..4).filter(|bit| bits & (1 << bit) != 0).map(|bit| SCOPES[bit]).collect();
            send("PATCH", key(*n), "", json!({"scopes": wanted})).status
        }
        Step::Expires(n, hours) => {
            let end = hours.map(|hours| format(start_of_time() + TimeDelta::hours(hours)));
            send("PATCH", key(*n), "", json!({"expires_at": end})).status
        }
        Step::Rotate(n, overlap) => {
            let old = Reach::of(server, key(*n));
            let answer =
                send("POST", key(*n), "/rotate", json!({"overlap": format!("{overlap}h")}));
            if answer.status == 201 {
                let new = answer.json();
                let text = |member: &str| new[member].as_str().unwrap().to_owned();
                let new = MadeKey { id: text("id"), secret: text("key") };
                assert_eq!(Reach::of(server, &new).scopes, old.scopes, "no more than the old one");
                keys.push(new);
            }
            answer.status
        }
        Step::Revoke(n) => send("POST", key(*n), "/revoke", json!({})).status,
        Step::HandOver(n, to) => {
            send("PATCH", key(*n), "", json!({"holder": to.map(|to| PEOPLE[to])})).status
        }
        Step::Import(n) => {
            db_import_again(server, key(*n));
            200
        }
        Step::Report(n) => {
            let body = json!({"key": key(*n).secret}).to_string();
            let headers = [("content-type", "application/json")];
            server.client.send("POST", "/v1/leaks", &headers, Some(&body)).status
        }
        Step::Wait(hours) => {
            server.pass(Duration::from_secs(hours * 3600));
            200
        }
    };
    assert!([200, 201, 202, 409, 422, 429].contains(&status), "{step:?}: {status}");
}

fn db_import_again(server: &TestServer, key: &MadeKey) {
    let bitting = &server.bitting;
    let line = json!({"name": "again", "scopes": SCOPES, "sha256": sha256(&key.secret)});
    let line = line.as_object().unwrap();
    let now = bitting.time.now();
    let again = ImportedKey::from_object(line, &bitting.brand, &bitting.catalog, now).unwrap();
    let intake = bitting.import_keys(vec![again], &Principal::command_line("test")).unwrap();
    assert_eq!(intake, [Intake::AlreadyThere(key.id.parse().unwrap())]);
}

on_both! {
    fn what_a_key_may_do_is_part_of_what_it_might_before(backend) {
        let config = Config { cases: rounds(64, 4) as u32, max_shrink_iters: 20, ..Config::default() };
        TestRunner::new(config).run(&steps(), |steps| {
            let flag = |settings: &mut Settings| settings.policy.leaks = LeakPolicy::Flag;
            let database = Arc::new(TestDatabase::migrated(backend));
            let server = TestServer::with_settings(database, Options::default(), flag);
            PEOPLE.iter().for_each(|email| drop(server.db_user(email, json!({}))));
            let mut keys = vec![server.key(&SCOPES.join(" ")), server.key_with("calls:read", json!({"expires_at": "2026-12-01T12:00:00Z"}))];
            let mut before: Vec<Reach> = keys.iter().map(|key| Reach::of(&server, key)).collect();
            for step in &steps {
                take(&server, &mut keys, step);
                for (n, key) in keys.iter().enumerate() {
                    let after = Reach::of(&server, key);
                    let now = server.bitting.time.now();
                    prop_assert!(after.is_enforced(now), "{step:?}: key {n}: {after:?} at {now}");
                    match before.get(n) {
                        Some(was) => prop_assert!(after.is_part_of(was), "{step:?}: key {n}: {was:?}, {after:?}"),
                        None => before.push(after.clone()),
                    }
                    before[n] = after;
                }
            }
            Ok(())
        }).unwrap();
    }
}
