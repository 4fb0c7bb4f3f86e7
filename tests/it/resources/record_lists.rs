//! Lists of every kind: their parameters, their filters, and a long walk that others do not disturb.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::kinds::kinds;
use crate::support::server::MadeKey;
use crate::support::{SetAtEnd, TestServer, on_both, rounds};

fn all_scopes() -> String {
    let kinds = kinds();
    let scopes = kinds.iter().flat_map(|kind| [kind.scope("read"), kind.scope("write")]);
    scopes.collect::<Vec<_>>().join(" ")
}

on_both! {
    fn a_bad_parameter_is_refused_by_every_list(backend) {
        let server = TestServer::start(backend);
        let key = server.key(&all_scopes());
        let mut foreign = None;
        for kind in kinds() {
            for _ in 0..3 {
                server.call(&key, "POST", &kind.path(), Some(&kind.least())).ok();
            }
            let ask = |query: &str| {
                server.call(&key, "GET", &format!("{}?{query}", kind.path()), None)
            };
            let page = ask("limit=2").ok();
            assert_eq!(page["data"].as_array().unwrap().len(), 2);
            assert_eq!(page["meta"]["limit"], 2);
            let cursor = page["meta"]["next_cursor"].as_str().unwrap().to_owned();
            let last = ask(&format!("limit=1&cursor={cursor}")).ok();
            assert_eq!(last["meta"], json!({"limit": 1, "next_cursor": null}));
            let refused = |query: &str, named: &str| {
                let answer = ask(query);
                assert_eq!(answer.expect(422, "validation_failed").fields(), [named], "{query}");
            };
            for limit in ["0", "-1", "1000000000", "abc", "", "101"] {
                refused(&format!("limit={limit}"), "limit");
            }
            let mut forged = cursor.clone();
            forged.replace_range(0..1, if cursor.starts_with('A') { "B" } else { "A" });
            for cursor in ["abc", "", "AAAAAAAA", "%00", &forged, &cursor[1..]] {
                refused(&format!("cursor={cursor}"), "cursor");
            }
            if let Some(foreign) = foreign.replace(cursor) {
                refused(&format!("cursor={foreign}"), "cursor");
            }
            for unknown in ["sort", "order", "offset", "created_at", "id", "Limit"] {
                refused(&format!("{unknown}=name"), unknown);
            }
        }
    }
}

/// What the records of a page are called; a call has only a summary.
pub fn names(page: &Value) -> Vec<&str> {
    let items = page["data"].as_array().unwrap().iter();
    items.map(|item| item["name"].as_str().or(item["summary"].as_str()).unwrap()).collect()
}

