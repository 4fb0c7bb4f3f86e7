//! Counting at full speed while everything else goes on: at the end every figure is what was sent.

use bitting::records::model::resources;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::HttpResponse;
use bitting::config::Options;
use bitting::gate::caller::KeyCaller;
use bitting::gate::route::Need;
use bitting::http::endpoint::Endpoint;
use bitting::model::time::format;
use bitting::model::usage::{KeySelection, Outcome};
use bitting::model::words::Word;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::keys::transfer::{import_all, line};
use crate::server::faults::with_one_more_endpoint;
use crate::support::load::{Line, request};
use crate::support::server::{MadeKey, start_of_time};
use crate::support::{TestServer, eventually, on_both, rounds};

const CLIENTS: usize = 8;
const MADE: usize = 8;
const IMPORTED: usize = 12;
/// How old the requests of each phase are in the end, about: they lie in all windows, in two, in one.
const PAUSES: [u64; 3] = [5, 3, 0];
const DAY: u64 = 24 * 3600;
/// How long a phase is at most: each shall lie within 24 hours.
const MINUTES_OF_A_PHASE: usize = 150;

/// How often a client sends a bundle of requests in each phase.
fn bundles() -> usize {
    rounds(60, 12)
}

/// Resource, access and outcome.
type Place = (&'static str, &'static str, &'static str);

/// How many requests were counted, by key and by what they were.
#[derive(Default, Clone)]
struct Sent(BTreeMap<(usize, Place), i64>);

impl Sent {
    fn add(&mut self, other: &Self) {
        for (place, n) in &other.0 {
            *self.0.entry(*place).or_default() += n;
        }
    }

    /// What of it a key sent, or all together.
    fn by_place(&self, key: Option<usize>) -> BTreeMap<Place, i64> {
        let mut places = BTreeMap::new();
        for ((of, place), n) in &self.0 {
            if key.is_none_or(|key| key == *of) {
                *places.entry(*place).or_default() += n;
            }
        }
        places
    }

    fn total(&self, key: Option<usize>) -> i64 {
        self.by_place(key).values().sum()
    }

    /// A window of the breakdown, without its series.
    fn shown(&self, key: Option<usize>) -> Value {
        let mut shown = json!({"total": self.total(key), "by_resource": {}});
        for outcome in Outcome::ALL {
            shown[outcome.as_str()] = json!(0);
        }
        for ((resource, access, outcome), n) in self.by_place(key) {
            shown[outcome] = json!(shown[outcome].as_i64().unwrap() + n);
            let of_resource = &mut shown["by_resource"][resource];
            if of_resource.is_null() {
                *of_resource = json!({"read": 0, "write": 0});
            }
            of_resource[access] = json!(of_resource[access].as_i64().unwrap() + n);
        }
        shown
    }
}

/// The requests of a bundle, with their resource and access.
fn bundle(secret: &str) -> Vec<(String, &'static str, &'static str)> {
    let plain = |method, path| request(secret, method, path);
    let call = r#"{"direction":"inbound","caller":"+14155550100"}"#;
    let made = plain("POST", "/v1/calls").replace(
        "Content-Length: 0\r\n\r\n",
        &format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{call}", call.len()),
    );
    let mut requests = vec![(made, "calls", "write")];
    for _ in 0..4 {
        requests.extend([
            (plain("GET", "/v1/ping"), "other", "read"),
            (plain("GET", "/v1/calls?limit=1"), "calls", "read"),
            (plain("GET", "/v1/nothing"), "other", "read"),
            (plain("POST", "/v1/leads"), "leads", "write"),
            (plain("GET", "/v1/agents"), "agents", "read"),
        ]);
    }
    requests
}

/// What an answer counts as; `None`: not at all.
fn outcome(status: u16, known: bool) -> Option<&'static str> {
    match status {
        200 | 201 => Some("ok"),
        403 => Some("forbidden"),
        400 | 404 | 415 | 422 => Some("client_error"),
        500 => Some("server_error"),
        // A key that is moving in is not known at first.
        401 => known.then_some("retired"),
        503 => None,
        other => panic!("unexpected {other}"),
    }
}

fn send(line: &mut Line, key: usize, requests: &[(String, &'static str, &'static str)]) -> Sent {
    let texts: Vec<String> = requests.iter().map(|(text, ..)| text.clone()).collect();
    let mut sent = Sent::default();
    for (status, (_, resource, access)) in line.send(&texts).into_iter().zip(requests) {
        if let Some(outcome) = outcome(status, key < MADE) {
            *sent.0.entry((key, (*resource, *access, outcome))).or_default() += 1;
        }
    }
    sent
}

