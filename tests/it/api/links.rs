//! `Link: rel="next"`: a client that follows it sees everything, and ends.

use serde_json::{Value, json};

use crate::support::{Answer, TestServer, on_both};

/// The target of the only link, which must be to the next page; nothing on the last page.
#[track_caller]
fn next(answer: &Answer) -> Option<String> {
    let links: Vec<_> = answer.headers.get_all("link").iter().collect();
    assert_eq!(links.is_empty(), answer.json()["meta"]["next_cursor"].is_null(), "{answer:#?}");
    let link = links.first()?.to_str().unwrap();
    assert_eq!(links.len(), 1);
    let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    let target = target.unwrap_or_else(|| panic!("{link}"));
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte)));
    Some(target.to_owned())
}

/// Follows the links from a path to the end; one member of everything that is listed.
#[track_caller]
fn walk(start: &str, member: &str, get: impl Fn(&str) -> Answer) -> Vec<Value> {
    let (mut seen, mut path) = (Vec::new(), Some(start.to_owned()));
    while let Some(here) = path {
        let answer = get(&here);
        let page = answer.expect(200, "").json();
        let items = page["data"].as_array().unwrap();
        assert!(seen.is_empty() || !items.is_empty(), "a link to an empty page");
        seen.extend(items.iter().map(|item| item[member].clone()));
        path = next(&answer);
    }
    seen
}

on_both! {
    fn whoever_follows_the_links_sees_every_record_once(backend) {
        let server = TestServer::start(backend);
        let key = server.key("calls:read calls:write");
        let mut expected = Vec::new();
        for n in 0..9 {
            let status = if n % 3 == 0 { "completed" } else { "missed" };
            let call = json!({"direction": "inbound", "caller": "+14155550100", "status": status,
                              "started_at": "2026-11-21T11:00:00+01:00", "summary": n.to_string()});
            server.call(&key, "POST", "/v1/calls", Some(&call)).ok();
            expected.insert(0, (status, json!(n.to_string())));
        }
        let get = |path: &str| server.call(&key, "GET", path, None);
        let all = |status: &str| -> Vec<Value> {
            let chosen = expected.iter().filter(|call| status.is_empty() || call.0 == status);
            chosen.map(|call| call.1.clone()).collect()
        };
        for limit in [1, 2, 3, 8, 9, 100] {
            let path = format!("/v1/calls?limit={limit}");
            assert_eq!(walk(&path, "summary", get), all(""), "{path}");
            // A filter with what a query must not hold as it is.
            let path = format!(
                "/v1/%63alls?from=2026-11-21T11:00:00%2B01:00&status=missed&limit={limit}"
            );
            assert_eq!(walk(&path, "summary", get), all("missed"), "{path}");
        }
        let answer = get("/v1/calls?limit=4&status=missed");
        let target = next(&answer).unwrap();
        let cursor = answer.json()["meta"]["next_cursor"].as_str().unwrap().to_owned();
        assert_eq!(target, format!("/v1/calls?limit=4&status=missed&cursor={cursor}"));
        assert_eq!(get(&target).header("link"), "", "the last page has no next one");
        let head = server.call(&key, "HEAD", "/v1/calls?limit=4&status=missed", None);
        assert_eq!(head.header("link"), answer.header("link"));
    }
}

on_both! {
    fn keys_and_audit_events_have_links_too(backend) {
        let server = TestServer::start(backend);
        let mut ids: Vec<Value> =
            (0..7).map(|_| json!(server.key_with("calls:read", json!({"owner": "a & b"})).id)).collect();
        server.key("calls:read");
        ids.reverse();
        let get = |path: &str| server.manage("GET", path, None);
        assert_eq!(walk("/v1/keys?owner=a%20%26%20b&limit=3", "id", get), ids);
        assert_eq!(walk("/v1/keys?owner=a+%26+b&limit=7", "id", get), ids);
        let events = walk("/v1/audit?action=key.created&limit=3", "key_id", get);
        assert_eq!(events.len(), 8);
        assert_eq!(events[1..], ids);
    }
}
