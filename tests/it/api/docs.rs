//! The pages of the API document: they say everything that it says, lead nowhere else, and are
//! small. And the files that pages are made of.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use bitting::records::model::resources;
use scraper::{ElementRef, Html, Selector};
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::html::{attributes, text, texts};
use crate::support::{Answer, Backend, TestServer, skipped, tool};

/// No page is larger.
const LARGEST: usize = 100_000;
/// Nor are the files it is made of, which a browser keeps.
const LARGEST_FILES: usize = 50_000;

fn get(server: &TestServer, path: &str) -> Answer {
    let answer = server.client.send("GET", path, &[], None);
    assert_eq!(answer.status, 200, "{path}");
    answer
}

fn document(server: &TestServer) -> Value {
    server.client.send("GET", "/openapi.json", &[], None).ok()
}

/// Every page of the document, by path.
fn pages(server: &TestServer) -> Vec<(String, Answer)> {
    let paths = attributes(&get(server, "/docs"), ".contents.wide > ul > li > a", "href");
    let pages: Vec<_> = paths.into_iter().map(|path| (path.clone(), get(server, &path))).collect();
    let tags = document(server)["tags"].as_array().unwrap().len();
    assert_eq!(pages.len(), tags + 2, "a quick start, a page for each tag, and the errors");
    for (path, page) in &pages {
        assert!(text(page, ".lead").len() > 10, "{path} does not say what it is about");
    }
    pages
}

/// Everything that can be read in the one element that matches.
fn read(page: &Answer, selector: &str) -> String {
    let text = text(page, selector);
    assert!(!text.is_empty(), "{selector} is missing or empty");
    text
}

/// The operations of the document with their paths and methods.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let each = paths.flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, value)| (path.as_str(), method.as_str(), value))
    });
    each.collect()
}

#[test]
fn pages_load_nothing_inline_and_nothing_from_elsewhere_and_are_small() {
    let server = TestServer::start(Backend::Sqlite);
    for (path, page) in pages(&server) {
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let policy = page.header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self';",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("data:"), "{policy}");
        assert_eq!(page.headers.get_all("content-security-policy").iter().count(), 1);

        let html = Html::parse_document(&page.body);
        let mut size = 0;
        for element in html.root_element().descendants().filter_map(ElementRef::wrap) {
            let name = element.value().name();
            assert_ne!(name, "style", "{path}");
            assert!(name != "script" || element.attr("src").is_some(), "{path}: inline script");
            for (attribute, value) in element.value().attrs() {
                let inline = attribute == "style" || attribute.starts_with("on");
                assert!(!inline, "{path}: {attribute}={value}");
                let loaded = match (name, attribute) {
                    ("a", "href") => false,
                    (_, "href" | "src" | "srcset" | "action" | "data" | "poster") => true,
                    _ => continue,
                };
                let own =
                    value.starts_with('#') || value.starts_with('/') && !value.starts_with("//");
                assert!(own, "{path} names {value}");
                if loaded {
                    size += get(&server, value).body.len();
                }
            }
        }
        for imported in ["/static/copy.js", "/static/docs-try.js"] {
            size += get(&server, imported).body.len();
        }
        assert!(size > 30_000 && size < LARGEST_FILES, "{path} loads {size} bytes");
        assert!(page.body.len() < LARGEST, "{path} has {} bytes", page.body.len());
    }
}

#[test]
fn every_link_leads_to_something() {
    let server = TestServer::start(Backend::Sqlite);
    let pages = pages(&server);
    let mut followed = 0;
    for (here, page) in &pages {
        let ids = attributes(page, "[id]", "id");
        let distinct: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(ids.len(), distinct.len(), "{here} has an id twice");
        for link in attributes(page, "main a", "href") {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if path.is_empty() { here } else { path };
            let Some((_, there)) = pages.iter().find(|(known, _)| known == path) else {
                let answer = server.client.send("GET", path, &[], None);
                assert!(answer.status < 400 && anchor.is_empty(), "{here} leads to {link}");
                continue;
            };
            if !anchor.is_empty() {
                followed += 1;
                let known = attributes(there, "[id]", "id");
                assert!(known.iter().any(|id| id == anchor), "{here} leads to {link}");
            }
        }
        for named in ["aria-labelledby", "aria-describedby", "for", "data-copy"] {
            for id in attributes(page, &format!("main [{named}]"), named) {
                assert!(ids.contains(&id), "{here}: {named}={id}");
            }
        }
    }
    assert!(followed > 500, "only {followed} links");
}

