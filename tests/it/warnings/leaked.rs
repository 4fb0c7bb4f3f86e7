//! Warnings about credentials that were reported as leaked.

use bitting::model::secret::SecretKind;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::mail::{header, mailing};
use super::{Cluster, send_to};
use crate::support::receivers::{MailServer, received};
use crate::support::upstream::Upstream;
use crate::support::{TestServer, eventually, on_both};

fn report(server: &TestServer, key: &str, source: &str) {
    let body = json!({"key": key, "source": source}).to_string();
    let headers = [("content-type", "application/json")];
    assert_eq!(server.client.send("POST", "/v1/leaks", &headers, Some(&body)).status, 202);
}

on_both! {
    fn a_leaked_credential_is_told_of_once_however_often_it_is_reported(backend) {
        let webhook = Upstream::start();
        let cluster = Cluster::start(backend, 2, send_to(webhook.address));
        let key = cluster.servers[0].key_with("calls:read", json!({"name": "loose"}));
        let token = cluster.servers[0].db_token(&json!({"name": "admin", "access": "read"}));
        for server in &cluster.servers {
            report(server, &server.made_up(SecretKind::ApiKey), "a chat");
            for secret in [&key.secret, &token] {
                // A server that is asked about a credential it does not know reads the feed first.
                server.client.with_key(secret, "GET", "/v1/ping", None);
                report(server, secret, &format!("a gist with {secret}"));
            }
        }
        let mut told = Vec::new();
        eventually("both are told of", || {
            told.extend(received(&webhook));
            told.len() >= 2 && cluster.db_count("due_at IS NOT NULL") == 0
        });
        assert_eq!((told.len(), cluster.db_count("kind = 'key.leaked'")), (2, 2));
        let of = |what: &str| {
            let bodies: Vec<&Value> = told.iter().map(|message| &message.body).collect();
            let body = bodies.iter().find(|body| body["data"].get(what).is_some()).unwrap();
            assert_eq!(body["type"], "key.leaked");
            assert!(!body.to_string().contains(&key.secret) && !body.to_string().contains(&token));
            body["data"].clone()
        };
        let (of_key, of_token) = (of("key"), of("token"));
        assert_eq!((&of_key["key"]["id"], &of_key["key"]["status"]), (&json!(key.id), &json!("revoked")));
        assert_eq!((&of_token["token"]["name"], &of_token["token"]["status"]), (&json!("admin"), &json!("revoked")));
        assert!(of_key["source"].as_str().unwrap().starts_with("a gist with "), "{of_key}");
    }
}

on_both! {
    fn a_leak_is_told_of_though_the_clock_was_far_ahead(backend) {
        let webhook = Upstream::start();
        let cluster = Cluster::start(backend, 1, send_to(webhook.address));
        let key = cluster.servers[0].key_with("calls:read", json!({"name": "loose"}));
        let right = cluster.servers[0].bitting.time.now();
        cluster.clock.set_wall(right + TimeDelta::days(400));
        report(&cluster.servers[0], &key.secret, "a chat");
        cluster.clock.set_wall(right);
        eventually("it is told of", || !received(&webhook).is_empty());
    }
}

on_both! {
    fn whoever_is_responsible_gets_a_mail_that_says_what_became_of_the_key(backend) {
        let Some(mail) = MailServer::start() else { return };
        let cluster = mailing(backend, &mail);
        let server = &cluster.servers[0];
        server.db_user("ada@example.com", json!({}));
        let key = server.key_with("calls:read", json!({"name": "hers"}));
        server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(&json!({"holder": "ada@example.com"}))).ok();
        report(server, &key.secret, "https://example.com/snippets/42");
        eventually("the mail has arrived", || mail.mails().len() == 1);
        let mail = mail.mails().remove(0);
        assert_eq!(mail["to"], json!(["ada@example.com"]));
        assert_eq!(header(&mail, "subject"), ["API key “hers” was reported as leaked; it is revoked"]);
        let text = mail["text"].as_str().unwrap();
        assert!(text.contains("Found at: https://example.com/snippets/42"), "{text}");
        assert!(text.contains(&key.id) && !text.contains(&key.secret), "{text}");
    }
}
