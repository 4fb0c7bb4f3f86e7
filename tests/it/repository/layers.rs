//! The rules of the house, read from the source itself: imports point right, actix and diesel stay
//! in their layers, files are short and open with what they are for, and nothing unwraps.

mod circles;
mod source;

use std::path::{Path, PathBuf};

use circles::circles;
use source::{Token, crate_paths, texts_are, tokens};

/// What each layer may use of the others, besides `config`, `clock` and itself.
const LAYERS: [(&str, &[&str]); 13] = [
    ("main", &["cli"]),
    ("lib", &[]),
    ("cli", &["server", "records", "http", "domain", "gate", "store", "model"]),
    ("server", &["records", "http", "domain", "gate", "store", "model"]),
    ("records", &["http", "domain", "gate", "store", "model"]),
    ("http", &["domain", "gate", "model"]),
    ("domain", &["gate", "store", "model"]),
    ("gate", &["model"]),
    ("store", &["model"]),
    ("model", &[]),
    ("clock", &["model"]),
    ("outbound", &[]),
    // Only inside `records`, which has the layers once more.
    ("demo", &["domain", "gate", "store", "model"]),
];

const LEAVES: [&str; 3] = ["config", "clock", "outbound"];

/// What `config` may use: the nouns, and the one type that says which database.
fn config_may_use(path: &[String]) -> bool {
    path[0] == "model" || path[0] == "config" || path == ["store", "Target"]
}

/// Crates that only some layers may name.
const CRATES: [(&str, &[&str]); 3] =
    [("actix", &["http", "server"]), ("diesel", &["store"]), ("r2d2", &["store"])];

/// Where a match must name every case, so that a new one forces a decision about access.
const DECIDING_TYPES: [&str; 10] = [
    "Access",
    "Resource",
    "Need",
    "PageNeed",
    "Refusal",
    "PageRefusal",
    "Unusable",
    "Outcome",
    "Role",
    "SecretKind",
];

const LONGEST_FILE: usize = 400;

/// What a file breaks, as lines for people. `path` is relative to `src`.
fn violations(path: &Path, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let here = module_of(path);
    let layer = layer_of(&here);
    let place = |line: usize| format!("src/{}:{line}", path.display());
    let mut broken = Vec::new();
    if !text.starts_with("//! ") {
        broken.push(format!("{}: does not open with what it is for", place(1)));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        broken.push(format!("{}: has {lines} lines", place(lines)));
    }
    for used in crate_paths(&tokens, &here) {
        if !used.segments.is_empty() && !may_use(&here, &used.segments) {
            let path = used.segments.join("::");
            broken.push(format!("{}: {layer} must not know {path}", place(used.line)));
        }
    }
    for token in &tokens {
        for (name, layers) in CRATES {
            let named = token.text == name
                || token.text.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
            if named && !layers.contains(&layer) {
                broken.push(format!("{}: {layer} must not name {}", place(token.line), token.text));
            }
        }
    }
    broken.extend(panics(&tokens).map(|t| format!("{}: may panic: {}", place(t.line), t.text)));
    broken.extend(undecided(&tokens).map(|line| format!("{}: decides with _", place(line))));
    broken
}

/// The layer of a module: what its path begins with, or what follows that in the built-in API.
fn layer_of(module: &[String]) -> &str {
    match module {
        [] => "lib",
        [records, layer, ..] if records == "records" && is_layer(layer) => layer,
        [layer, ..] => layer,
    }
}

fn is_layer(name: &str) -> bool {
    LAYERS.iter().any(|(layer, _)| *layer == name)
}

fn may_use(here: &[String], path: &[String]) -> bool {
    let layer = layer_of(here);
    if layer == "config" {
        return config_may_use(path);
    }
    let inside = here.first().is_some_and(|first| first == "records");
    let used = if inside { layer_of(path) } else { path[0].as_str() };
    let allowed = LAYERS.iter().find(|(name, _)| *name == layer).map_or(&[] as &[&str], |(_, a)| a);
    used == layer || LEAVES.contains(&used) || allowed.contains(&used)
}

