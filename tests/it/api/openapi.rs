//! The API document: it is valid, it says what the server really has, and what the server really
//! answers is what it says.

use bitting::records::model::resources;
use std::collections::BTreeSet;
use std::time::Duration;

use bitting::server;
use jsonschema::{Draft, Registry};
use serde_json::{Map, Value, json};

use crate::gate::feed::db_out_of_reach;
use crate::support::server::MadeKey;
use crate::support::{Answer, Backend, TestServer, binary, eventually, on_both};

/// The document, with the means to hold answers against it.
struct Document {
    value: Value,
    /// It once more, prepared for finding schemas in it.
    schemas: Registry<'static>,
}

/// Where it lies among schemas.
const DOCUMENT: &str = "urn:bitting:openapi";

/// One operation of it.
struct Operation<'a> {
    path: &'a str,
    method: String,
    value: &'a Value,
}

impl Document {
    fn of(server: &TestServer) -> Self {
        let value = server.client.send("GET", "/openapi.json", &[], None).ok();
        let schemas = Registry::new().draft(Draft::Draft202012).add(DOCUMENT, value.clone());
        Self { value, schemas: schemas.unwrap().prepare().unwrap() }
    }

    fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.value["paths"].as_object().unwrap();
        let items = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, value)| Operation {
                path,
                method: method.to_uppercase(),
                value,
            })
        });
        items.collect()
    }

    #[track_caller]
    fn check(&self, pointer: &str, instance: &Value) {
        assert!(self.value.pointer(pointer).is_some(), "{pointer} is not in the document");
        let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
        let schema = json!({"$ref": format!("{DOCUMENT}#{fragment}")});
        let options = jsonschema::draft202012::options().with_registry(&self.schemas);
        let validator = options.build(&schema).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(instance)
            .map(|why| format!("{}: {why}", why.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{pointer}: {faults:#?}\n{instance:#}");
    }

    /// Fails unless an answer is one that the document describes for this operation.
    #[track_caller]
    fn conforms(&self, method: &str, path: &str, answer: &Answer) {
        let place = format!(
            "/paths/{}/{}/responses/{}",
            escaped(path),
            method.to_lowercase(),
            answer.status
        );
        let described = self.value.pointer(&place);
        let described = described.unwrap_or_else(|| panic!("{place} is not in it: {answer:#?}"));
        for (name, header) in described["headers"].as_object().unwrap() {
            let required = match header["$ref"].as_str() {
                Some(reference) => &self.value.pointer(&reference[1..]).unwrap()["required"],
                None => &header["required"],
            };
            let given = answer.headers.contains_key(name);
            assert!(given || *required == json!(false), "{place}: no {name} in {answer:#?}");
        }
        let Some(content) = described["content"].as_object() else {
            assert_eq!(answer.body, "", "{place}");
            return;
        };
        let media_type = answer.header("content-type");
        assert!(content.contains_key(media_type), "{place} says nothing of {media_type}");
        self.check(&format!("{place}/content/{}/schema", escaped(media_type)), &answer.json());
    }
}

/// A name as a step of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl Operation<'_> {
    fn needs_token(&self) -> bool {
        self.value["security"][0]["adminToken"].is_array()
    }

    fn place(&self) -> String {
        format!("/paths/{}/{}", escaped(self.path), self.method.to_lowercase())
    }
}

/// A server, its document, and a key that may do everything.
struct Story {
    server: TestServer,
    document: Document,
    key: MadeKey,
}

impl Story {
    fn begin(backend: Backend) -> Self {
        let server = TestServer::start(backend);
        let document = Document::of(&server);
        let key = server.key(&resources::catalog().scopes().to_string());
        Self { server, document, key }
    }

    /// Sends a request, and holds the answer against the document. `id` stands for `{id}`.
    #[track_caller]
    fn send(
        &self,
        secret: &str,
        method: &str,
        path: &str,
        id: &str,
        body: Option<&Value>,
    ) -> Answer {
        self.send_with(&[], secret, method, path, id, body)
    }

    /// The same with one more header.
    #[track_caller]
    fn send_with(
        &self,
        header: &[(&str, &str)],
        secret: &str,
        method: &str,
        path: &str,
        id: &str,
        body: Option<&Value>,
    ) -> Answer {
        let bearer = format!("Bearer {secret}");
        let mut headers = header.to_vec();
        headers.push(("authorization", &bearer));
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let (text, at) = (body.map(Value::to_string), path.replace("{id}", id));
        let answer = self.server.client.send(method, &at, &headers, text.as_deref());
        self.document.conforms(method, path.split('?').next().unwrap(), &answer);
        answer
    }
}

#[test]
fn the_document_is_served_to_anybody_and_printed_alike() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(Backend::Sqlite);
    let answer = server.client.send("GET", "/openapi.json", &[], None);
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let printed = binary::run(folder.path(), &["openapi"]);
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), answer.body);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it made something");
    assert_eq!(answer.json()["servers"][0]["url"], "/");

    let known = [("if-none-match", answer.header("etag"))];
    let again = server.client.send("GET", "/openapi.json", &known, None);
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_eq!(again.header("etag"), answer.header("etag"));
    let other = server.client.send("GET", "/openapi.json", &[("if-none-match", "\"x\"")], None);
    assert_eq!(other.status, 200);

    let url = "https://keys.example.com";
    let printed = binary::run_ok(folder.path(), &["openapi", "--public-url", url]);
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap()["servers"][0]["url"], url);
}