/// Fails unless each query lists these, the newest first, at once and one by one.
pub fn assert_found(server: &TestServer, key: &MadeKey, path: &str, rows: &[(&str, &[&str])]) {
    for (query, expected) in rows {
        let page = server.call(key, "GET", &format!("{path}?{query}"), None).ok();
        assert_eq!(&names(&page), expected, "{path} {query}");
        // The same a page at a time.
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("{path}?{query}&limit=1{cursor}");
            let page = server.call(key, "GET", &path, None).ok();
            walked.extend(names(&page).into_iter().map(str::to_owned));
            match page["meta"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(&walked, expected, "{path} {query}");
    }
}

on_both! {
    fn every_filter_finds_what_it_names_and_nothing_else(backend) {
        let server = TestServer::start(backend);
        let key = server.key(&all_scopes());
        let fill = |path: &str, rows: &[Value]| {
            for row in rows {
                server.call(&key, "POST", path, Some(row)).expect(201, "");
            }
        };
        fill("/v1/agents", &[
            json!({"name": "one", "voice_id": "v"}),
            json!({"name": "two", "voice_id": "v", "status": "paused"}),
            json!({"name": "three", "voice_id": "v", "status": "active"}),
        ]);
        assert_found(&server, &key, "/v1/agents", &[
            ("", &["three", "two", "one"]),
            ("status=active", &["three", "one"]),
            ("status=paused", &["two"]),
        ]);
        fill("/v1/leads", &[
            json!({"name": "one", "source": "web", "email": "ada@example.com", "phone": "+14155550100"}),
            json!({"name": "two", "status": "qualified", "source": "web"}),
            json!({"name": "three", "status": "qualified", "source": "Web"}),
            json!({"name": "four", "status": "qualified"}),
        ]);
        assert_found(&server, &key, "/v1/leads", &[
            ("status=new", &["one"]),
            ("status=qualified", &["four", "three", "two"]),
            ("status=converted", &[]),
            ("source=web", &["two", "one"]),
            ("source=we", &[]),
            ("source=web&status=qualified", &["two"]),
            ("email=ada@example.com", &["one"]),
            ("email=Ada@example.com", &[]),
            ("email=ada@example.com&status=qualified", &[]),
            ("phone=%2B14155550100", &["one"]),
            ("phone=%2B14155550100&email=ada@example.com", &["one"]),
        ]);
        fill("/v1/integrations", &[
            json!({"name": "one", "kind": "clari"}),
            json!({"name": "two", "kind": "other"}),
            json!({"name": "three", "kind": "clari", "enabled": false}),
        ]);
        assert_found(&server, &key, "/v1/integrations", &[
            ("kind=clari", &["three", "one"]),
            ("kind=webhook", &[]),
        ]);
        fill("/v1/contacts", &[
            json!({"name": "JÖRG 100%", "email": "Joerg@Example.com", "phone": "+4930123456"}),
            json!({"name": "Ada_1", "company": "Jörg", "notes": "jörg", "tags": ["jörg"]}),
            json!({"name": "Ada 100", "email": "ada@example.org"}),
        ]);
        assert_found(&server, &key, "/v1/contacts", &[
            ("q=j%C3%B6rg", &["JÖRG 100%"]),
            ("q=ADA", &["Ada 100", "Ada_1"]),
            ("q=example.", &["Ada 100", "JÖRG 100%"]),
            ("q=%2B4930", &["JÖRG 100%"]),
            ("q=100%25", &["JÖRG 100%"]),
            ("q=a_1", &["Ada_1"]),
            ("q=_", &["Ada_1"]),
            ("q=%5C", &[]),
            ("email=ada@example.org", &["Ada 100"]),
            ("email=ada@example.org&q=100", &["Ada 100"]),
            ("email=ada@example.org&q=j", &[]),
            ("phone=%2B4930123456", &["JÖRG 100%"]),
        ]);
        for (query, named) in [
            ("agents?status=Active", "status"),
            ("agents?status=", "status"),
            ("agents?name=one", "name"),
            ("leads?status=open", "status"),
            ("leads?source=", "source"),
            ("leads?source=a&source=b", "source"),
            ("leads?q=a", "q"),
            ("contacts?q=", "q"),
            ("contacts?q=%00", "q"),
            ("contacts?company=a", "company"),
            ("contacts?email=a", "email"),
            // What becomes of a plus.
            ("contacts?phone=+4930123456", "phone"),
            ("leads?email=a+b@example.com", "email"),
            ("leads?updated_since=today", "updated_since"),
            ("integrations?kind=Clari", "kind"),
            ("integrations?enabled=true", "enabled"),
        ] {
            let answer = server.call(&key, "GET", &format!("/v1/{query}"), None);
            assert_eq!(answer.expect(422, "validation_failed").fields(), [named], "{query}");
        }
    }
}

on_both! {
    /// Every record that was there when the walk began and was not deleted, once, and none twice.
    fn a_long_walk_shows_every_record_once_while_others_come_and_go(backend) {
        let server = TestServer::start(backend);
        let key = server.key(&all_scopes());
        // How many records a list has when its walk begins.
        let many = rounds(10_000, 2000) as u64;
        for kind in kinds() {
            kind.db_fill(&server.database, many);
            let doomed: HashSet<String> = (1..=many).step_by(97).map(|n| kind.id(n)).collect();
            let (done, began) = (AtomicBool::new(false), AtomicBool::new(false));
            let write = |method, path: String, body: Option<Value>| {
                server.call(&key, method, &path, body.as_ref()).ok()
            };
            let seen: Vec<String> = std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut doomed = doomed.iter();
                    while !done.load(Ordering::Relaxed) {
                        let passing = write("POST", kind.path(), Some(kind.least()));
                        write("DELETE", kind.path_of(&passing), None);
                        write("POST", kind.path(), Some(kind.least()));
                        if let Some(id) = doomed.next() {
                            write("DELETE", format!("{}/{id}", kind.path()), None);
                        }
                        began.store(true, Ordering::Relaxed);
                    }
                });
                let _end = SetAtEnd(&done);
                crate::support::eventually("another client is at work", || {
                    began.load(Ordering::Relaxed)
                });
                let (mut seen, mut cursor) = (Vec::new(), String::new());
                loop {
                    let path = format!("{}?limit=100{cursor}", kind.path());
                    let page = server.call(&key, "GET", &path, None).ok();
                    let items = page["data"].as_array().unwrap();
                    seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
                    match page["meta"]["next_cursor"].as_str() {
                        Some(next) => cursor = format!("&cursor={next}"),
                        None => break,
                    }
                }
                seen
            });
            assert!(seen.is_sorted_by(|newer, older| newer > older), "the newest first, none twice");
            let seen: HashSet<String> = seen.into_iter().collect();
            let missed = (1..=many).map(|n| kind.id(n)).find(|id| !seen.contains(id) && !doomed.contains(id));
            assert_eq!(missed, None, "{}", kind.resource);
        }
    }
}

