//! The API document (OpenAPI 3.1), made of the URL table.
//!
//! It walks the rows that are served, so what it says exists does. Limits come from the readers of
//! fields and parameters themselves, answers from their types, examples from the code that makes the
//! real ones.

mod headers;
pub mod operation;
mod problems;
mod schemas;
mod security;

use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use crate::http::error::Code;
use crate::model::catalog::Catalog;
use crate::model::scope::{SCOPE_FORMAT, scope_schema};

use operation::Operation;
use schemas::Schemas;
use security::security_schemes;

/// The document, as it is served and printed. Without a public URL, paths are relative to where
/// the document came from.
pub fn document(endpoints: &[Endpoint], catalog: &Catalog, public_url: Option<&str>) -> String {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for endpoint in endpoints {
        let mut item = Map::new();
        for (method, describe) in endpoint.operations() {
            let mut operation =
                Operation::new(&mut schemas, catalog, method.clone(), endpoint.need());
            describe(&mut operation);
            item.insert(method.as_str().to_ascii_lowercase(), operation.into_value());
        }
        if !item.is_empty() {
            paths.insert(endpoint.document_path().to_owned(), Value::Object(item));
        }
    }
    let problem = problems::schema(&mut schemas);
    schemas.name("Problem", problem);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bitting",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": include_str!("introduction.md").trim_end(),
            "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": public_url.unwrap_or("/")}],
        "tags": tags(&paths, catalog),
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(),
            "schemas": schemas.into_map(),
            "headers": headers::components(),
            "responses": {"MethodNotAllowed": problems::response(&[Code::MethodNotAllowed])},
            "examples": problems::examples(catalog),
        },
    });
    name_scopes(&mut document, &json!(catalog.own_scopes()));
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// Says which scopes there are wherever a scope is spoken of.
fn name_scopes(schema: &mut Value, scopes: &Value) {
    match schema {
        Value::Object(object) if object.get("format") == Some(&SCOPE_FORMAT.into()) => {
            object.remove("format");
            object.extend(scope_schema(scopes).as_object().cloned().unwrap_or_default());
        }
        Value::Object(object) => object.values_mut().for_each(|inner| name_scopes(inner, scopes)),
        Value::Array(items) => items.iter_mut().for_each(|inner| name_scopes(inner, scopes)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The body of an error, for people to read.
pub fn example_of(code: Code, catalog: &Catalog) -> String {
    serde_json::to_string_pretty(&problems::body(code, catalog)).unwrap_or_default()
}

/// The tags in the order of the URL table.
fn tags(paths: &Map<String, Value>, catalog: &Catalog) -> Vec<Value> {
    let mut names: Vec<&Value> = Vec::new();
    let operations = paths.values().filter_map(Value::as_object).flat_map(Map::values);
    for name in operations.filter_map(|operation| operation["tags"].get(0)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let tag = |name: &Value| {
        let about = format!("{}.", about(name.as_str().unwrap_or_default(), catalog));
        json!({"name": name, "description": about})
    };
    names.into_iter().map(tag).collect()
}

/// What the operations with a tag are about.
fn about<'a>(tag: &str, catalog: &'a Catalog) -> &'a str {
    match tag {
        "this_key" => "What any live key can ask about itself",
        "keys" => "Making, finding and changing keys with an admin token",
        "retiring" => "Rotating and revoking keys, one or many, with an admin token",
        "activity" => "What a key was used for, and which of its requests failed last",
        "connections" => {
            "The vendors' APIs that keys reach, and whether each accepts its credential"
        }
        "leaks" => "For whoever finds a key where it does not belong: no credential is needed",
        "audit" => "What was done to keys and tokens, and by whom",
        "probes" => "Whether the server is alive, and whether it is ready",
        resource => catalog.named(resource).map_or("", |known| &known.description),
    }
}
