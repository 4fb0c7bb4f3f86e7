//! A rotation while the key is in use: whoever moves within the overlap notices nothing, and every
//! request is counted on the key that it came with.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::load::{Line, request};
use crate::support::server::{MadeKey, start_of_time};
use crate::support::{SetAtEnd, TestServer, eventually, eventually_within, on_both, rounds};

const CLIENTS: usize = 32;

/// What all clients see.
#[derive(Default)]
struct Scene {
    new: OnceLock<MadeKey>,
    moved: AtomicUsize,
    over: AtomicBool,
}

/// Uses the old key, and a number of requests after there is a new one, that one; returns how many
/// requests came with each.
fn client(server: &TestServer, old: &MadeKey, scene: &Scene, lag: usize) -> [i64; 2] {
    let mut line = Line::open(server.address);
    let mut send = |key: &MadeKey| {
        let statuses = line.send(&[
            request(&key.secret, "GET", "/v1/ping"),
            request(&key.secret, "GET", "/v1/calls"),
        ]);
        assert_eq!(statuses, [200, 200]);
        2
    };
    let mut sent = [0, 0];
    while scene.new.get().is_none() {
        assert!(!scene.over.load(Ordering::Acquire), "there is no new key");
        sent[0] += send(old);
    }
    for _ in 0..lag {
        sent[0] += send(old);
    }
    scene.moved.fetch_add(1, Ordering::Release);
    let new = scene.new.get().unwrap();
    while !scene.over.load(Ordering::Acquire) {
        sent[1] += send(new);
    }
    sent[1] += send(new);
    sent
}

on_both! {
    fn clients_that_move_within_the_overlap_are_never_refused(backend) {
        let server = TestServer::start(backend);
        let lags = rounds(200, 40);
        let (old, scene) = (server.key("calls:read"), Scene::default());
        let sent: Vec<[i64; 2]> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|n| {
                    let (server, old, scene) = (&server, &old, &scene);
                    scope.spawn(move || client(server, old, scene, n * lags / CLIENTS))
                })
                .collect();
            let end = SetAtEnd(&scene.over);
            eventually("the old key is in use", || server.total(&old) > 100);
            let path = format!("/v1/keys/{}/rotate", old.id);
            let new = server.manage("POST", &path, Some(&json!({"overlap": "1h"}))).ok();
            let text = |member: &str| new[member].as_str().unwrap().to_owned();
            let _ = scene.new.set(MadeKey { id: text("id"), secret: text("key") });
            let have_moved = || scene.moved.load(Ordering::Acquire) == CLIENTS;
            eventually_within(Duration::from_secs(60), "all have moved", have_moved);
            // The new key is used right through the end of the old one. Only the time of day moves:
            // to the server an hour without a read of changes would be stale knowledge.
            server.clock.set_wall(start_of_time() + chrono::TimeDelta::hours(1));
            server.call(&old, "GET", "/v1/ping", None).expect(401, "key_expired");
            drop(end);
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        let new = scene.new.get().unwrap();
        for (key, which, retired) in [(&old, 0, 1), (new, 1, 0)] {
            let sent: i64 = sent.iter().map(|sent| sent[which]).sum();
            let usage = server.usage(key, "24h");
            let seen = json!([usage["ok"], usage["retired"], usage["total"]]);
            assert_eq!(seen, json!([sent, retired, sent + retired]));
        }
    }
}