/// What the clients of one phase have sent; `progress` counts their bundles.
fn clients(
    address: SocketAddr,
    broken: SocketAddr,
    keys: &[String],
    progress: &AtomicUsize,
) -> Sent {
    std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            clients.push(scope.spawn(move || {
                let (mut line, mut sent) = (Line::open(address), Sent::default());
                for number in 0..bundles() {
                    let key = (client * 7 + number) % keys.len();
                    sent.add(&send(&mut line, key, &bundle(&keys[key])));
                    progress.fetch_add(1, Ordering::SeqCst);
                }
                sent
            }));
        }
        // The second door has workers and tallies of its own.
        clients.push(scope.spawn(move || {
            let (mut line, mut sent) = (Line::open(broken), Sent::default());
            for number in 0..bundles() {
                let key = number % MADE;
                let broken = (request(&keys[key], "GET", "/v1/broken"), "calls", "read");
                let ping = (request(&keys[key], "GET", "/v1/ping"), "other", "read");
                sent.add(&send(&mut line, key, &[broken, ping]));
            }
            sent
        }));
        let mut all = Sent::default();
        for client in clients {
            all.add(&client.join().unwrap());
        }
        all
    })
}

async fn breaks(_caller: KeyCaller) -> HttpResponse {
    HttpResponse::InternalServerError().finish()
}

fn breaking() -> Endpoint {
    Endpoint::new("/v1/broken", Need::Scope(resources::CALLS)).get(breaks, |_| {})
}

/// Everything else that goes on meanwhile, until `done`.
fn all_else(server: &TestServer, ids: &[String], done: &AtomicBool) {
    let bitting = &server.bitting;
    let repeat = |pause: u64, step: &mut dyn FnMut()| {
        while !done.load(Ordering::SeqCst) {
            step();
            std::thread::sleep(Duration::from_millis(pause));
        }
    };
    std::thread::scope(|scope| {
        // What fails for want of a connection is done another time, as in the server.
        scope.spawn(|| repeat(20, &mut || drop(bitting.flush_usage())));
        scope.spawn(|| repeat(50, &mut || drop(bitting.fold_journal())));
        scope.spawn(|| repeat(1, &mut || drop(bitting.roll_up())));
        scope.spawn(|| repeat(30, &mut || drop(bitting.summarize_keys())));
        scope.spawn(|| {
            let mut left = MINUTES_OF_A_PHASE;
            repeat(10, &mut || {
                if left > 0 {
                    left -= 1;
                    server.clock.pass(Duration::from_secs(60));
                    bitting.time.tick();
                    let _ = bitting.read_feed();
                }
            });
        });
        scope.spawn(|| {
            let (mut lifetimes, mut turn) = (vec![0; ids.len()], 0);
            repeat(5, &mut || {
                turn = (turn + 1) % ids.len();
                let path = format!("/v1/keys/{}", ids[turn]);
                let answer = server.manage("GET", &path, None);
                server.manage("GET", &format!("{path}/usage"), None);
                let _ = bitting.usage_breakdown(KeySelection::All);
                if answer.status == 200 {
                    let now = answer.json()["lifetime_total"].as_i64().unwrap();
                    assert!(now >= lifetimes[turn], "{now} after {}", lifetimes[turn]);
                    lifetimes[turn] = now;
                }
            });
        });
    });
}

/// Holds every figure against what was sent in the phases, the oldest first.
#[track_caller]
fn check(server: &TestServer, ids: &[String], phases: &[Sent; 3]) {
    let mut windows = [phases[2].clone(), phases[2].clone(), phases[2].clone()];
    windows[1].add(&phases[1]);
    windows[2].add(&phases[1]);
    windows[2].add(&phases[0]);
    let names = ["24h", "7d", "30d"];
    let compare = |mut shown: Value, key: Option<usize>, what: &str| {
        for (name, sent) in names.iter().zip(&windows) {
            let series = shown[name].as_object_mut().unwrap().remove("series").unwrap();
            let points = series.as_array().unwrap().iter();
            let points: i64 = points.map(|point| point["total"].as_i64().unwrap()).sum();
            assert_eq!(points, sent.total(key), "{what}, {name}");
            assert_eq!(shown[name], sent.shown(key), "{what}, {name}");
        }
    };
    for (key, id) in ids.iter().enumerate() {
        let document = server.manage("GET", &format!("/v1/keys/{id}"), None).ok();
        assert_eq!(document["lifetime_total"], windows[2].total(Some(key)), "{id}");
        for (name, sent) in names.iter().zip(&windows) {
            let mut figures = sent.shown(Some(key));
            figures.as_object_mut().unwrap().remove("by_resource");
            assert_eq!(document["usage"][name], figures, "{id}, {name}");
        }
        compare(server.manage("GET", &format!("/v1/keys/{id}/usage"), None).ok(), Some(key), id);
    }
    compare(json!(server.bitting.usage_breakdown(KeySelection::All).unwrap()), None, "all");
    // The first use of a key that looks at the figures of all is not in them yet.
    let looks = server.key("analytics:read");
    compare(server.call(&looks, "GET", "/v1/analytics/usage", None).ok(), None, "all, over HTTP");
}