#[test]
fn everything_in_it_is_named_described_and_has_an_example() {
    let server = TestServer::start(Backend::Sqlite);
    let document = Document::of(&server);
    let mut ids = BTreeSet::new();
    for operation in document.operations() {
        let value = operation.value;
        let filled = |name: &str| value[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(filled("operationId") && filled("summary") && filled("description"), "{value:#}");
        assert!(
            ids.insert(value["operationId"].as_str().unwrap()),
            "{} twice",
            value["operationId"]
        );
        for parameter in value["parameters"].as_array().unwrap() {
            assert!(parameter["description"].is_string(), "{}: {parameter}", operation.path);
        }
        let mut contents =
            vec![(format!("{}/requestBody", operation.place()), &value["requestBody"])];
        for (status, response) in value["responses"].as_object().unwrap() {
            contents.push((format!("{}/responses/{status}", operation.place()), response));
        }
        for (place, described) in contents {
            for (media_type, content) in described["content"].as_object().into_iter().flatten() {
                let examples = content["examples"].as_object().cloned();
                let one =
                    || Map::from_iter([("one".to_owned(), json!({"value": content["example"]}))]);
                let examples = examples.unwrap_or_else(one);
                assert!(!examples.is_empty(), "{place} has no example");
                for example in examples.values() {
                    let reference = example["$ref"].as_str().map(|text| &text[1..]);
                    let example =
                        reference.map_or(example, |to| document.value.pointer(to).unwrap());
                    let schema = format!("{place}/content/{}/schema", escaped(media_type));
                    document.check(&schema, &example["value"]);
                }
            }
        }
    }
    assert!(ids.len() > 10);
    for (name, schema) in document.value["components"]["schemas"].as_object().unwrap() {
        for (member, property) in schema["properties"].as_object().into_iter().flatten() {
            let about = property["description"].as_str().unwrap_or_default();
            assert!(!about.is_empty(), "{name}.{member} has no description");
        }
    }
}

#[test]
fn it_has_the_routes_that_the_server_has_and_no_others() {
    let story = Story::begin(Backend::Sqlite);
    let operations = story.document.operations();
    let described: BTreeSet<(String, String)> =
        operations.iter().map(|o| (o.path.to_owned(), o.method.clone())).collect();
    let endpoints = server::endpoints(true);
    // GitHub alone can sign what its path takes.
    let of_the_api = |path: &&str| {
        (path.starts_with("/v") || path.ends_with('z')) && *path != "/v1/leaks/github"
    };
    let paths = endpoints.iter().map(|endpoint| endpoint.document_path());
    let paths: BTreeSet<&str> = paths.filter(of_the_api).collect();
    let described_paths: BTreeSet<&str> = operations.iter().map(|o| o.path).collect();
    assert_eq!(paths, described_paths);
    for path in paths.into_iter().filter(|path| !path.starts_with("/via/")) {
        let of_path = operations.iter().find(|operation| operation.path == path).unwrap();
        let secret = if of_path.needs_token() { &story.server.admin } else { &story.key.secret };
        let real = path.replace("{id}", "nobody");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
            let answer = story.server.client.with_key(secret, method, &real, None);
            let offered = described.contains(&(path.to_owned(), method.to_owned()));
            assert_eq!(answer.status != 405, offered, "{method} {path}: {answer:#?}");
            assert!(!answer.body.contains("nothing at this path"), "{method} {path}: {answer:#?}");
        }
        let options = story.server.client.send("OPTIONS", &real, &[], None);
        let allowed: BTreeSet<&str> = options.header("allow").split(", ").collect();
        let methods = operations.iter().filter(|o| o.path == path).map(|o| o.method.as_str());
        let mut expected: BTreeSet<&str> = methods.chain(["OPTIONS"]).collect();
        if expected.contains("GET") {
            expected.insert("HEAD");
        }
        assert_eq!(allowed, expected, "{path}");
    }
}

