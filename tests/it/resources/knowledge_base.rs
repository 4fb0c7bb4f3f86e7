//! Articles: their life over HTTP, and a search that finds what a plain model finds.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::server::MadeKey;
use crate::support::{Answer, Backend, TestServer, on_both, rounds};

const PATH: &str = "/v1/knowledge_base";

fn make(server: &TestServer, key: &MadeKey, title: &str, content: &str, tags: &[&str]) -> String {
    let article = json!({"title": title, "content": content, "tags": tags});
    let made = server.call(key, "POST", PATH, Some(&article)).ok();
    made["id"].as_str().unwrap().to_owned()
}

fn search(server: &TestServer, key: &MadeKey, q: &str, rest: &str) -> Answer {
    let q: String = form_urlencoded(q);
    server.call(key, "GET", &format!("{PATH}?q={q}{rest}"), None)
}

fn form_urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn titles(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|one| one["title"].as_str().unwrap()).collect()
}

on_both! {
    fn an_article_is_made_read_changed_and_deleted(backend) {
        let server = TestServer::start(backend);
        let key = server.key("knowledge_base:read knowledge_base:write");
        let article = json!({
            "title": "Opening hours", "content": "Open from 9 to 5,\nclosed on Sundays.",
            "source_url": "https://example.com/hours", "tags": ["faq", "hours"],
        });
        let made = server.call(&key, "POST", PATH, Some(&article));
        let path = made.header("location").to_owned();
        let made = made.expect(201, "").json();
        let id = made["id"].as_str().unwrap();
        assert!(id.starts_with("kb_") && path == format!("{PATH}/{id}"), "{path}");
        for (field, value) in article.as_object().unwrap() {
            assert_eq!(&made[field], value);
        }
        assert_eq!(server.call(&key, "GET", &path, None).ok(), made);

        let patch = json!({"title": "Hours", "source_url": null});
        let changed = server.call(&key, "PATCH", &path, Some(&patch)).ok();
        assert_eq!((&changed["title"], &changed["source_url"]), (&json!("Hours"), &Value::Null));
        assert_eq!(changed["content"], made["content"]);
        for wrong in [json!({"title": null}), json!({"content": " "}), json!({"summary": "x"})] {
            server.call(&key, "PATCH", &path, Some(&wrong)).expect(422, "validation_failed");
        }
        assert_eq!(server.call(&key, "GET", &path, None).ok(), changed);

        server.call(&key, "DELETE", &path, None).expect(204, "");
        server.call(&key, "DELETE", &path, None).expect(404, "not_found");
        server.call(&key, "GET", &path, None).expect(404, "not_found");
    }
}

on_both! {
    fn reading_and_writing_articles_are_two_rights(backend) {
        let server = TestServer::start(backend);
        let writer = server.key("knowledge_base:write");
        let reader = server.key("knowledge_base:read");
        let article = json!({"title": "t", "content": "c"});
        let made = server.call(&writer, "POST", PATH, Some(&article)).expect(201, "").json();
        let members: Vec<&String> = made.as_object().unwrap().keys().collect();
        assert_eq!(members, ["id", "created_at", "updated_at"]);
        let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
        server.call(&writer, "GET", &path, None).expect(403, "insufficient_scope");
        search(&server, &writer, "c", "").expect(403, "insufficient_scope");
        assert_eq!(search(&server, &reader, "c", "").ok()["data"][0]["title"], "t");
        for (method, path) in [("POST", PATH), ("PATCH", &path), ("DELETE", &path)] {
            server.call(&reader, method, path, Some(&article)).expect(403, "insufficient_scope");
        }
    }
}

