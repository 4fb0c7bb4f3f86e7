//! The page of notifications, the line on the list of keys, and the metrics.

use std::time::Duration;

use bitting::model::time::format;
use chrono::TimeDelta;
use serde_json::json;

use super::{Cluster, send_to};
use crate::support::html::{attributes, text, texts};
use crate::support::receivers::received;
use crate::support::upstream::Upstream;
use crate::support::{Browser, eventually, on_both};

const ADMIN: &str = "ada@example.com";

impl Cluster {
    fn browser(&self, email: &str, role: &str) -> Browser {
        self.servers[0].db_user(email, json!({"role": role}));
        Browser::signed_in(&self.servers[0].client.base, email)
    }
}

on_both! {
    fn a_test_is_sent_by_a_button_and_shown_with_what_became_of_it(backend) {
        let webhook = Upstream::start();
        webhook.answer_with(500);
        let cluster = Cluster::start(backend, 1, |settings| {
            send_to(webhook.address)(settings);
        });
        let admin = cluster.browser(ADMIN, "admin");
        let page = admin.get("/notifications");
        assert!(text(&page, "#empty").contains("No message yet"), "{page:?}");
        assert!(text(&page, "dl").contains(&format!("http://{}", webhook.address)));
        assert!(!page.body.contains("/warnings<"), "the address has more than the host");
        let sent = admin.submit("/notifications", "/notifications", &[]);
        assert_eq!((sent.status, sent.header("location")), (303, "/notifications"));
        eventually("it has failed", || cluster.db_count("error IS NOT NULL") == 1);
        let line = text(&admin.get("/notifications"), "tbody tr");
        assert!(line.contains("Waiting") && line.contains("the receiver answered 500"), "{line}");
        webhook.answer_with(200);
        cluster.pass(Duration::from_secs(60));
        eventually("it has arrived", || cluster.db_count("delivered_at IS NOT NULL") == 1);
        let line = text(&admin.get("/notifications"), "tbody tr");
        assert!(line.contains("Delivered") && !line.contains("500"), "{line}");
        assert_eq!(received(&webhook).last().unwrap().kind(), "test");
    }
}

on_both! {
    fn only_administrators_see_notifications(backend) {
        let cluster = Cluster::start(backend, 1, |_| {});
        let admin = cluster.browser(ADMIN, "admin");
        let page = admin.get("/notifications");
        assert!(page.body.contains("no channel is configured") && !page.body.contains("Send a test"));
        for role in ["member", "auditor"] {
            let browser = cluster.browser(&format!("{role}@example.com"), role);
            assert_eq!(browser.get("/notifications").status, 403);
            let fields = [("form_token", &*crate::support::browser::form_token(&browser.get("/account")))];
            let origin = [("origin", &*cluster.servers[0].client.base)];
            assert_eq!(browser.post_with("/notifications", &fields, &origin).status, 403);
            assert!(!browser.get("/keys").body.contains("/notifications"));
        }
        assert_eq!(cluster.db_count("1 = 1"), 0);
    }
}

on_both! {
    fn the_list_says_how_many_keys_expire_soon_and_leads_to_them(backend) {
        let cluster = Cluster::start(backend, 1, |_| {});
        let admin = cluster.browser(ADMIN, "admin");
        let member = cluster.browser("bo@example.com", "member");
        let now = cluster.servers[0].bitting.time.now();
        for (name, days) in [("a", 3), ("b", 14), ("c", 15)] {
            let end = format(now + TimeDelta::days(days));
            cluster.servers[0].key_with("calls:read", json!({"name": name, "expires_at": end}));
        }
        let page = admin.get("/keys");
        assert_eq!(text(&page, "#expiring"), "2 keys will expire within 14 days.");
        let link = attributes(&page, "#expiring a", "href").remove(0);
        let filtered = admin.get(&link);
        assert_eq!(texts(&filtered, "tbody a.name"), ["b", "a"]);
        assert!(texts(&filtered, "#expiring").is_empty(), "it leads nowhere from there");
        assert!(texts(&admin.get("/keys/retired"), "#expiring").is_empty());
        assert!(texts(&member.get("/keys"), "#expiring").is_empty(), "none of them is theirs");
    }
}