on_both! {
    fn what_every_kind_of_record_answers_is_what_it_says(backend) {
        let story = Story::begin(backend);
        let operations = story.document.operations();
        let kinds = operations.iter().filter(|o| {
            o.method == "POST" && o.value["x-required-scope"].is_string() && !o.path.contains('{')
        });
        let mut seen = 0;
        for kind in kinds {
            seen += 1;
            let (list, one) = (kind.path, format!("{}/{{id}}", kind.path));
            let body = &kind.value["requestBody"]["content"]["application/json"]["example"];
            let scope = kind.value["x-required-scope"].as_str().unwrap();
            let (all, writer) = (&story.key.secret, &story.server.key(scope).secret);
            let none = &story.server.key("analytics:read").secret;

            let made = story.send(all, "POST", list, "", Some(body)).ok();
            let id = made["id"].as_str().unwrap();
            assert!(made.as_object().unwrap().len() > 3);
            let written = story.send(writer, "POST", list, "", Some(body)).ok();
            assert_eq!(written.as_object().unwrap().len(), 3);
            let page = story.send(all, "GET", &format!("{list}?limit=1"), "", None);
            assert_eq!(page.ok()["data"].as_array().unwrap().len(), 1);
            story.send(all, "GET", &one, id, None).ok();
            let patch = &operations.iter().find(|o| o.path == one && o.method == "PATCH").unwrap();
            let content = &patch.value["requestBody"]["content"];
            let patch = &content["application/merge-patch+json"]["example"];
            story.send(all, "PATCH", &one, id, Some(patch)).ok();
            story.send(writer, "PATCH", &one, id, Some(&json!({}))).ok();

            let unknown_field = json!({"nope": 1});
            for (method, path) in [("POST", list), ("PATCH", one.as_str())] {
                story.send(all, method, path, id, Some(&unknown_field)).expect(422, "validation_failed");
                story.send(all, method, path, id, None).expect(415, "unsupported_media_type");
            }
            for (method, path) in [("GET", list), ("GET", &one), ("POST", list), ("PATCH", &one), ("DELETE", &one)] {
                let body = (method == "POST" || method == "PATCH").then_some(&unknown_field);
                story.send("none", method, path, id, body).expect(401, "invalid_key");
                story.send(none, method, path, id, body).expect(403, "insufficient_scope");
                story.send(&story.server.admin, method, path, id, body).expect(403, "wrong_credential");
                if path == one {
                    story.send(all, method, path, "nobody", body).expect(404, "not_found");
                }
                let unknown = story.send(all, method, &format!("{path}?nope=1"), id, body);
                unknown.expect(422, "validation_failed");
            }
            let again = [("idempotency-key", "again")];
            let first = story.send_with(&again, all, "POST", list, "", Some(body));
            let second = story.send_with(&again, all, "POST", list, "", Some(body));
            assert_eq!((first.ok(), second.header("idempotency-replayed")), (second.ok(), "true"));
            let other = story.send_with(&again, all, "POST", list, "", Some(&unknown_field));
            other.expect(422, "idempotency_mismatch");
            let wrong = [("idempotency-key", "a b")];
            let wrong = story.send_with(&wrong, all, "POST", list, "", Some(body));
            wrong.expect(400, "invalid_idempotency_key");
            let page = story.send(all, "GET", &format!("{list}?limit=1"), "", None);
            assert!(page.header("link").contains("cursor="), "{page:?}");
            let known = story.send(all, "GET", &one, id, None).header("etag").to_owned();
            let known = [("if-none-match", known.as_str())];
            story.send_with(&known, all, "GET", &one, id, None).expect(304, "");
            let other = [("if-match", "\"other\"")];
            for (method, body) in [("GET", None), ("PATCH", Some(patch)), ("DELETE", None)] {
                let answer = story.send_with(&other, all, method, &one, id, body);
                answer.expect(412, "precondition_failed");
            }

            story.send(all, "DELETE", &one, id, None).ok();
            story.send(all, "DELETE", &one, id, None).expect(404, "not_found");
        }
        assert!(seen >= 6, "only {seen} kinds");
    }
}

