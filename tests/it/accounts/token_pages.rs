//! The pages of admin tokens: making one, which is shown once, and ending it.

use serde_json::json;

use crate::support::browser::form_token;
use crate::support::html::{attributes, text, texts};
use crate::support::{Backend, Browser, TestServer, on_both};

const ADMIN: &str = "ada@example.com";
const GOOD: [(&str, &str); 5] = [
    ("name", "CI <b>"),
    ("access", "write"),
    ("expires", "90d"),
    ("bounds", "some"),
    ("may_grant", "calls:read"),
];

fn start(backend: Backend) -> (TestServer, Browser) {
    let server = TestServer::start(backend);
    server.db_user(ADMIN, json!({"role": "admin"}));
    let browser = server.db_browser(ADMIN);
    (server, browser)
}

on_both! {
    fn a_token_is_made_once_and_shown_once(backend) {
        let (server, admin) = start(backend);
        let form = admin.get("/tokens/new");
        assert_eq!(attributes(&form, "input[name=expires][checked]", "value"), ["90d"]);
        assert_eq!(attributes(&form, "input[name=access][checked]", "value"), ["read"]);
        let lives = attributes(&form, "input[name=expires]", "value");
        assert_eq!(lives, ["7d", "30d", "60d", "90d", "365d", "date"], "a token always ends");
        let nonce = attributes(&form, "input[name=nonce]", "value").remove(0);
        let token = form_token(&form);
        let mut fields = GOOD.to_vec();
        fields.extend([("nonce", nonce.as_str()), ("form_token", token.as_str())]);
        let origin = [("origin", server.client.base.as_str())];
        let statuses = std::thread::scope(|scope| {
            let sent: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| admin.post_with("/tokens/new", &fields, &origin)))
                .collect();
            sent.into_iter().map(|sent| sent.join().unwrap()).collect::<Vec<_>>()
        });
        let (made, known): (Vec<_>, Vec<_>) = statuses.iter().partition(|sent| sent.status == 200);
        assert_eq!(made.len(), 1, "{statuses:#?}");
        assert!(known.iter().all(|sent| (sent.status, sent.header("location")) == (303, "/tokens")));
        let secret = text(made[0], "#new-token");
        assert!(secret.starts_with("bta_") && secret.len() == 42, "{secret}");
        assert_eq!((made[0].body.matches(&secret).count(), made[0].header("cache-control")), (1, "no-store"));
        assert!(made[0].body.contains("19 Feb 2027"));

        let make = |scope: &str| {
            let key = json!({"name": "x", "scopes": [scope]});
            server.client.with_key(&secret, "POST", "/v1/keys", Some(&key)).status
        };
        assert_eq!([make("calls:read"), make("leads:read")], [201, 403]);
        let list = admin.get("/tokens");
        assert!(!list.body.contains(&secret) && !list.body.contains("CI <b>"));
        let first = texts(&list, "tbody tr").remove(0);
        assert!(first.starts_with("CI <b>") && first.contains("Manages keys calls read in 3 months"), "{first}");
    }
}

on_both! {
    fn what_is_wrong_is_said_beside_the_field(backend) {
        let (server, admin) = start(backend);
        let send = |fields: &[(&str, &str)]| admin.submit("/tokens/new", "/tokens/new", fields);
        let tokens = || server.database.db_number("SELECT COUNT(*) FROM admin_tokens");
        let before = tokens();
        let empty = send(&[]);
        assert_eq!(empty.status, 422);
        assert_eq!(attributes(&empty, "#faults a", "href"), ["#name", "#access", "#expires", "#bounds"]);
        for (field, wrong, id) in [
            ("name", " ", "name"),
            ("name", "bta_00000000000000000000000000000000000000", "name"),
            ("access", "admin", "access"),
            ("expires", "never", "expires"),
            ("expires", "date", "expires_on"),
            ("bounds", "", "bounds"),
            ("may_grant", "*", "may_grant"),
        ] {
            let mut fields = GOOD.to_vec();
            fields.retain(|(name, _)| *name != field);
            fields.push((field, wrong));
            let sent = send(&fields);
            assert_eq!((sent.status, attributes(&sent, "#faults a", "href")), (422, vec![format!("#{id}")]), "{field}={wrong}");
            assert_ne!(text(&sent, &format!("#{id}-error")), "");
            if field != "name" {
                assert_eq!(attributes(&sent, "#name", "value"), ["CI <b>"]);
            }
        }
        let late = send(&[("name", "x"), ("access", "read"), ("bounds", "all"), ("expires", "date"), ("expires_on", "2027-11-22")]);
        assert_eq!(attributes(&late, "#faults a", "href"), ["#expires_on"]);
        assert_eq!(tokens(), before);
    }
}

