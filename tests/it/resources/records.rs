//! Records of every kind: their fields and rules, making, reading, merging and deleting them, and
//! what a key that may only write is told.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::kinds::{Kind, kinds};
use crate::support::rules::Rule;
use crate::support::server::MadeKey;
use crate::support::{Backend, TestServer, on_both};

fn start(backend: Backend) -> (TestServer, MadeKey) {
    let server = TestServer::start(backend);
    let scopes: Vec<String> =
        kinds().iter().flat_map(|kind| [kind.scope("read"), kind.scope("write")]).collect();
    let key = server.key(&scopes.join(" "));
    (server, key)
}

fn make(server: &TestServer, key: &MadeKey, kind: &Kind, body: &Value) -> Value {
    server.call(key, "POST", &kind.path(), Some(body)).expect(201, "").ok()
}

fn with(kind: &Kind, member: &str, value: &Value) -> Value {
    let mut body = kind.least();
    body[member] = value.clone();
    body
}

fn list(server: &TestServer, key: &MadeKey, kind: &Kind) -> Value {
    server.call(key, "GET", &kind.path(), None).ok()["data"].clone()
}

/// The table's own test: a resource that is served and not in it fails here.
#[test]
fn every_kind_that_is_served_is_tested() {
    let endpoints = bitting::server::endpoints(true);
    let served = endpoints.iter().filter_map(|endpoint| {
        let resource = endpoint.path().strip_prefix("/v1/")?.strip_suffix("/{id}")?;
        (!["keys", "connections"].contains(&resource)).then(|| resource.to_owned())
    });
    let mut served: Vec<String> = served.collect();
    served.sort();
    let mut tested: Vec<&str> = kinds().iter().map(|kind| kind.resource).collect();
    tested.sort_unstable();
    assert_eq!(served, tested);
}

on_both! {
    fn a_record_with_every_field_comes_back_as_it_was_given(backend) {
        let (server, key) = start(backend);
        for kind in kinds() {
            let mut given = Value::Null;
            for field in &kind.fields {
                given[field.name] = match field.rule {
                    Rule::Reference(other) => {
                        let other = kinds().into_iter().find(|kind| kind.resource == other).unwrap();
                        make(&server, &key, &other, &other.least())["id"].clone()
                    }
                    ref rule => rule.good()[0].clone(),
                };
            }
            let answer = server.call(&key, "POST", &kind.path(), Some(&given));
            let made = answer.expect(201, "").ok();
            let id = made["id"].as_str().unwrap();
            assert!(id.starts_with(&format!("{}_", kind.prefix)), "{id}");
            assert_eq!(id.len(), kind.prefix.len() + 27, "{id}");
            assert_eq!(answer.header("location"), kind.path_of(&made));
            let mut expected = json!({
                "id": id,
                "created_at": "2026-11-21T12:00:00.000Z",
                "updated_at": "2026-11-21T12:00:00.000Z",
                "created_by": key.id,
                "updated_by": key.id,
            });
            for field in &kind.fields {
                expected[field.name] = given[field.name].clone();
            }
            assert_eq!(made, expected);
            assert_eq!(server.call(&key, "GET", &kind.path_of(&made), None).ok(), expected);
            assert_eq!(list(&server, &key, &kind)[0], expected);
        }
    }
}

on_both! {
    fn what_is_not_required_may_be_left_out_or_null(backend) {
        let (server, key) = start(backend);
        for kind in kinds() {
            let mut nulls = kind.least();
            for field in kind.fields.iter().filter(|field| !field.required) {
                nulls[field.name] = Value::Null;
            }
            for body in [kind.least(), nulls] {
                let made = make(&server, &key, &kind, &body);
                assert_eq!(made, server.call(&key, "GET", &kind.path_of(&made), None).ok());
                for field in kind.fields.iter().filter(|field| !field.required) {
                    assert_eq!(made.get(field.name), Some(&field.default), "{}", field.name);
                }
            }
        }
    }
}

on_both! {
    fn values_inside_the_bounds_are_kept(backend) {
        let (server, key) = start(backend);
        for kind in kinds() {
            for field in &kind.fields {
                for value in field.rule.good() {
                    let made = make(&server, &key, &kind, &with(&kind, field.name, &value));
                    let shown = server.call(&key, "GET", &kind.path_of(&made), None).ok();
                    let (made, shown) = (&made[field.name], &shown[field.name]);
                    assert_eq!((made, shown), (&value, &value), "{} {}", kind.resource, field.name);
                }
            }
        }
    }
}

