//! Vendors' answers: however they are cut into pieces, the credential does not come through, links lead
//! through the connection, fields that are hidden are, and all else stays as it is.
//!
//! An input is a line of lengths of pieces, and a body. `{secret}` stands in it for the credential, as
//! JSON writes it, and `{vendor}` for the vendor's origin.
#![no_main]

use bitting::http::via::fuzzing::Kept;
use bitting_fuzz::pieces;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

const SECRET: &str = "ctrk/0123\"abc";
const WRITTEN: &str = "ctrk/0123\\\"abc";
const STARS: &str = "*************";
const VENDOR: &str = "https://api.vendor.example";
const HERE: &str = "https://bitting.example/via/vendor";
const KEPT: Kept<'_> =
    Kept { secret: SECRET, origins: (VENDOR, HERE), hidden: &["token", "recording"] };

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (lengths, body) = input.split_at(end);
    let Ok(body) = std::str::from_utf8(body) else { return check_bytes(body, lengths) };
    let body = body.replace("{secret}", WRITTEN).replace("{vendor}", VENDOR);
    check_bytes(body.as_bytes(), lengths);
    let out = KEPT.json(pieces(body.as_bytes(), lengths));
    assert_eq!(out, KEPT.json([body.as_bytes()].into_iter()), "however it is cut");
    assert!(!holds(&out, SECRET) || ends_an_escape(&body), "{body}");
    if let Ok(value) = serde_json::from_str::<Value>(&body) {
        let read: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(without_hidden_objects(&read), model(&value));
        assert!(!read.to_string().contains(WRITTEN));
    }
});

fn check_bytes(body: &[u8], lengths: &[u8]) {
    let out = KEPT.bytes(pieces(body, lengths));
    assert_eq!(out.len(), body.len());
    assert!(!holds(&out, SECRET) && !holds(&KEPT.header(body), SECRET));
    assert_eq!(out == body, !holds(body, SECRET));
}

fn holds(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

/// Whether the first character of the credential is the last of an escape, and so part of another one.
fn ends_an_escape(body: &str) -> bool {
    body.match_indices(SECRET).any(|(at, _)| {
        let before =
            body.get(at.saturating_sub(5)..at).and_then(|before| before.strip_prefix("\\u"));
        before.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    })
}

/// What a value becomes.
fn model(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(plain(text)),
        Value::Array(items) => items.iter().map(model).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match name.as_str() {
                "token" | "recording" => (name.clone(), hidden(value)),
                _ => (plain(name), model(value)),
            };
            Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// A hidden object is null here: its names have become one.
fn hidden(value: &Value) -> Value {
    match value {
        Value::String(_) | Value::Number(_) => json!("*"),
        Value::Array(items) => items.iter().map(hidden).collect(),
        Value::Object(_) => Value::Null,
        other => other.clone(),
    }
}

fn without_hidden_objects(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_hidden_objects).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match name.as_str() {
                "token" | "recording" => {
                    assert_tells_nothing(value);
                    (name.clone(), hidden(value))
                }
                _ => (name.clone(), without_hidden_objects(value)),
            };
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

fn assert_tells_nothing(value: &Value) {
    match value {
        Value::String(text) => assert_eq!(text, "*"),
        Value::Number(number) => panic!("{number} is not hidden"),
        Value::Array(items) => items.iter().for_each(assert_tells_nothing),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            assert_eq!(name, "*");
            assert_tells_nothing(value);
        }),
        Value::Null | Value::Bool(_) => {}
    }
}

fn plain(text: &str) -> String {
    let text = text.replace(SECRET, STARS);
    let origins = ["https://", "http://", "//"].into_iter().flat_map(|scheme| {
        ["/", ":443/", ":80/"].map(|end| format!("{scheme}api.vendor.example{end}"))
    });
    let begins = |link: &String| {
        text.get(..link.len()).is_some_and(|start| start.eq_ignore_ascii_case(link))
    };
    // A link may have no path, and end with what ends links in texts.
    let bare = |link: &String| {
        let origin = link.trim_end_matches('/');
        let (start, rest) = text.split_at_checked(origin.len())?;
        let ends = rest.is_empty() || rest.starts_with(['?', '#', '>', ',', ';', '"', '\'', ' ']);
        (ends && start.eq_ignore_ascii_case(origin)).then(|| format!("{HERE}{rest}"))
    };
    let mut origins = origins.collect::<Vec<_>>().into_iter();
    if let Some(link) = origins.clone().find_map(|link| bare(&link)) {
        return link;
    }
    match origins.find(begins) {
        Some(link) => format!("{HERE}/{}", &text[link.len()..]),
        None => text,
    }
}