on_both! {
    fn a_token_is_revoked_with_a_reason(backend) {
        let (server, admin) = start(backend);
        server.db_user("di@example.com", json!({"role": "auditor"}));
        let auditor = server.db_browser("di@example.com");
        let made = admin.submit("/tokens/new", "/tokens/new", &GOOD);
        let secret = text(&made, "#new-token");
        let read = auditor.get("/tokens");
        assert_eq!(attributes(&read, "main a", "href"), ["/tokens", "/tokens/retired"]);
        assert_eq!(attributes(&read, "main form", "action"), [""; 0]);
        let page = attributes(&admin.get("/tokens"), "a[data-revoke]", "href").remove(0);
        let refused = auditor.submit("/tokens", &page, &[]);
        assert_eq!((refused.status, auditor.get(&page).status), (403, 403));

        assert!(text(&admin.get(&page), "h1").contains("CI <b>"));
        let long = "x".repeat(501);
        let refused = admin.submit(&page, &page, &[("reason", &long)]);
        assert_eq!((refused.status, attributes(&refused, "#reason", "value")), (422, vec![long]));
        server.client.with_key(&secret, "GET", "/v1/keys", None).ok();
        let done = admin.submit(&page, &page, &[("reason", "replaced")]);
        assert_eq!((done.status, done.header("location")), (303, "/tokens"));
        server.client.with_key(&secret, "GET", "/v1/keys", None).expect(401, "key_revoked");
        assert_eq!(texts(&admin.get("/tokens"), ".tabs .count"), ["1", "1"]);
        let ended = text(&admin.get("/tokens/retired"), "tbody tr");
        for part in ["Revoked", "by ada@example.com", "replaced"] {
            assert!(ended.contains(part), "{ended}");
        }
        assert_eq!(admin.get(&page).status, 303);
        assert_eq!(admin.get("/tokens/tok_x/revoke").status, 404);
    }
}

on_both! {
    fn many_tokens_are_walked_and_searched(backend) {
        let (server, admin) = start(backend);
        assert_eq!(attributes(&admin.get("/tokens"), ".filters", "action"), [""; 0]);
        let day = |n: usize| if n < 30 { "2026-11-28T00:00:00Z" } else { "2027-02-01T00:00:00Z" };
        for n in 0..90 {
            server.db_token(&json!({"name": format!("CRM of customer {n:02}"), "access": "read", "expires_at": day(n)}));
        }
        let walk = |path: &str| {
            let (mut path, mut walked, mut summaries) = (path.to_owned(), Vec::new(), Vec::new());
            while !path.is_empty() {
                let page = admin.get(&path);
                assert!(page.body.len() < 100_000, "{} bytes", page.body.len());
                walked.extend(texts(&page, "tbody .name"));
                summaries.push(text(&page, ".pages span"));
                path = attributes(&page, "a[rel=next]", "href").concat();
            }
            (walked, summaries)
        };
        let (walked, summaries) = walk("/tokens");
        assert_eq!(summaries, ["1 to 50 of 91", "51 to 91 of 91"]);
        let mut all: Vec<_> = (0..90).rev().map(|n| format!("CRM of customer {n:02}")).collect();
        all.push("test".to_owned());
        assert_eq!(walked, all);
        assert_eq!(texts(&admin.get("/tokens?page=2"), "td .remark").len(), 30, "they end within 14 days");
        assert_eq!(walk("/tokens?q=CUSTOMER+3").0.len(), 10);
        assert_eq!(text(&admin.get("/tokens?q=nobody"), "#empty h2"), "No admin token matches");
        let display = text(&admin.get("/tokens?q=customer+42"), "tbody code");
        let found = admin.get(&format!("/tokens?q={}", display.replace('…', "%E2%80%A6")));
        assert_eq!(texts(&found, "tbody .name"), ["CRM of customer 42"]);
        // A week later thirty of them have ended without any job having run.
        server.pass(std::time::Duration::from_secs(7 * 24 * 3600));
        let admin = server.db_browser(ADMIN);
        let ended = admin.get("/tokens/retired");
        assert_eq!(texts(&ended, ".tabs .count"), ["61", "30"]);
        assert_eq!(texts(&ended, "tbody tr").len(), 30);
        assert!(text(&ended, "tbody tr").contains("Expired"));
        for wrong in ["status=active", "page=0", "q=a&q=b"] {
            assert_eq!(admin.get(&format!("/tokens?{wrong}")).status, 422, "{wrong}");
        }
    }
}
