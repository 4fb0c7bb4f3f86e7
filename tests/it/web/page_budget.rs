//! Pages of long records: bounded in bytes, and whole when they are put together.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::kinds::{Kind, kinds};
use crate::support::load::request;
use crate::support::{Binary, TestServer, binary, eventually, on_both};

const MIB: usize = 1024 * 1024;

/// What makes a record of a kind long, and how many such records are more than a page.
fn long(kind: &Kind) -> Option<(Value, usize)> {
    let turns = || vec![json!({"role": "agent", "text": "a".repeat(10_000)}); 20];
    Some(match kind.resource {
        "agents" => (json!({"prompt": "ü".repeat(50_000)}), 15),
        "calls" => (json!({"transcript": turns()}), 8),
        "contacts" => (json!({"notes": "ü".repeat(10_000)}), 60),
        "integrations" => (json!({"description": "ü".repeat(10_000)}), 60),
        "knowledge_base" => (json!({"content": "a".repeat(200 * 1024)}), 8),
        // A hundred of the longest have less than a page holds.
        _ => return None,
    })
}

on_both! {
    fn a_page_ends_before_it_grows_long_and_the_list_goes_on(backend) {
        let server = TestServer::start(backend);
        for kind in kinds() {
            let Some((more, count)) = long(&kind) else { continue };
            let key = server.key(&format!("{} {}", kind.scope("read"), kind.scope("write")));
            let mut body = kind.least();
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            for _ in 0..count {
                server.call(&key, "POST", &kind.path(), Some(&body)).expect(201, "");
            }
            let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, String::new());
            loop {
                let path = format!("{}?limit=100{cursor}", kind.path());
                let answer = server.call(&key, "GET", &path, None);
                let page = answer.ok();
                let items = page["data"].as_array().unwrap();
                assert!(!items.is_empty() && items.len() < count, "{}", kind.resource);
                // Beside their text, records have names, ids and times.
                assert!(answer.body.len() < MIB + items.len() * 1000, "{}", kind.resource);
                seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
                pages += 1;
                let next = page["meta"]["next_cursor"].as_str();
                assert_eq!(answer.header("link").is_empty(), next.is_none());
                match next {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert!(seen.is_sorted_by(|newer, older| newer > older), "{}", kind.resource);
            assert_eq!(seen.iter().collect::<HashSet<_>>().len(), count, "{}", kind.resource);
            assert!(pages < count, "{}: pages of single records", kind.resource);
        }
    }
}

on_both! {
    /// A search looks at so many contacts for one page; what is further away is on a later one.
    fn a_search_that_ends_early_goes_on_with_the_next_page(backend) {
        let server = TestServer::start(backend);
        let kind = kinds().into_iter().find(|kind| kind.resource == "contacts").unwrap();
        kind.db_fill(&server.database, 200_003);
        let ids = [2, 1].map(|n| kind.id(n));
        for id in &ids {
            let sql = format!("UPDATE contacts SET name = 'Zoe' WHERE id = '{id}'");
            server.database.db_execute(&sql);
        }
        let key = server.key("contacts:read");
        let find = |query: &str| {
            let page = server.call(&key, "GET", &format!("/v1/contacts?q=zoe{query}"), None).ok();
            let items = page["data"].as_array().unwrap().iter();
            let found: Vec<_> = items.map(|item| item["id"].as_str().unwrap().to_owned()).collect();
            (found, page["meta"]["next_cursor"].as_str().map(str::to_owned))
        };
        let (found, next) = find("");
        assert_eq!(found, [""; 0]);
        let (found, next) = find(&format!("&cursor={}", next.unwrap()));
        assert_eq!((found.as_slice(), next), (&ids[..], None));
    }
}

/// The most memory that the server has had.
fn peak_mib(server: &Binary) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[test]
fn many_slow_readers_of_long_articles_do_not_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let scopes = ["--scope", "knowledge_base:read", "--scope", "knowledge_base:write"];
    let create = [&["key", "create", "--name", "k"], &scopes[..]].concat();
    let key = binary::run_ok(folder.path(), &create);
    let server = Binary::serve(folder.path(), &["--workers", "2"]);
    let article = json!({"title": "Long", "content": "word ".repeat(40_000)});
    for _ in 0..100 {
        server.client.with_key(&key, "POST", "/v1/knowledge_base", Some(&article)).expect(201, "");
    }
    let address = server.client.base.trim_start_matches("http://");
    let wanted = request(&key, "GET", "/v1/knowledge_base?limit=100");
    let ask = || {
        let mut reader = TcpStream::connect(address).unwrap();
        reader.write_all(wanted.as_bytes()).unwrap();
        reader
    };
    let mut readers: Vec<_> = (0..60).map(|_| ask()).collect();
    for reader in &mut readers {
        eventually("the answer begins", || {
            let mut begun = [0; 12];
            reader.read_exact(&mut begun).unwrap();
            let ready = &begun == b"HTTP/1.1 200";
            if !ready {
                // A slow machine does not give so many a turn in time.
                assert_eq!(&begun, b"HTTP/1.1 503");
                *reader = ask();
            }
            ready
        });
    }
    server.client.with_key(&key, "GET", "/v1/knowledge_base?limit=1", None).expect(200, "");
    let peak = peak_mib(&server);
    assert!(peak < 400, "{peak} MiB");
}