on_both! {
    fn a_bad_value_is_named_and_changes_nothing(backend) {
        let (server, key) = start(backend);
        for kind in kinds() {
            let made = make(&server, &key, &kind, &kind.least());
            let mut rows: Vec<(&str, Value)> = Vec::new();
            for field in &kind.fields {
                rows.extend(field.rule.bad().into_iter().map(|value| (field.name, value)));
                if field.required {
                    rows.push((field.name, Value::Null));
                }
            }
            for unknown in ["id", "created_at", "updated_at", "Name", "occurred_at", ""] {
                rows.extend([(unknown, json!("x")), (unknown, Value::Null)]);
            }
            for (member, value) in rows {
                let create = ("POST", kind.path(), with(&kind, member, &value));
                let patch = ("PATCH", kind.path_of(&made), json!({member: value}));
                for (method, path, body) in [create, patch] {
                    let answer = server.call(&key, method, &path, Some(&body));
                    let named = answer.expect(422, "validation_failed").fields();
                    assert_eq!(named, [member], "{method} {path} {value}");
                }
            }
            assert_eq!(list(&server, &key, &kind), json!([made]));
        }
    }
}

on_both! {
    fn every_bad_field_is_named_at_once(backend) {
        let (server, key) = start(backend);
        for kind in kinds() {
            let mut wrong = json!({"nope": 1, "id": "x"});
            for field in kind.fields.iter().skip(1) {
                wrong[field.name] = field.rule.bad()[0].clone();
            }
            let mut expected: Vec<&str> = wrong.as_object().unwrap().keys().map(|k| &**k).collect();
            expected.push(kind.fields[0].name);
            // Whether a record exists is asked when all else is right.
            let rule = |name: &str| kind.fields.iter().find(|f| f.name == name).map(|f| &f.rule);
            expected.retain(|name| !matches!(rule(name), Some(Rule::Reference(_))));
            expected.sort_unstable();
            let answer = server.call(&key, "POST", &kind.path(), Some(&wrong));
            let mut named = answer.expect(422, "validation_failed").fields();
            named.sort_unstable();
            assert_eq!(named, expected, "{}", kind.resource);
            for error in answer.json()["errors"].as_array().unwrap() {
                assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
                assert_eq!(error.as_object().unwrap().len(), 2);
            }
        }
    }
}

on_both! {
    fn a_patch_is_merged_field_by_field(backend) {
        let (server, key) = start(backend);
        for kind in kinds() {
            let mut expected = make(&server, &key, &kind, &kind.least());
            let path = kind.path_of(&expected);
            let bearer = format!("Bearer {}", key.secret);
            let types = ["application/json", "application/merge-patch+json"];
            for (n, field) in kind.fields.iter().enumerate() {
                let Some(value) = field.rule.good().pop() else { continue };
                let null = (!field.required).then_some((Value::Null, field.default.clone()));
                for (given, kept) in [(value.clone(), value)].into_iter().chain(null) {
                    server.pass(Duration::from_secs(60));
                    let body = json!({field.name: given}).to_string();
                    let headers = [("authorization", &*bearer), ("content-type", types[n % 2])];
                    let told = server.client.send("PATCH", &path, &headers, Some(&body)).ok();
                    let now = bitting::model::time::format(server.bitting.time.now());
                    expected["updated_at"] = json!(now);
                    expected[field.name] = kept;
                    assert_eq!(told, expected, "{}", field.name);
                    assert_eq!(server.call(&key, "GET", &path, None).ok(), expected);
                }
            }
            let nobody = format!("{}/{}", kind.path(), kind.id(1));
            server.call(&key, "PATCH", &nobody, Some(&json!({}))).expect(404, "not_found");
        }
    }
}

on_both! {
    fn a_record_is_deleted_once(backend) {
        let (server, key) = start(backend);
        for kind in kinds() {
            let made = make(&server, &key, &kind, &kind.least());
            let other = make(&server, &key, &kind, &kind.least());
            let path = kind.path_of(&made);
            let gone = server.call(&key, "DELETE", &path, None);
            assert_eq!((gone.status, gone.body.as_str()), (204, ""));
            for (method, body) in [("DELETE", None), ("GET", None), ("PATCH", Some(json!({})))] {
                server.call(&key, method, &path, body.as_ref()).expect(404, "not_found");
            }
            assert_eq!(list(&server, &key, &kind), json!([other]));
        }
    }
}