on_both! {
    /// What is deleted while a page is made does not make it the last one.
    fn a_page_is_not_the_last_because_its_records_are_deleted(backend) {
        let server = TestServer::start(backend);
        let key = server.key(&all_scopes());
        let kind = kinds().into_iter().find(|kind| kind.resource == "leads").unwrap();
        let many = rounds(500, 150) as u64;
        for query in ["", "&updated_since=2020-01-01T00:00:00Z"] {
            server.database.db_execute("DELETE FROM leads");
            kind.db_fill(&server.database, many);
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let _end = SetAtEnd(&done);
                    for n in (3..=many).rev() {
                        let path = format!("{}/{}", kind.path(), kind.id(n));
                        server.call(&key, "DELETE", &path, None).ok();
                    }
                });
                while !done.load(Ordering::SeqCst) {
                    let path = format!("{}?limit=1{query}", kind.path());
                    let page = server.call(&key, "GET", &path, None).ok();
                    assert!(page["meta"]["next_cursor"].is_string(), "two are left: {page}");
                }
            });
        }
    }
}

on_both! {
    fn what_was_changed_since_is_found_however_much_it_is(backend) {
        let server = TestServer::start(backend);
        let key = server.key(&all_scopes());
        for resource in ["contacts", "leads"] {
            let kind = kinds().into_iter().find(|kind| kind.resource == resource).unwrap();
            // One a minute from 00:01 on, of which the first 500 have another address.
            kind.db_fill(&server.database, 5000);
            let at = |minute: i64| {
                let start = bitting::model::time::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
                bitting::model::time::format(start + chrono::Duration::minutes(minute))
            };
            let walk = |query: &str| {
                let (mut seen, mut cursor) = (Vec::new(), String::new());
                loop {
                    let path = format!("{}?limit=100&{query}{cursor}", kind.path());
                    let page = server.call(&key, "GET", &path, None).ok();
                    let items = page["data"].as_array().unwrap().iter();
                    seen.extend(items.map(|item| item["id"].as_str().unwrap().to_owned()));
                    match page["meta"]["next_cursor"].as_str() {
                        Some(next) => cursor = format!("&cursor={next}"),
                        None => return seen,
                    }
                }
            };
            let ids = |first, last| (first..=last).rev().map(|n| kind.id(n)).collect::<Vec<_>>();
            for (query, first, last) in [
                (format!("updated_since={}", at(1)), 1, 5000),
                (format!("updated_since={}", at(4990)), 4990, 5000),
                (format!("updated_since={}", at(3000)), 3000, 5000),
                (format!("updated_since={}&email=old@example.com", at(100)), 100, 500),
                (format!("updated_since={}&phone=%2B14155550100", at(400)), 400, 500),
            ] {
                let found = walk(&query);
                assert!(found == ids(first, last), "{query}: {}", found.len());
            }
            if resource == "contacts" {
                assert_eq!(walk(&format!("updated_since={}&q=old@", at(490))), ids(490, 500));
            }
            // Whenever it was made, it is found when it was changed.
            let patch = json!({"name": "changed"});
            let old = format!("{}/{}", kind.path(), kind.id(7));
            server.call(&key, "PATCH", &old, Some(&patch)).ok();
            let new = server.call(&key, "POST", &kind.path(), Some(&kind.least())).ok();
            let found = walk("updated_since=2026-11-21T12:00:00Z");
            assert_eq!(found, [new["id"].as_str().unwrap().to_owned(), kind.id(7)]);
        }
    }
}