/// The names, descriptions and limits in a schema that a page must tell.
fn told(schema: &Value) -> Vec<String> {
    let mut told = Vec::new();
    match schema {
        Value::Object(object) => {
            for (word, value) in object {
                match word.as_str() {
                    "properties" => {
                        told.extend(value.as_object().unwrap().keys().cloned());
                        told.extend(value.as_object().unwrap().values().flat_map(self::told));
                    }
                    "x-enumDescriptions" => {
                        let words = value.as_object().unwrap();
                        told.extend(words.keys().cloned());
                        told.extend(words.values().map(plain));
                    }
                    "description" => told.push(plain(value)),
                    "pattern" if object.get("format").is_none() => told.push(plain(value)),
                    "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems"
                    | "const" => told.push(plain(value)),
                    "default" if !value.is_null() => told.push(plain(value)),
                    "enum" => {
                        let words = value.as_array().unwrap().iter().filter(|word| !word.is_null());
                        told.extend(words.map(plain));
                    }
                    "$ref" => {
                        told.extend(value.as_str().unwrap().rsplit('/').next().map(str::to_owned))
                    }
                    _ => told.extend(self::told(value)),
                }
            }
        }
        Value::Array(items) => told.extend(items.iter().flat_map(self::told)),
        _ => {}
    }
    told
}

/// A value as it stands in a sentence.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Without what a page may set in another way: white space, and the marks of code and emphasis.
fn squeezed(text: &str) -> String {
    text.replace("**", "").replace('`', "").split_whitespace().collect()
}

#[track_caller]
fn assert_says(where_: &str, page: &str, all: impl IntoIterator<Item = String>) {
    let page = squeezed(page);
    for said in all {
        assert!(page.contains(&squeezed(&said)), "{where_} does not say {said:?}: {page}");
    }
}

#[test]
fn everything_in_the_document_is_on_its_page() {
    let server = TestServer::start(Backend::Sqlite);
    let document = document(&server);
    let operations = operations(&document);
    assert!(operations.len() > 40, "only {}", operations.len());
    let schema = |reference: &Value| {
        let pointer = reference["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
        pointer.map_or(reference, |pointer| document.pointer(pointer).unwrap()).clone()
    };
    let overview = get(&server, "/docs");
    let mut bodies = Vec::new();
    for (path, method, operation) in operations {
        let id = operation["operationId"].as_str().unwrap();
        let page = get(&server, &format!("/docs/{}", operation["tags"][0].as_str().unwrap()));
        let shown = read(&page, &format!("#{id}"));
        let mut said = vec![method.to_uppercase(), path.to_owned()];
        said.extend(["summary", "description"].map(|word| plain(&operation[word])));
        if let Some(scope) = operation["x-required-scope"].as_str() {
            said.push(scope.to_owned());
        }
        for parameter in operation["parameters"].as_array().unwrap() {
            said.extend(["name", "description"].map(|word| plain(&parameter[word])));
            said.extend(told(&schema(&parameter["schema"])));
        }
        let body = &operation["requestBody"]["content"];
        for (media_type, content) in body.as_object().into_iter().flatten() {
            said.push(media_type.clone());
            said.extend(told(&schema(&content["schema"])));
            bodies.push(content["schema"].clone());
            said.push(content["example"].to_string());
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            said.push(status.clone());
            for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                let examples = content["examples"].as_object().unwrap();
                if media_type == "application/problem+json" {
                    said.extend(examples.keys().cloned());
                    continue;
                }
                said.push(plain(&response["description"]));
                said.extend(told(&content["schema"]));
                said.extend(examples.values().map(|example| example["value"].to_string()));
                said.extend(response["headers"].as_object().unwrap().keys().cloned());
            }
        }
        assert_says(id, &shown, said);
        assert_says("the overview", &read(&overview, "#reference"), [path.to_owned()]);
        // What the answers are made of, and what that is made of in turn.
        for name in page_objects(&page) {
            let schema = &document["components"]["schemas"][&name];
            assert_says(&name, &read(&page, &format!("#{name}")), told(schema));
        }
    }
    // No schema is left out: each is a body, whose fields were found above, or an object of a page.
    let mut shown: BTreeSet<String> = bodies.iter().flat_map(told).collect();
    shown.extend(pages(&server).iter().flat_map(|(_, page)| page_objects(page)));
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(shown.contains(name), "{name} is on no page");
    }
    assert_says(
        "the overview",
        &read(&overview, "#rules"),
        [plain(&document["info"]["description"])],
    );
    for (name, header) in document["components"]["headers"].as_object().unwrap() {
        let about = [name.clone(), plain(&header["description"])];
        assert_says(name, &read(&overview, &format!("#header-{name}")), about);
    }
    let errors = get(&server, "/docs/errors");
    for (code, example) in document["components"]["examples"].as_object().unwrap() {
        let body = &example["value"];
        let said = [plain(&example["summary"]), plain(&body["title"]), plain(&body["status"])];
        let shown = read(&errors, &format!("#{code}"));
        assert_says(code, &shown, said.into_iter().chain([code.clone(), body.to_string()]));
    }
    let problem = &document["components"]["schemas"]["Problem"];
    assert_says("the errors", &read(&errors, "#Problem"), told(problem));
}