/// `http/api/keys.rs` is the module `http::api::keys`, `http/mod.rs` is `http`.
fn module_of(path: &Path) -> Vec<String> {
    let mut module: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

/// Calls that end the process where they fail, outside tests.
fn panics(tokens: &[Token]) -> impl Iterator<Item = &Token> {
    const CALLS: [&str; 4] = ["unwrap", "expect", "unwrap_err", "expect_err"];
    const MACROS: [&str; 4] = ["panic", "unreachable", "todo", "unimplemented"];
    tokens.windows(3).filter_map(|window| {
        let [before, word, after] = window else { return None };
        let text = word.text.as_str();
        let call = matches!(before.text.as_str(), "." | "::") && CALLS.contains(&text);
        let called = call && after.text != "_";
        let invoked = MACROS.contains(&text) && after.text == "!";
        (!word.test && (called || invoked)).then_some(word)
    })
}

/// Lines of `match`es over a deciding type that also have an arm `_ =>` alone.
fn undecided(tokens: &[Token]) -> impl Iterator<Item = usize> {
    let matches = tokens.iter().enumerate().filter(|(_, t)| t.text == "match" && !t.test);
    matches.filter_map(|(at, _)| {
        let (arms, decides) = arms(&tokens[at + 1..]);
        let catch_all =
            arms.iter().find(|pattern| texts_are(pattern, &["_"]) && pattern.len() == 1);
        catch_all.filter(|_| decides).map(|pattern| pattern[0].line)
    })
}

/// The patterns of the match whose scrutinee begins here, and whether one names a deciding type.
fn arms(tokens: &[Token]) -> (Vec<&[Token]>, bool) {
    let mut depth = 0;
    let (mut inside, mut arms, mut start, mut body) = (false, Vec::new(), 0, false);
    let mut decides = false;
    for (at, token) in tokens.iter().enumerate() {
        let level = usize::from(inside);
        match token.text.as_str() {
            "{" if !inside && depth == 0 => (inside, depth, start) = (true, 1, at + 1),
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth -= 1;
                if inside && depth == 0 {
                    break;
                }
                if body && depth == level && token.text == "}" {
                    // A block ends an arm, unless a comma or an operator follows.
                    let next = tokens.get(at + 1).map_or("", |t| t.text.as_str());
                    if !matches!(next, "," | "." | "?" | "else") {
                        (start, body) = (at + 1, false);
                    }
                }
            }
            "=>" if inside && depth == level && !body => {
                let pattern = &tokens[start..at];
                let bare: Vec<&str> = pattern.iter().map(|t| t.text.as_str()).collect();
                decides |= DECIDING_TYPES.iter().any(|name| bare.contains(name));
                arms.push(pattern);
                body = true;
            }
            "," if inside && depth == level => (start, body) = (at + 1, false),
            _ => {}
        }
    }
    (arms, decides)
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every file of the source, by its path in `src`, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    assert!(files.len() > 40, "only {} files were found", files.len());
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        (file.strip_prefix(&root).unwrap().to_owned(), text)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn the_source_keeps_the_rules_of_the_house() {
    let broken: Vec<String> =
        sources().iter().flat_map(|(path, text)| violations(path, text)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let files: Vec<_> =
        sources().into_iter().map(|(path, text)| (module_of(&path), text)).collect();
    let found = circles(&files);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_circle_of_files_is_found_however_they_name_each_other() {
    let found = |files: &[(&str, &str)]| {
        let file = |(path, text): &(&str, &str)| (module_of(Path::new(path)), (*text).to_owned());
        circles(&files.iter().map(file).collect::<Vec<_>>())
    };
    let (a, b) = ("a/mod.rs", "a/b.rs");
    assert_eq!(found(&[(a, "mod b; use b::B;"), (b, "use super::A;")]).len(), 2);
    assert_eq!(found(&[(a, "mod b; fn f() { b::g() }"), (b, "use crate::a::{self, A};")]).len(), 2);
    let three =
        [("x.rs", "use crate::y::Y;"), ("y.rs", "use crate::z;"), ("z.rs", "use super::x;")];
    assert_eq!(found(&three).len(), 3);
    for harmless in ["pub(in crate::a) struct B;", "#[cfg(test)] mod tests { use crate::a::A; }"] {
        assert_eq!(found(&[(a, "mod b; use b::B;"), (b, harmless)]), [""; 0]);
    }
    assert_eq!(found(&[(a, "mod b;"), (b, "use super::A;")]), [""; 0]);
}

#[test]
fn every_layer_is_known_and_the_order_has_no_way_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries = |folder: &Path| std::fs::read_dir(folder).unwrap();
    for entry in entries(&root).chain(entries(&root.join("records"))) {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let known = ["config", "mod"].contains(&name.as_str()) || is_layer(&name);
        assert!(known, "{name} is in no layer");
    }
    for (layer, used) in LAYERS {
        for other in used {
            let back = LAYERS.iter().find(|(name, _)| name == other).unwrap().1;
            assert!(!back.contains(&layer), "{layer} and {other} may use each other");
        }
    }
}

/// Each line breaks one rule where it stands; the text is what must be said about it.
#[test]
fn each_rule_catches_what_breaks_it() {
    for (path, code, expected) in [
        ("model/key.rs", "use crate::store::keys;", "model must not know store::keys"),
        ("model/key.rs", "use crate::{clock, domain::Bitting};", "must not know domain::Bitting"),
        ("model/key.rs", "use crate::{a::b, self::gate::{c, d as e}};", "must not know gate::d"),
        ("store/keys.rs", "use super::super::domain::Bitting;", "store must not know domain"),
        ("store/mod.rs", "use super::gate;", "store must not know gate"),
        ("store/keys.rs", "mod inner { use super::super::super::http; }", "must not know http"),
        ("domain/mod.rs", "fn f() { let _ = crate::http::decide::<u8>(); }", "know http::decide"),
        ("domain/mod.rs", "macro_rules! m { () => { $crate::http::x() } }", "know http::x"),
        ("gate/mod.rs", "use crate::store::keys::KeyRow;", "gate must not know store"),
        ("http/api/keys.rs", "fn f(_: crate::store::Error) {}", "http must not know store::Error"),
        ("http/mod.rs", "#[cfg(test)] mod tests { use crate::store; }", "http must not know store"),
        ("model/a/b.rs", "use super::super::super::store::keys;", "must not know store::keys"),
        ("server/mod.rs", "use crate::cli;", "server must not know cli"),
        ("main.rs", "fn main() { bitting::store::open() }", "main must not know store::open"),
        ("lib.rs", "pub use crate::store::Target;", "lib must not know store"),
        ("config.rs", "use crate::store::{Database, Target};", "must not know store::Database"),
        ("clock.rs", "use crate::domain;", "clock must not know domain"),
        ("cli/mod.rs", "fn f() { actix_web::rt::System::new(); }", "cli must not name actix_web"),
        ("gate/mod.rs", "use actix_http::Request;", "gate must not name actix_http"),
        ("domain/mod.rs", "use ::diesel::prelude::*;", "domain must not name diesel"),
        ("http/mod.rs", "use crate::records::endpoints;", "http must not know records::endpoints"),
        ("domain/mod.rs", "use crate::records::model::Fields;", "must not know records::model"),
        ("records/http/calls.rs", "use super::super::store::calls;", "not know records::store"),
        (
            "records/http/mod.rs",
            "use crate::store::Database;",
            "http must not know store::Database",
        ),
        (
            "records/model/mod.rs",
            "use crate::records::domain::RecordKind;",
            "must not know records::domain",
        ),
        ("records/store/mod.rs", "use crate::server;", "store must not know server"),
        ("records/mod.rs", "use crate::server::open;", "records must not know server::open"),
        ("records/http/mod.rs", "use diesel::prelude::*;", "http must not name diesel"),
        ("records/domain/mod.rs", "use actix_web::web;", "domain must not name actix_web"),
        ("http/mod.rs", "use diesel_migrations as m;", "must not name diesel_migrations"),
        ("domain/mod.rs", "#[derive(diesel::Queryable)] struct S;", "must not name diesel"),
        ("model/key.rs", "fn f() { g().unwrap(); }", "may panic: unwrap"),
        ("model/key.rs", "fn f() { g()\n.expect(\"no // comment\"); }", "may panic: expect"),
        ("model/key.rs", "fn f() { g().map(Result::unwrap); }", "may panic: unwrap"),
        ("model/key.rs", "fn f() { unreachable!() }", "may panic: unreachable"),
        (
            "gate/mod.rs",
            "fn f() { match a { Access::Read => { 1 } _ => 2 } }",
            "src/gate/mod.rs:2: decides with _",
        ),
        ("gate/mod.rs", "fn f() { match (a, b) { (Need::AnyKey, _) => 1, _ => 2 } }", "decides"),
    ] {
        let broken = violations(Path::new(path), &format!("//! A sample.\n{code}\n")).join("\n");
        assert!(broken.contains(expected), "{path}: {code}\n{broken}");
    }
    let long = format!("//! A sample.\n{}", "\n".repeat(400));
    assert!(violations(Path::new("clock.rs"), &long)[0].contains("has 401 lines"));
    assert!(violations(Path::new("clock.rs"), "use std::fmt;\n")[0].contains("does not open"));
}

#[test]
fn what_keeps_the_rules_is_left_alone() {
    for (path, code) in [
        ("http/mod.rs", "use actix_web::{App, web};\nuse crate::{gate::caller, domain::{self}};"),
        ("store/keys.rs", "use diesel::prelude::*;\nuse super::{error, super::model::key};"),
        ("config.rs", "use crate::store::Target;\nuse crate::model::secret::Brand;"),
        ("server/mod.rs", "use crate::records::demo::Demo;\nuse crate::records;"),
        (
            "records/http/mod.rs",
            "use super::domain::RecordKind;\nuse crate::{domain, http::state::State};",
        ),
        ("records/store/calls.rs", "use super::schema::calls;\nuse crate::store::rows;"),
        ("cli/keys.rs", "use super::{Failure, output::{say}};\nuse crate::store::migrate;"),
        ("model/key.rs", "// use crate::store;\n/* a.unwrap() /* b */ crate::http */ fn f() {}"),
        ("model/key.rs", "const A: &str = \"crate::store \\\" x.unwrap()\";"),
        (
            "model/key.rs",
            "const A: &str = r#\"crate::store \"x\".unwrap()\"#; const Q: char = '\"';",
        ),
        ("model/key.rs", "fn f<'a>(x: &'a str) { x.unwrap_or_default(); x.expect_more(); }"),
        ("model/key.rs", "#[cfg(test)]\nmod tests { fn f() { g().unwrap(); panic!() } }"),
        (
            "gate/mod.rs",
            "fn f() { match a { Access::Read => 1, Access::Write => match b { _ => 2 } } }",
        ),
        ("gate/mod.rs", "fn f() { match n { 1 => Access::Read, _ => Access::Write } }"),
    ] {
        let broken = violations(Path::new(path), &format!("//! A sample.\n{code}\n"));
        assert!(broken.is_empty(), "{path}: {code}\n{broken:?}");
    }
}