on_both! {
    fn an_id_of_another_kind_is_not_found(backend) {
        let (server, key) = start(backend);
        for kind in kinds() {
            let made = make(&server, &key, &kind, &kind.least());
            let id = made["id"].as_str().unwrap();
            for other in kinds().iter().filter(|other| other.resource != kind.resource) {
                let path = format!("{}/{id}", other.path());
                server.call(&key, "GET", &path, None).expect(404, "not_found");
            }
            let digits = id.split_once('_').unwrap().1;
            for wrong in [digits, &id.to_uppercase(), &format!("{id}0"), "x", "%00", "null"] {
                let path = format!("{}/{wrong}", kind.path());
                server.call(&key, "GET", &path, None).expect(404, "not_found");
            }
        }
    }
}

on_both! {
    /// Write does not include read.
    fn a_key_that_may_only_write_is_told_id_and_times(backend) {
        let (server, key) = start(backend);
        for kind in kinds() {
            let writer = server.key(&kind.scope("write"));
            let made = server.call(&writer, "POST", &kind.path(), Some(&kind.least()));
            let told = made.expect(201, "").ok();
            let path = kind.path_of(&told);
            server.pass(Duration::from_secs(60));
            let patch = kind.least();
            let patched = server.call(&writer, "PATCH", &path, Some(&patch)).ok();
            for told in [&told, &patched] {
                let members: Vec<&String> = told.as_object().unwrap().keys().collect();
                assert_eq!(members, ["id", "created_at", "updated_at"], "{}", kind.resource);
            }
            let shown = server.call(&key, "GET", &path, None).ok();
            assert_eq!(patched["id"], told["id"]);
            assert_eq!(patched["updated_at"], shown["updated_at"]);
            for get in [&path, &kind.path()] {
                let refused = server.call(&writer, "GET", get, None);
                refused.expect(403, "insufficient_scope");
            }
            server.call(&writer, "DELETE", &path, None).expect(204, "");
            let reader = server.key(&kind.scope("read"));
            let refused = server.call(&reader, "POST", &kind.path(), Some(&kind.least()));
            refused.expect(403, "insufficient_scope");
        }
    }
}

on_both! {
    fn settings_are_merged_member_by_member(backend) {
        let (server, key) = start(backend);
        let given = json!({"name": "Hook", "kind": "webhook",
            "settings": {"url": "https://a.example", "retries": 3, "headers": {"a": "1", "b": "2"}, "n": null}});
        let made = server.call(&key, "POST", "/v1/integrations", Some(&given)).ok();
        assert_eq!(made["settings"], given["settings"]);
        let path = format!("/v1/integrations/{}", made["id"].as_str().unwrap());
        for (patch, kept) in [
            (
                json!({"retries": null, "headers": {"a": null, "c": {"d": null, "e": 1}}}),
                json!({"url": "https://a.example", "headers": {"b": "2", "c": {"e": 1}}, "n": null}),
            ),
            (json!({"headers": [1], "url": null, "n": null}), json!({"headers": [1]})),
            (json!({}), json!({"headers": [1]})),
            (Value::Null, json!({})),
            (json!({"x": {"y": null}}), json!({"x": {}})),
        ] {
            let told = server.call(&key, "PATCH", &path, Some(&json!({"settings": patch}))).ok();
            assert_eq!(told["settings"], kept, "{patch}");
            assert_eq!(server.call(&key, "GET", &path, None).ok()["settings"], kept, "{patch}");
        }
        // Two patches that are each small enough, and together are not.
        let half = |name: &str| json!({"settings": {name: "a".repeat(9000)}});
        server.call(&key, "PATCH", &path, Some(&half("one"))).ok();
        let answer = server.call(&key, "PATCH", &path, Some(&half("two")));
        assert_eq!(answer.expect(422, "validation_failed").fields(), ["settings"]);
    }
}

