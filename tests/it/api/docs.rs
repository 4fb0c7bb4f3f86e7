//! The pages of the API document: they say everything that it says, lead nowhere else, and are
//! small.

use std::collections::{BTreeMap, BTreeSet};

use scraper::{ElementRef, Html};
use serde_json::Value;

use crate::support::html::{attributes, text};
use crate::support::{Answer, Backend, TestServer};

/// No page is larger.
const LARGEST: usize = 100_000;
/// Nor are the files it is made of, which a browser keeps.
const LARGEST_FILES: usize = 50_000;

pub fn get(server: &TestServer, path: &str) -> Answer {
    let answer = server.client.send("GET", path, &[], None);
    assert_eq!(answer.status, 200, "{path}");
    answer
}

pub fn document(server: &TestServer) -> Value {
    server.client.send("GET", "/openapi.json", &[], None).ok()
}

/// Every page of the document, by path.
pub fn pages(server: &TestServer) -> Vec<(String, Answer)> {
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

/// The operations of the document with their paths and methods, but for what vendors answer: the page
/// about connections is about that.
pub fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let paths = paths.filter(|(path, _)| !path.starts_with("/via/"));
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
    let ids = |(path, page): &(String, Answer)| {
        let ids = attributes(page, "[id]", "id");
        let distinct: BTreeSet<String> = ids.iter().cloned().collect();
        assert_eq!(ids.len(), distinct.len(), "{path} has an id twice");
        (path.clone(), distinct)
    };
    let ids: BTreeMap<String, BTreeSet<String>> = pages.iter().map(ids).collect();
    let mut followed = 0;
    for (here, page) in &pages {
        for link in attributes(page, "main a", "href") {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if path.is_empty() { here } else { path };
            let Some(there) = ids.get(path) else {
                let answer = server.client.send("GET", path, &[], None);
                assert!(answer.status < 400 && anchor.is_empty(), "{here} leads to {link}");
                continue;
            };
            if !anchor.is_empty() {
                followed += 1;
                assert!(there.contains(anchor), "{here} leads to {link}");
            }
        }
        for named in ["aria-labelledby", "aria-describedby", "for", "data-copy"] {
            for id in attributes(page, &format!("main [{named}]"), named) {
                assert!(ids[here].contains(&id), "{here}: {named}={id}");
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
    let (mut bodies, mut paths) = (Vec::new(), Vec::new());
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
        paths.push(path.to_owned());
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
    assert_says("the overview", &read(&overview, "#reference"), paths);
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
