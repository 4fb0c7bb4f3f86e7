//! Keys that are about to expire, told of by webhook.

use std::collections::BTreeMap;
use std::time::Duration;

use bitting::model::time::{Moment, format};
use chrono::TimeDelta;
use serde_json::json;

use super::{Cluster, send_to};
use crate::support::ports::free_port;
use crate::support::receivers::{Received, received, verify};
use crate::support::server::{MadeKey, start_of_time};
use crate::support::upstream::Upstream;
use crate::support::{eventually, on_both};

const HOUR: Duration = Duration::from_secs(3600);

impl Cluster {
    /// A key that is good for so many hours.
    fn db_key(&self, name: &str, hours: i64) -> MadeKey {
        let end = format(self.servers[0].bitting.time.now() + TimeDelta::hours(hours));
        self.servers[0].key_with("calls:read", json!({"name": name, "expires_at": end}))
    }

    /// Waits until so many messages have arrived in all.
    fn wait_for(&self, messages: i64) {
        eventually("the messages have arrived", || {
            self.db_count("delivered_at IS NOT NULL") == messages
                && self.db_count("due_at IS NOT NULL") == 0
        });
    }
}

/// A moment as both databases write it.
fn stored(at: Moment) -> String {
    at.format("%F %T").to_string()
}

/// How many days ahead each key was warned about, in order.
fn warned(messages: &[Received]) -> BTreeMap<&str, Vec<i64>> {
    let mut warned: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for message in messages {
        assert_eq!(message.kind(), "key.expiring");
        let days = message.body["data"]["days_ahead"].as_i64().unwrap();
        warned.entry(message.key_name()).or_default().push(days);
    }
    warned
}

on_both! {
    /// Two servers look for them and send, and each is told once.
    fn each_warning_about_a_key_that_will_expire_arrives_once(backend) {
        let webhook = Upstream::start();
        let cluster = Cluster::start(backend, 2, send_to(webhook.address));
        for (name, hours) in [("long", 30 * 24), ("week", 7 * 24), ("two days", 48), ("hours", 12)] {
            cluster.db_key(name, hours);
        }
        cluster.servers[0].key_with("calls:read", json!({"name": "endless"}));
        let revoked = cluster.db_key("revoked", 30 * 24);
        let rotated = cluster.db_key("rotated", 30 * 24);
        // The look at which there is nothing to warn of has been taken.
        cluster.pass(HOUR * 24 * 15);
        let path = format!("/v1/keys/{}/rotate", rotated.id);
        let later = format(start_of_time() + TimeDelta::days(300));
        let rotation = json!({"overlap": "14d", "expires_at": later});
        cluster.servers[0].manage("POST", &path, Some(&rotation)).ok();
        cluster.servers[1].revoke(&revoked);
        // "week" and the shorter ones ended while no server looked: nobody is told that they will.
        cluster.pass(HOUR * 24 + HOUR / 2);
        cluster.wait_for(1);
        cluster.db_key("late week", 7 * 24);
        cluster.db_key("late two days", 48);
        cluster.db_key("late hours", 12);
        let mut told = received(&webhook);
        for half_day in 0..28 {
            cluster.pass(HOUR * 12);
            let expected = match half_day {
                0 => 1,
                1..7 => 2,
                7..21 => 3,
                21..25 => 4,
                _ => 5,
            };
            cluster.wait_for(expected);
        }
        told.extend(received(&webhook));
        let expected = [("late two days", vec![1]), ("late week", vec![3]), ("long", vec![14, 3, 1])];
        assert_eq!(warned(&told), BTreeMap::from(expected));
        let key = &told[0].body["data"]["key"];
        assert_eq!((&key["name"], &key["status"]), (&json!("long"), &json!("active")));
        verify(&told);
    }
}

on_both! {
    /// A warning that is the only one of its key is not left to a later one.
    fn a_key_is_told_of_however_late_somebody_looks(backend) {
        let webhook = Upstream::start();
        let cluster = Cluster::start(backend, 1, send_to(webhook.address));
        cluster.db_key("week", 7 * 24);
        cluster.db_key("long", 30 * 24);
        cluster.pass(HOUR * (7 * 24 - 12));
        cluster.wait_for(1);
        cluster.pass(HOUR * 24 * 23);
        cluster.wait_for(2);
        let expected = [("long", vec![1]), ("week", vec![3])];
        assert_eq!(warned(&received(&webhook)), BTreeMap::from(expected));
    }
}