on_both! {
    fn the_longest_article_fits_into_a_body(backend) {
        let server = TestServer::start(backend);
        let key = server.key("knowledge_base:read knowledge_base:write");
        // Different words, so that the index is as large as it can be.
        let mut content = "zz".to_owned();
        for word in (0..).map(|n: u32| format!(" {n:x}ü")) {
            if content.len() + word.len() > 200 * 1024 {
                break;
            }
            content.push_str(&word);
        }
        content.push_str(&"!".repeat(200 * 1024 - content.len()));
        let tags: Vec<String> = (10..60).map(|n| format!("{n}{}", "語".repeat(48))).collect();
        let article = json!({
            "title": "語".repeat(200), "content": content, "tags": tags,
            "source_url": format!("https://example.com/{}", "x".repeat(2000)),
        });
        let made = server.call(&key, "POST", PATH, Some(&article)).expect(201, "").json();
        assert_eq!(made["content"], article["content"]);
        assert_eq!(search(&server, &key, "zz 0ü 1000Ü 語", "").ok()["data"][0]["id"], made["id"]);

        let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
        let too_long = json!({"content": format!("{content}z")});
        let refused = server.call(&key, "PATCH", &path, Some(&too_long));
        assert_eq!(refused.expect(422, "validation_failed").fields(), ["content"]);
        // What is escaped counts as it is sent.
        let escaped = json!({"content": "\"".repeat(200 * 1024)});
        server.call(&key, "PATCH", &path, Some(&escaped)).expect(413, "body_too_large");
    }
}

on_both! {
    fn all_words_must_occur_in_title_content_or_tags(backend) {
        let server = TestServer::start(backend);
        let key = server.key("knowledge_base:read knowledge_base:write");
        make(&server, &key, "Opening hours", "Weekdays from 9.30", &["faq"]);
        make(&server, &key, "Prices", "Ask ada@example.com, it's free on weekdays", &["faq", "VIP"]);
        make(&server, &key, "Café", "snake_case; well-known; https://example.com/a?b=1", &[]);
        make(&server, &key, "東京タワー", "営業時間は9時から", &[]);
        make(&server, &key, "Часы работы", "STRASSE Straße", &[]);
        for (q, expected) in [
            ("weekdays", &["Prices", "Opening hours"][..]),
            ("WEEKDAYS  opening", &["Opening hours"]),
            ("faq vip", &["Prices"]),
            ("weekday", &[]),
            ("example.com", &["Café", "Prices"]),
            ("ada@example.com", &["Prices"]),
            ("example", &["Café", "Prices"]),
            ("it's", &["Prices"]),
            ("known well", &["Café"]),
            ("case", &["Café"]),
            ("CAFÉ", &["Café"]),
            ("cafe", &[]),
            ("9", &["東京タワー", "Opening hours"]),
            ("9:30", &["Opening hours"]),
            ("東京", &["東京タワー"]),
            ("часы РАБОТЫ", &["Часы работы"]),
            ("straße", &["Часы работы"]),
            ("prices NOT weekdays", &[]),
            ("prices OR opening", &[]),
            ("\"free on\"", &["Prices"]),
            ("-prices", &["Prices"]),
            ("title:prices", &[]),
            ("pri*", &[]),
            ("NEAR(free weekdays)", &[]),
            ("(free & weekdays) | !x", &[]),
            ("'free' <-> weekdays", &["Prices"]),
        ] {
            assert_eq!(titles(&search(&server, &key, q, "").ok()), expected, "{q}");
        }
        for q in ["", " ", "*", "\"", "&|!()", "🙂", "\u{0}", "\u{0}a", &"a".repeat(201)] {
            let refused = search(&server, &key, q, "");
            assert_eq!(refused.expect(422, "validation_failed").fields(), ["q"], "{q:?}");
        }
        let refused = server.call(&key, "GET", &format!("{PATH}?q=a&q=b&title=x"), None);
        let mut named = refused.expect(422, "validation_failed").fields();
        named.sort_unstable();
        assert_eq!(named, ["q", "title"]);
    }
}