fn page_objects(page: &Answer) -> Vec<String> {
    attributes(page, ".object", "id")
}

/// The examples in one language: what each is called, and its code.
fn examples(server: &TestServer, language: &str) -> Vec<(String, String)> {
    let mut examples = Vec::new();
    for (_, page) in pages(server) {
        let html = Html::parse_document(&page.body);
        let found = format!("code[id$='-{language}']");
        for code in html.select(&Selector::parse(&found).unwrap()) {
            let operation = code.attr("id").unwrap().trim_end_matches(&format!("-{language}"));
            let code: String = code.text().collect();
            assert!(code.contains(&format!("http://{}/", server.address)), "{code}");
            examples.push((operation.to_owned(), code));
        }
    }
    let distinct: BTreeSet<&String> = examples.iter().map(|(operation, _)| operation).collect();
    assert_eq!(distinct.len(), operations(&document(server)).len(), "in {language}");
    examples
}

/// Runs examples with a key and a token that may do everything. `run` makes the arguments of the
/// program, which is to print a line with the status of each.
fn assert_answered(
    language: &str,
    program: &Path,
    run: impl Fn(&[(String, String)]) -> Vec<String>,
) {
    let server = TestServer::start(Backend::Sqlite);
    let everything = resources::catalog().scopes().to_string();
    let key = server.key(&everything);
    let examples = examples(&server, language);
    let ran = Command::new(program)
        .args(run(&examples))
        .env("KEY", &key.secret)
        .env("TOKEN", &server.admin)
        .output()
        .unwrap();
    let (out, errors) =
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr));
    let statuses: Vec<&str> =
        out.lines().filter_map(|line| line.strip_prefix("answered ")).collect();
    assert_eq!(statuses.len(), examples.len(), "{out}{errors}");
    for ((operation, code), status) in examples.iter().zip(statuses) {
        // What the examples name does not exist.
        let expected = if code.contains("_01k462ttvyfgx8yqhb3966v3mg") { "404" } else { "20" };
        assert!(status.starts_with(expected), "{operation} is answered {status}: {code}{errors}");
    }
}

#[test]
fn the_examples_for_curl_can_be_sent_as_they_are() {
    let (Some(shell), Some(_)) = (tool("sh"), tool("curl")) else { return };
    assert_answered("request", &shell, |examples| {
        let line = |(_, command): &(String, String)| {
            format!("{command} -sS -o /dev/null -w 'answered %{{http_code}}\n'")
        };
        vec!["-c".to_owned(), examples.iter().map(line).collect::<Vec<_>>().join("\n")]
    });
}

#[test]
fn the_examples_in_python_can_be_run_as_they_are() {
    let Some(python) = tool("python3") else { return };
    let probe = Command::new(&python).args(["-c", "import requests"]).output().unwrap();
    if !probe.status.success() {
        skipped("Python's requests is not installed");
        return;
    }
    assert_answered("python", &python, |examples| {
        let each = |(_, code): &(String, String)| {
            format!("{code}\nprint('answered', response.status_code)\n")
        };
        vec!["-c".to_owned(), examples.iter().map(each).collect()]
    });
}

#[test]
fn the_examples_in_javascript_can_be_run_as_they_are() {
    let Some(node) = tool("node") else { return };
    assert_answered("javascript", &node, |examples| {
        let each = |(_, code): &(String, String)| {
            format!("{{\n{code}\nconsole.log('answered', response.status);\n}}\n")
        };
        let script = examples.iter().map(each).collect();
        vec!["--input-type=module".to_owned(), "-e".to_owned(), script]
    });
}

#[test]
fn the_quick_start_names_this_server() {
    let server = TestServer::start(Backend::Sqlite);
    let page = get(&server, "/docs");
    assert!(page.body.contains(&format!("http://{}/v1/whoami", server.address)));
    assert!(page.body.contains("\\bbt[ka]_[0-9A-Za-z]{38}\\b"), "the pattern for secret scanners");
    assert_eq!(texts(&page, "h1"), ["The API"]);
}

