//! Names that are meant as code: stored as they are, shown as text wherever they are shown, and no
//! formula in any file.

use std::collections::BTreeSet;

use bitting::model::spreadsheet::unguard;
use scraper::{Html, Selector};
use serde_json::json;

use crate::support::binary::run_ok;
use crate::support::html::texts;
use crate::support::{Answer, TestServer, on_both};

const ADMIN: &str = "ada@example.com";
const NAMES: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img onerror=alert(1) src=x>",
    "'><svg onload=alert(1)>",
    "\u{202e}desrever",
    "🗝️ e\u{301}",
    "{{7*7}}",
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "a;=1+1",
    "a,\"b\";@SUM(1)",
];

/// Only what the pages themselves are made of, and the name somewhere as text, or as what a field
/// holds.
fn check_page(path: &str, answer: &Answer, name: &str) {
    assert_eq!(answer.status, 200, "{path}: {answer:#?}");
    let page = Html::parse_document(&answer.body);
    let foreign =
        Selector::parse("script:not([src]), [onerror], [onload], [style], img[src=x], svg svg")
            .unwrap();
    assert_eq!(page.select(&foreign).count(), 0, "{path}: {name}");
    let fields = Selector::parse("[value], [title], [data-revoke]").unwrap();
    let held = page.select(&fields).any(|field| {
        ["value", "title", "data-revoke"]
            .iter()
            .any(|of| field.attr(of).is_some_and(|text| text.contains(name)))
    });
    let read = texts(answer, "main").concat().contains(name);
    assert!(read || held, "{path} does not show {name}");
}

/// No cell that a spreadsheet would compute; returns all cells, with the apostrophe taken away.
fn check_file(path: &str, text: &str) -> BTreeSet<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let mut cells = BTreeSet::new();
    for line in reader.records() {
        for cell in &line.unwrap() {
            // Where a spreadsheet separates by something else than commas, a cell begins there too.
            for part in cell.split([';', '\t', '\r', '\n']) {
                assert!(!part.starts_with(['=', '+', '-', '@']), "{path}: {cell:?}");
            }
            // What was put in front of a formula is taken away again.
            cells.insert(unguard(cell));
        }
    }
    cells
}

on_both! {
    fn a_name_that_is_meant_as_code_is_text_on_every_page_and_in_every_file(backend) {
        let server = TestServer::start(backend);
        server.db_user(ADMIN, json!({"role": "admin"}));
        let admin = server.db_browser(ADMIN);
        for (n, name) in NAMES.into_iter().enumerate() {
            let labels = json!({"name": name, "owner": name, "description": name});
            let (live, ended) =
                (server.key_with("calls:read", labels.clone()), server.key_with("calls:read", labels));
            let stored = server.manage("GET", &format!("/v1/keys/{}", live.id), None).ok();
            assert_eq!([&stored["name"], &stored["owner"], &stored["description"]], [&json!(name); 3]);
            let sent = [("x-api-key", &*live.secret), ("user-agent", "<b>\"agent\"</b>")];
            server.client.send("GET", "/v1/calls", &sent, None).ok();
            server.db_flush();
            let reason = json!({"reason": name});
            server.manage("POST", &format!("/v1/keys/{}/revoke", ended.id), Some(&reason)).ok();
            for _ in 0..2 {
                server.db_token(&json!({"name": name, "access": "write"}));
            }
            let tokens = server.database.db_texts("SELECT id FROM admin_tokens ORDER BY number DESC");
            admin.submit("/tokens", &format!("/tokens/{}/revoke", tokens[0]), &[("reason", name)]);
            assert_eq!(tokens.len(), 3 + 2 * n);

            let (live, ended) = (&live.id, &ended.id);
            for path in [
                "/keys".to_owned(), "/keys/retired".to_owned(), "/usage".to_owned(), "/audit".to_owned(),
                "/tokens".to_owned(), "/tokens/retired".to_owned(), format!("/tokens/{}/revoke", tokens[1]),
                format!("/keys/{live}"), format!("/keys/{live}/edit"), format!("/keys/{live}/narrow"),
                format!("/keys/{live}/revoke"),
                format!("/keys/{ended}"), format!("/keys/{live}/rotate"), format!("/audit?key_id={ended}"),
            ] {
                check_page(&path, &admin.get(&path), name);
            }
            let searched = form_urlencoded::Serializer::new(String::new()).append_pair("q", name).finish();
            for path in ["/keys", "/keys/retired", "/tokens", "/users"] {
                check_page(path, &admin.get(&format!("{path}?{searched}")), name);
            }
            let found = texts(&admin.get(&format!("/keys?{searched}")), "tbody a.name");
            assert!(found.iter().any(|found| found == name), "{found:?}");
            let key = admin.get(&format!("/keys/{live}"));
            assert!(texts(&key, "bdi").contains(&"<b>\"agent\"</b>".to_owned()), "{key:#?}");
            // What is wrong is shown again with what was typed, and typed it was.
            let wrong = admin.submit("/keys/new", "/keys/new", &[("name", name), ("owner", name), ("expires", "x")]);
            let again = Answer { status: 200, ..wrong };
            check_page("/keys/new", &again, name);
        }
        for path in ["/keys/export", "/keys/export?status=retired", "/audit/export", "/usage/export", "/usage/export?by=resource"] {
            let cells = check_file(path, &admin.get(path).body);
            for name in NAMES.iter().filter(|_| path.starts_with("/keys")) {
                assert!(cells.contains(*name), "{path} has no {name}");
            }
        }
        let export = ["key", "export", "--database-url", &server.database.url];
        let exported = run_ok(&server.database.folder(), &export);
        let cells = check_file("key export", &exported);
        assert!(NAMES.iter().all(|name| cells.contains(*name)));
        // What people open begins with the mark that Excel needs; what programs read does not.
        let opened = admin.get("/keys/export").body;
        assert!(opened.starts_with("\u{feff}\"id\",\"name\",") && exported.starts_with("\"id\",\"name\","));
        let headings = |file: &str| file.lines().next().unwrap().trim_start_matches('\u{feff}').to_owned();
        assert_eq!(headings(&opened), headings(&exported));
    }
}