on_both! {
    /// However far the looks have come because of other keys.
    fn a_key_whose_end_is_brought_forward_is_told_of_too(backend) {
        let webhook = Upstream::start();
        let cluster = Cluster::start(backend, 2, send_to(webhook.address));
        cluster.db_key("other", 30 * 24);
        let long = cluster.db_key("long", 90 * 24);
        cluster.pass(HOUR * (29 * 24 + 1));
        cluster.wait_for(1);
        assert_eq!(warned(&received(&webhook)), BTreeMap::from([("other", vec![1])]));
        let end = format(start_of_time() + TimeDelta::hours(29 * 24 + 21));
        let nearer = json!({"expires_at": end});
        cluster.servers[1].manage("PATCH", &format!("/v1/keys/{}", long.id), Some(&nearer)).ok();
        for _ in 0..3 {
            cluster.pass(Duration::from_secs(60));
        }
        cluster.wait_for(2);
        assert_eq!(warned(&received(&webhook)), BTreeMap::from([("long", vec![1])]));
    }
}

on_both! {
    /// Of one whose whole life has become short, another warning is the only one.
    fn a_young_key_whose_end_is_brought_forward_is_told_of_too(backend) {
        let webhook = Upstream::start();
        let cluster = Cluster::start(backend, 1, send_to(webhook.address));
        cluster.db_key("other", 7 * 24 + 1);
        let young = cluster.db_key("young", 60 * 24);
        cluster.pass(HOUR * 24 * 5);
        cluster.wait_for(1);
        assert_eq!(warned(&received(&webhook)), BTreeMap::from([("other", vec![3])]));
        let nearer = json!({"expires_at": format(start_of_time() + TimeDelta::hours(5 * 24 + 12))});
        cluster.servers[0].manage("PATCH", &format!("/v1/keys/{}", young.id), Some(&nearer)).ok();
        for _ in 0..3 {
            cluster.pass(Duration::from_secs(60));
        }
        cluster.wait_for(2);
        assert_eq!(warned(&received(&webhook)), BTreeMap::from([("young", vec![3])]));
    }
}

on_both! {
    fn what_could_not_be_told_for_an_hour_arrives_once(backend) {
        let address = ([127, 0, 0, 1], free_port()).into();
        let cluster = Cluster::start(backend, 2, send_to(address));
        for name in ["a", "b", "c"] {
            cluster.db_key(name, 20 * 24);
        }
        cluster.pass(HOUR * 24 * 7);
        for minutes in [0, 10, 10, 10, 10, 10, 10] {
            cluster.pass(Duration::from_secs(minutes * 60));
            eventually("each was tried again", || {
                let now = stored(cluster.servers[0].bitting.time.now());
                cluster.db_count(&format!("error IS NOT NULL AND due_at > '{now}'")) == 3
            });
        }
        assert_eq!(cluster.db_count("error LIKE '%takes no connection%'"), 3);
        let webhook = Upstream::at(address);
        webhook.answer_with(503);
        cluster.pass(HOUR * 2);
        eventually("it was refused", || cluster.db_count("error LIKE '%answered 503%'") == 3);
        let refused = received(&webhook);
        webhook.answer_with(204);
        cluster.pass(HOUR * 2);
        cluster.wait_for(3);
        let told = received(&webhook);
        assert_eq!(warned(&told), BTreeMap::from([("a", vec![14]), ("b", vec![14]), ("c", vec![14])]));
        // The receiver can tell a repetition.
        let ids = |messages: &[Received]| {
            let mut ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
            ids.sort();
            ids.dedup();
            ids
        };
        assert_eq!(ids(&refused), ids(&told));
        verify(&told);
    }
}