fn signed_in(server: &TestServer, role: Value) -> Browser {
    server.db_user("first@example.com", json!({"role": "admin"}));
    server.db_user("ada@example.com", role);
    Browser::signed_in(&server.client.base, "ada@example.com")
}

#[test]
fn the_pages_ask_for_no_credential_and_read_none() {
    let server = TestServer::start(Backend::Sqlite);
    let revoked = server.key("calls:read");
    server.revoke(&revoked);
    for path in ["/docs", "/docs/calls", "/docs/errors"] {
        for value in [format!("Bearer {}", revoked.secret), "Bearer nonsense".to_owned()] {
            let page = server.client.send("GET", path, &[("authorization", &value)], None);
            assert_eq!((page.status, &page.body), (200, &get(&server, path).body), "{path}");
        }
    }
}

/// The quick start as somebody reads it.
fn quick_start(server: &TestServer, role: Option<Value>) -> Answer {
    match role {
        None => get(server, "/docs"),
        Some(role) => signed_in(server, role).get("/docs"),
    }
}

#[test]
fn the_quick_start_leads_each_reader_to_their_first_key() {
    for (role, button, command_line) in [
        (None, vec!["/login?next=%2Fkeys%2Fnew"], true),
        (Some(json!({"role": "member", "may_grant": ["calls:read"]})), vec!["/keys/new"], false),
        (Some(json!({"role": "admin"})), vec!["/keys/new"], true),
        (Some(json!({"role": "auditor"})), vec![], false),
    ] {
        let server = TestServer::start(Backend::Sqlite);
        let page = quick_start(&server, role.clone());
        assert_eq!(attributes(&page, "main a.primary", "href"), button, "{role:?}");
        assert_eq!(page.body.contains("bitting key create"), command_line, "{role:?}");
    }
}

#[test]
fn somebody_signed_in_keeps_their_navigation() {
    let server = TestServer::start(Backend::Sqlite);
    let browser = signed_in(&server, json!({"role": "member"}));
    let keys = browser.get("/keys");
    let menu = "header nav a, header .who a";
    for path in ["/docs", "/docs/calls", "/docs/errors"] {
        let page = browser.get(path);
        assert_eq!(attributes(&page, menu, "href"), attributes(&keys, menu, "href"), "{path}");
        assert_eq!(texts(&page, "header [aria-current]"), ["API"], "{path}");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(texts(&page, "header form button"), ["Sign out"]);
    }
    let next = attributes(&get(&server, "/docs/calls"), menu, "href");
    assert_eq!(next, ["/docs", "/login?next=%2Fdocs%2Fcalls"]);
}

#[test]
fn a_host_that_is_no_address_is_not_repeated() {
    let server = TestServer::start(Backend::Sqlite);
    for path in ["/docs", "/docs/calls"] {
        let page = server.client.send("GET", path, &[("host", "a$(reboot)")], None);
        assert!(page.status == 400 || !page.body.contains("reboot"), "{page:?}");
    }
}

#[test]
fn a_page_that_does_not_exist_is_told_as_a_page() {
    let server = TestServer::start(Backend::Sqlite);
    for path in ["/docs/nothing", "/docs/Calls", "/docs/%3Cscript%3E"] {
        let page = server.client.send("GET", path, &[], None);
        assert_eq!((page.status, text(&page, "h1").as_str()), (404, "Not found"), "{path}");
        assert!(!page.body.contains("<script>"), "{path}");
    }
}

#[test]
fn files_are_sent_once_only() {
    let server = TestServer::start(Backend::Sqlite);
    let file = server.client.send("HEAD", "/static/docs.js", &[], None);
    assert_eq!(file.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    let etag = file.header("etag");
    assert!(etag.starts_with('"'), "{etag}");
    let again =
        |tag: &str| server.client.send("GET", "/static/docs.js", &[("if-none-match", tag)], None);
    assert_eq!((again(etag).status, again(etag).body.as_str()), (304, ""));
    assert_eq!(again("\"x\"").status, 200);
}

#[test]
fn there_is_a_favicon_and_nothing_beside_the_files() {
    let server = TestServer::start(Backend::Sqlite);
    let get = |path: &str| server.client.send("GET", path, &[], None);
    assert_eq!(
        (get("/favicon.ico").status, get("/favicon.ico").header("content-type")),
        (200, "image/svg+xml")
    );
    for path in
        ["/static/nothing", "/static/", "/static/../Cargo.toml", "/static/%2e%2e%2fCargo.toml"]
    {
        get(path).expect(404, "not_found");
    }
    for path in ["/docs", "/docs/calls", "/static/bitting.css", "/openapi.json"] {
        server.client.send("POST", path, &[], None).expect(405, "method_not_allowed");
    }
}