on_both! {
    /// And is changed by that, which its time of change says.
    fn a_record_outlives_what_it_refers_to(backend) {
        let (server, key) = start(backend);
        for kind in kinds() {
            for field in &kind.fields {
                let Rule::Reference(other) = field.rule else { continue };
                let other = kinds().into_iter().find(|kind| kind.resource == other).unwrap();
                let gone = make(&server, &key, &other, &other.least());
                let stays = make(&server, &key, &other, &other.least());
                let referring =
                    |to: &Value| make(&server, &key, &kind, &with(&kind, field.name, &to["id"]));
                let (mut freed, kept) = (referring(&gone), referring(&stays));
                assert_eq!(freed[field.name], gone["id"]);
                server.pass(Duration::from_secs(60));
                let cleaner = server.key(&other.scope("write"));
                server.call(&cleaner, "DELETE", &other.path_of(&gone), None).expect(204, "");
                freed[field.name] = Value::Null;
                freed["updated_by"] = json!(cleaner.id);
                let now = bitting::model::time::format(server.bitting.time.now());
                freed["updated_at"] = json!(now);
                for record in [&freed, &kept] {
                    let shown = server.call(&key, "GET", &kind.path_of(record), None).ok();
                    assert_eq!(&shown, record);
                }
                for (method, path) in [("POST", kind.path()), ("PATCH", kind.path_of(&kept))] {
                    let body = with(&kind, field.name, &gone["id"]);
                    let answer = server.call(&key, method, &path, Some(&body));
                    assert_eq!(answer.expect(422, "validation_failed").fields(), [field.name]);
                }
            }
        }
    }
}

on_both! {
    /// So that what a leaked key wrote can be found.
    fn a_record_says_which_keys_wrote_it_and_is_found_by_them(backend) {
        let (server, key) = start(backend);
        for kind in kinds() {
            kind.db_fill(&server.database, 1);
            server.database.db_execute(&format!(
                "UPDATE {} SET created_by = NULL, updated_by = NULL", kind.resource
            ));
            let leaked = server.key(&kind.scope("write"));
            let first = make(&server, &key, &kind, &kind.least());
            let told = server.call(&leaked, "POST", &kind.path(), Some(&kind.least())).ok();
            let of_leaked = server.call(&key, "GET", &kind.path_of(&told), None).ok();
            server.call(&leaked, "PATCH", &kind.path_of(&first), Some(&kind.least())).ok();
            let first = server.call(&key, "GET", &kind.path_of(&first), None).ok();
            let writers = |record: &Value| [record["created_by"].clone(), record["updated_by"].clone()];
            assert_eq!(writers(&first), [json!(key.id), json!(leaked.id)], "{}", kind.resource);
            assert_eq!(writers(&of_leaked), [json!(leaked.id), json!(leaked.id)]);
            let list = |query: String| {
                let page = server.call(&key, "GET", &format!("{}?{query}", kind.path()), None).ok();
                page["data"].as_array().unwrap().clone()
            };
            let old = list("limit=100".to_owned()).pop().unwrap();
            assert_eq!(writers(&old), [Value::Null, Value::Null]);
            let (mine, theirs) = (&key.id, &leaked.id);
            for (query, found) in [
                (format!("created_by={mine}"), vec![&first]),
                (format!("created_by={theirs}"), vec![&of_leaked]),
                (format!("updated_by={theirs}"), vec![&of_leaked, &first]),
                (format!("updated_by={theirs}&created_by={mine}"), vec![&first]),
                (format!("updated_by={mine}"), vec![]),
            ] {
                assert_eq!(list(query.clone()).iter().collect::<Vec<_>>(), found, "{query}");
            }
            // Together with what the kind itself is searched by.
            let also = match kind.resource {
                "contacts" => "q=ada",
                "knowledge_base" => "q=ada",
                "calls" => "from=2026-11-21T00:00:00Z",
                "leads" => "updated_since=2026-11-21T00:00:00Z",
                "agents" => "status=active",
                _ => "kind=callrail",
            };
            for query in [format!("created_by={theirs}"), format!("updated_by={theirs}&limit=1")] {
                let found = list(format!("{also}&{query}"));
                assert_eq!(found, std::slice::from_ref(&of_leaked), "{also}&{query}");
            }
            let wrong = server.call(&key, "GET", &format!("{}?created_by=x", kind.path()), None);
            assert_eq!(wrong.expect(422, "validation_failed").fields(), ["created_by"]);
        }
    }
}