on_both! {
    fn what_managing_keys_answers_is_what_it_says(backend) {
        let story = Story::begin(backend);
        let admin = &story.server.admin;
        let body = json!({"name": "a", "scopes": ["calls:read"], "owner": "o", "expires_at": "2027-01-01T00:00:00+01:00"});
        let made = story.send(admin, "POST", "/v1/keys", "", Some(&body)).ok();
        let id = made["id"].as_str().unwrap();
        let key = made["key"].as_str().unwrap();
        for path in ["/v1/whoami", "/v1/ping", "/v1/admin/limits"] {
            story.send(key, "GET", path, "", None).ok();
            story.send(key, "GET", &format!("{path}?x=1"), "", None).expect(422, "validation_failed");
            story.send(admin, "GET", path, "", None).expect(403, "wrong_credential");
        }
        story.send(key, "GET", "/v1/calls", "", None).ok();
        for path in ["/v1/analytics/overview", "/v1/analytics/usage"] {
            story.send(&story.key.secret, "GET", path, "", None).ok();
            let unknown = story.send(&story.key.secret, "GET", &format!("{path}?x=1"), "", None);
            unknown.expect(422, "validation_failed");
            story.send(key, "GET", path, "", None).expect(403, "insufficient_scope");
        }
        let again = [("idempotency-key", "again")];
        for replayed in ["", "true"] {
            let made = story.send_with(&again, admin, "POST", "/v1/keys", "", Some(&body));
            assert_eq!((made.status, made.header("idempotency-replayed")), (201, replayed));
        }
        for path in ["/v1/keys", "/v1/keys?limit=1&status=all", "/v1/keys/{id}", "/v1/keys/{id}/usage", "/v1/audit", "/v1/audit?limit=1"] {
            story.send(admin, "GET", path, id, None).ok();
            story.send(key, "GET", path, id, None).expect(403, "wrong_credential");
        }
        story.send(admin, "GET", "/v1/keys?limit=0", "", None).expect(422, "validation_failed");
        story.send(admin, "PATCH", "/v1/keys/{id}", id, Some(&json!({"owner": null}))).ok();
        let reader = story.server.db_token(&json!({"name": "r", "access": "read"}));
        story.send(&reader, "POST", "/v1/keys", "", Some(&body)).expect(403, "insufficient_scope");
        story.send(&reader, "POST", "/v1/keys/{id}/revoke", id, None).expect(403, "insufficient_scope");
        story.send(admin, "POST", "/v1/keys/{id}/revoke", id, Some(&json!({"reason": "x"}))).ok();
        story.send(admin, "POST", "/v1/keys/{id}/revoke", id, None).ok();
        story.send(admin, "GET", "/v1/keys/{id}", id, None).ok();
        story.send(admin, "PATCH", "/v1/keys/{id}", id, Some(&json!({"owner": "x"}))).expect(409, "key_retired");
        story.send(admin, "GET", "/v1/keys/{id}", "nobody", None).expect(404, "not_found");
        story.send(key, "GET", "/v1/whoami", "", None).expect(401, "key_revoked");
        for path in ["/healthz", "/readyz"] {
            let answer = story.server.client.send("GET", path, &[], None);
            story.document.conforms("GET", path, &answer);
        }
    }
}

on_both! {
    fn what_is_answered_without_the_database_is_what_it_says(backend) {
        let story = Story::begin(backend);
        db_out_of_reach(&story.server.database, true);
        eventually("reads of the feed fail", || story.server.bitting.read_feed().is_err());
        story.server.clock.pass(Duration::from_secs(3600));
        let (key, admin) = (&story.key.secret, &story.server.admin);
        for operation in story.document.operations() {
            let secret = if operation.needs_token() { admin } else { key };
            // Anybody may report a leak, so that the body is read first.
            let body = (operation.path == "/v1/leaks").then(|| json!({"key": key}));
            let answer = story.send(secret, &operation.method, operation.path, "nobody", body.as_ref());
            let expected = if operation.path == "/healthz" { 200 } else { 503 };
            assert_eq!(answer.status, expected, "{answer:#?}");
        }
        db_out_of_reach(&story.server.database, false);
    }
}