on_both! {
    fn a_message_is_given_up_after_a_day(backend) {
        let webhook = Upstream::start();
        webhook.answer_with(500);
        let cluster = Cluster::start(backend, 1, send_to(webhook.address));
        cluster.db_key("a", 20 * 24);
        cluster.pass(HOUR * 24 * 7);
        for _ in 0..14 {
            eventually("it was tried", || cluster.db_count("error IS NOT NULL") == 1);
            cluster.database.db_execute("UPDATE notifications SET error = NULL");
            if cluster.db_count("due_at IS NULL") == 1 {
                break;
            }
            cluster.pass(HOUR * 2);
        }
        assert_eq!(cluster.db_count("due_at IS NULL AND delivered_at IS NULL"), 1);
        webhook.answer_with(200);
        let before = webhook.take().len();
        assert!((12..=14).contains(&before), "{before}");
        cluster.db_key("b", 20 * 24);
        cluster.pass(HOUR * 24 * 7);
        cluster.wait_for(1);
        assert_eq!(received(&webhook)[0].key_name(), "b");
    }
}

on_both! {
    /// One is killed between taking a message and sending it.
    fn a_message_that_a_server_has_taken_and_not_sent_is_sent_by_another(backend) {
        let webhook = Upstream::start();
        let cluster = Cluster::start(backend, 1, send_to(webhook.address));
        cluster.db_key("a", 20 * 24);
        let end = cluster.servers[0].bitting.time.now() + TimeDelta::days(21) + TimeDelta::seconds(30);
        cluster.servers[0].key_with("calls:read", json!({"name": "b", "expires_at": format(end)}));
        webhook.answer_with(500);
        cluster.pass(HOUR * 24 * 7);
        eventually("it was tried", || cluster.db_count("error IS NOT NULL") == 1);
        webhook.answer_with(200);
        // As the other one leaves it.
        let until = stored(cluster.servers[0].bitting.time.now() + TimeDelta::seconds(60));
        cluster.database.db_execute(&format!("UPDATE notifications SET due_at = '{until}'"));
        webhook.take();
        cluster.pass(Duration::from_secs(59));
        eventually("b is told of", || cluster.db_count("delivered_at IS NOT NULL") == 1);
        assert_eq!(warned(&received(&webhook)), BTreeMap::from([("b", vec![14])]));
        cluster.pass(Duration::from_secs(1));
        cluster.wait_for(2);
        assert_eq!(warned(&received(&webhook)), BTreeMap::from([("a", vec![14])]));
    }
}

on_both! {
    fn a_key_that_ends_while_its_warning_waits_is_not_told_of(backend) {
        let webhook = Upstream::start();
        webhook.answer_with(503);
        let cluster = Cluster::start(backend, 2, send_to(webhook.address));
        let keys = ["kept", "revoked", "rotated", "nearer"].map(|name| cluster.db_key(name, 20 * 24));
        cluster.db_key("expired", 7 * 24 + 1);
        // Of a key with a short life, less is told.
        let of_old = "UPDATE api_keys SET created_at = '2026-01-01 00:00:00' WHERE name = 'expired'";
        cluster.database.db_execute(of_old);
        cluster.pass(HOUR * 24 * 7);
        eventually("all were tried", || cluster.db_count("error IS NOT NULL") == 5);
        let end = format(cluster.servers[0].bitting.time.now() + TimeDelta::days(2));
        let nearer = json!({"expires_at": end});
        cluster.servers[0].manage("PATCH", &format!("/v1/keys/{}", keys[3].id), Some(&nearer)).ok();
        cluster.servers[0].revoke(&keys[1]);
        let later = format(start_of_time() + TimeDelta::days(300));
        let path = format!("/v1/keys/{}/rotate", keys[2].id);
        cluster.servers[0].manage("POST", &path, Some(&json!({"expires_at": later}))).ok();
        webhook.take();
        webhook.answer_with(200);
        cluster.pass(HOUR);
        cluster.wait_for(2);
        let told = received(&webhook);
        assert_eq!(warned(&told), BTreeMap::from([("kept", vec![14]), ("nearer", vec![3])]));
        let of_nearer = told.iter().find(|message| message.key_name() == "nearer").unwrap();
        assert_eq!(of_nearer.body["data"]["key"]["expires_at"], end);
    }
}