on_both! {
    fn everything_that_was_sent_at_full_speed_is_counted_once_whatever_goes_on(backend) {
        let server = TestServer::start(backend);
        let scopes = "calls:read calls:write leads:write";
        // Expires while the second phase is under way.
        let end = start_of_time() + TimeDelta::days(5) + TimeDelta::minutes(90);
        let more = |n| if n == 1 { json!({"expires_at": format(end)}) } else { json!({}) };
        let made: Vec<MadeKey> = (0..MADE).map(|n| server.key_with(scopes, more(n))).collect();
        let mut keys: Vec<String> = made.iter().map(|key| key.secret.clone()).collect();
        let ids: Vec<String> = made.iter().map(|key| key.id.clone()).collect();
        let moving: Vec<Value> = (0..IMPORTED).map(|n| {
            keys.push(format!("moving_in_{n}"));
            let mut line = line(&keys[MADE + n]);
            line["name"] = json!(format!("moving in {n}"));
            line["scopes"] = json!(["calls:read", "leads:write"]);
            line
        }).collect();

        let mut phases: [Sent; 3] = Default::default();
        with_one_more_endpoint(&server, breaking, |broken| {
            for (number, (sent, pause)) in phases.iter_mut().zip(PAUSES).enumerate() {
                let (done, progress) = (AtomicBool::new(false), AtomicUsize::new(0));
                let reached = |part: usize| {
                    let bundles = CLIENTS * bundles() * part / 8;
                    while progress.load(Ordering::SeqCst) < bundles && !done.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                };
                std::thread::scope(|scope| {
                    scope.spawn(|| all_else(&server, &ids, &done));
                    scope.spawn(|| {
                        reached(1);
                        if number == 0 {
                            import_all(&server.database, &moving);
                        }
                        reached(4);
                        // With so much going on it may have to come back.
                        let path = format!("/v1/keys/{}/revoke", made[2 + number].id);
                        eventually("the key is revoked", || {
                            server.manage("POST", &path, None).status == 200
                        });
                    });
                    let clients = scope.spawn(|| clients(server.address, broken, &keys, &progress));
                    let ended = clients.join();
                    done.store(true, Ordering::SeqCst);
                    *sent = ended.unwrap();
                });
                server.pass(Duration::from_secs(pause * DAY));
            }
        });
        let mut ids = ids;
        let list = server.manage("GET", "/v1/keys?limit=100", None).ok();
        for line in &moving {
            let same = |key: &&Value| key["name"] == line["name"];
            let key = list["data"].as_array().unwrap().iter().find(same).unwrap();
            ids.push(key["id"].as_str().unwrap().to_owned());
        }
        let kinds: Vec<&str> = phases.iter()
            .flat_map(|sent| sent.0.keys().map(|(_, (_, _, outcome))| *outcome)).collect();
        for outcome in Outcome::ALL.iter().map(|outcome| outcome.as_str()) {
            assert!(kinds.contains(&outcome) || outcome == "rate_limited", "none was {outcome}");
        }
        assert!(ids.iter().enumerate().all(|(key, _)| phases.iter().any(|sent| sent.total(Some(key)) > 0)));

        check(&server, &ids, &phases);
        server.db_flush();
        while server.bitting.roll_up().unwrap() {}
        // The looks of `check` itself.
        phases[2].0.insert((ids.len(), ("analytics", "read", "ok")), 1);
        check(&server, &ids, &phases);
        phases[2].0.insert((ids.len(), ("analytics", "read", "ok")), 2);
        let clock = server.clock.clone();
        let server = TestServer::with_clock(server.stop(), Options::default(), clock);
        check(&server, &ids, &phases);
        server.db_flush();
        server.bitting.fold_journal().unwrap();
        let written = server.database.db_number(
            "SELECT (SELECT COALESCE(SUM(n), 0) FROM usage_hours) + \
             (SELECT COALESCE(SUM(n), 0) FROM usage_totals) + \
             (SELECT COALESCE(SUM(u.n), 0) FROM usage_minutes u, usage_rollup r WHERE u.minute >= r.hour * 60)"
        );
        assert_eq!(written, phases.iter().map(|sent| sent.total(None)).sum::<i64>() + 1);
    }
}