on_both! {
    fn a_search_knows_what_was_changed_and_deleted(backend) {
        let server = TestServer::start(backend);
        let key = server.key("knowledge_base:read knowledge_base:write");
        let ids: Vec<String> = ["a", "b", "c", "d"]
            .map(|title| make(&server, &key, title, "common old", &[]))
            .into();
        let patch = json!({"content": "common new"});
        for id in &ids[1..3] {
            server.call(&key, "PATCH", &format!("{PATH}/{id}"), Some(&patch)).ok();
        }
        let found = |q: &str| titles(&search(&server, &key, q, "").ok()).join("");
        assert_eq!(["common", "old", "new", "old new"].map(found), ["dcba", "da", "cb", ""]);
        server.call(&key, "DELETE", &format!("{PATH}/{}", ids[2]), None).expect(204, "");
        assert_eq!(["common", "old", "new", "c"].map(found), ["dba", "da", "b", ""]);
        make(&server, &key, "e", "common old", &[]);
        assert_eq!(found("common"), "edba");
    }
}

on_both! {
    /// Many articles in the same millisecond, made on several connections at once.
    fn a_walk_through_what_was_found_shows_each_once_and_the_newest_first(backend) {
        let server = TestServer::start(backend);
        let key = server.key("knowledge_base:read knowledge_base:write");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| for n in 0..30 {
                    make(&server, &key, &format!("{n}"), ["odd", "even"][n % 2], &["all"]);
                });
            }
        });
        let all = server.call(&key, "GET", &format!("{PATH}?limit=100"), None).ok();
        let ids = |page: &Value| -> Vec<String> {
            let data = page["data"].as_array().unwrap();
            data.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
        };
        for (q, expected) in [("all", 120), ("even", 60), ("all odd", 60), ("even odd", 0)] {
            let (mut seen, mut rest) = (Vec::new(), "&limit=7".to_owned());
            loop {
                let page = search(&server, &key, q, &rest).ok();
                seen.extend(ids(&page));
                // What a cursor stands on may be deleted meanwhile.
                if seen.len() == 14 && q == "even" {
                    let path = format!("{PATH}/{}", seen[13]);
                    server.call(&key, "DELETE", &path, None).expect(204, "");
                }
                let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
                rest = format!("&limit=7&cursor={next}");
            }
            assert_eq!(seen.len(), expected, "{q}");
            assert!(seen.is_sorted_by(|newer, older| newer > older), "{q}");
        }
        assert_eq!(ids(&all)[..7], ids(&search(&server, &key, "all", "&limit=7").ok()));
    }
}

on_both! {
    fn an_agent_answers_from_an_article_that_exists_until_it_is_deleted(backend) {
        let server = TestServer::start(backend);
        let key = server.key("knowledge_base:read knowledge_base:write agents:read agents:write");
        let (gone, kept) = (make(&server, &key, "a", "a", &[]), make(&server, &key, "b", "b", &[]));
        let make_agent = |article: &str| {
            let agent = json!({"name": "Ada", "voice_id": "v", "knowledge_base_id": article});
            server.call(&key, "POST", "/v1/agents", Some(&agent))
        };
        let agents = [&gone, &kept].map(|article| make_agent(article).expect(201, "").json());
        for (agent, article) in agents.iter().zip([&gone, &kept]) {
            assert_eq!(&agent["knowledge_base_id"], article);
        }
        server.pass(Duration::from_secs(1));
        server.call(&key, "DELETE", &format!("{PATH}/{gone}"), None).expect(204, "");
        for nothing in [gone.as_str(), "kb_00000000000000000000000000", "agent_1", "x"] {
            let refused = make_agent(nothing);
            assert_eq!(refused.expect(422, "validation_failed").fields(), ["knowledge_base_id"]);
        }
        let path = |agent: &Value| format!("/v1/agents/{}", agent["id"].as_str().unwrap());
        let patch = json!({"knowledge_base_id": gone});
        server.call(&key, "PATCH", &path(&agents[1]), Some(&patch)).expect(422, "validation_failed");
        let [changed, same] =
            [0, 1].map(|n: usize| server.call(&key, "GET", &path(&agents[n]), None).ok());
        assert_eq!(changed["knowledge_base_id"], Value::Null);
        assert_eq!(changed["updated_at"], "2026-11-21T12:00:01.000Z");
        assert_eq!(same, agents[1]);
    }
}

/// What a person might call a word, decided here anew: one of a few that differ in all that
/// matters.
const WORDS: [&str; 12] =
    ["a", "b2", "naïve", "naive", "СТОЛ", "x", "42", "near", "and", "not", "tschüß", "ab"];
const SEPARATORS: [&str; 14] =
    [" ", "\n", "-", "_", "'", "\"", "*", ":", "&", "|", "!", "(", " \u{2014} ", "\\"];

fn text() -> impl Strategy<Value = (BTreeSet<String>, String)> {
    let part = (0..WORDS.len(), 0..SEPARATORS.len(), any::<bool>());
    prop::collection::vec(part, 1..6).prop_map(|parts| {
        let (mut words, mut text) = (BTreeSet::new(), String::new());
        for (word, separator, upper) in parts {
            words.insert(WORDS[word].to_lowercase());
            let word = if upper { WORDS[word].to_uppercase() } else { WORDS[word].to_owned() };
            // The capital of ß is another word.
            text.push_str(if word == "TSCHÜSS" { "tschüß" } else { &word });
            text.push_str(SEPARATORS[separator]);
        }
        (words, text)
    })
}

#[test]
fn both_databases_find_what_a_plain_model_finds() {
    let servers = [Backend::Sqlite, Backend::Postgres].map(TestServer::start);
    let keys: Vec<MadeKey> = servers
        .iter()
        .map(|server| server.key("knowledge_base:read knowledge_base:write"))
        .collect();
    let cases = rounds(12, 4) as u32;
    let cases = Config { cases, failure_persistence: None, ..Config::default() };
    let (articles, queries) = (prop::collection::vec((text(), text()), 1..8), 12);
    let stories = (articles, prop::collection::vec(text(), queries), any::<[String; 4]>());
    TestRunner::new(cases)
        .run(&stories, |(articles, queries, arbitrary)| {
            for (server, key) in servers.iter().zip(&keys) {
                for id in titles_and_ids(
                    &server.call(key, "GET", &format!("{PATH}?limit=100"), None).ok(),
                ) {
                    server.call(key, "DELETE", &format!("{PATH}/{}", id.1), None).expect(204, "");
                }
                for (n, ((_, title), (_, content))) in articles.iter().enumerate() {
                    make(server, key, &format!("n{n} {title}").replace('\n', " "), content, &[]);
                }
            }
            for (words, q) in queries {
                let expected: Vec<usize> = (0..articles.len())
                    .rev()
                    .filter(|n| {
                        let ((title, _), (content, _)) = &articles[*n];
                        words.iter().all(|word| title.contains(word) || content.contains(word))
                    })
                    .collect();
                for (server, key) in servers.iter().zip(&keys) {
                    let found = titles_and_ids(&search(server, key, &q, "&limit=100").ok());
                    let found: Vec<usize> = found.iter().map(|(n, _)| *n).collect();
                    prop_assert_eq!(&found, &expected, "{:?} on {:?}", q, server.database.backend);
                }
            }
            for q in arbitrary {
                let q: String = q.chars().take(200).collect();
                let [one, other] = [0, 1].map(|n| search(&servers[n], &keys[n], &q, "&limit=100"));
                prop_assert!(matches!(one.status, 200 | 422), "{:?}: {:?}", q, one);
                prop_assert_eq!(one.status, other.status, "{:?}", q);
                if one.status == 200 {
                    let [one, other] =
                        [one, other].map(|answer| answer.json()["data"].as_array().unwrap().len());
                    prop_assert_eq!(one, other, "{:?}", q);
                }
            }
            Ok(())
        })
        .unwrap();
}

/// The numbers in the titles, and the ids.
fn titles_and_ids(page: &Value) -> Vec<(usize, String)> {
    let data = page["data"].as_array().unwrap().iter();
    let number = |title: &str| title[1..title.find(' ').unwrap()].parse().unwrap();
    data.map(|one| (number(one["title"].as_str().unwrap()), one["id"].as_str().unwrap().to_owned()))
        .collect()
}
