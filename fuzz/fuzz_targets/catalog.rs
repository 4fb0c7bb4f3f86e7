//! Resources in `bitting.toml`, and what requests to the API behind the doors ask of a key: the same as
//! by comparing segment by segment.
//!
//! An input is a file and, behind its first empty line, a request a line.
#![no_main]

use bitting::config::fuzzing::resources_of;
use bitting::model::catalog::{Catalog, Resource};
use bitting::model::request_path::normal;
use bitting::model::request_rule::{RequestRule, is_method};
use bitting::model::requirement::{Requirement, Unmapped};
use bitting::model::scope::Access;
use bitting_fuzz::{halves, in_one_case};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;

fuzz_target!(|text: &str| {
    let (file, requests) = halves(text);
    let Ok(resources) = resources_of(file) else { return };
    let catalog = Catalog::new(resources.iter().cloned());
    assert_eq!(catalog.resources().len(), resources.len());
    for (method, target) in requests.lines().filter_map(|line| line.split_once(' ')) {
        if let Some(path) = normal(target) {
            assert_has_one_reading(&path);
        }
        assert_eq!(catalog.requirement(method, target), model(&resources, method, target));
    }
});

/// However often a path is decoded, it leads through the same segments.
fn assert_has_one_reading(path: &str) {
    assert_eq!(normal(path).as_deref(), Some(path));
    let once = percent_decode_str(path).decode_utf8().expect("UTF-8");
    assert_eq!(once.matches('/').count(), path.matches('/').count());
    let twice = percent_decode_str(&once).decode_utf8_lossy();
    for reading in [path, &once, &twice] {
        assert!(!reading.contains("//") && !reading.contains(['\\', '\0', '\n']), "{path}");
        assert!(reading.split('/').all(|segment| segment != "." && segment != ".."), "{path}");
    }
}

fn model(resources: &[Resource], method: &str, target: &str) -> Result<Requirement, Unmapped> {
    let path = normal(target).filter(|_| is_method(method)).ok_or(Unmapped::Ambiguous)?;
    let below = |path: &str, prefix: &str| {
        let prefix: Vec<&str> = prefix.split('/').collect();
        path.split('/').collect::<Vec<_>>().starts_with(&prefix)
    };
    let prefixes = || {
        resources.iter().flat_map(|resource| {
            resource.requests.paths.iter().map(move |prefix| (resource, prefix.as_str()))
        })
    };
    let longest = prefixes()
        .filter(|(_, prefix)| below(&path, prefix))
        .max_by_key(|(_, prefix)| prefix.len());
    let (resource, prefix) = longest.ok_or(Unmapped::UnknownResource)?;
    let depth = |prefix: &str| prefix.split('/').count();
    let mut of_others = prefixes().filter(|(other, _)| other.number != resource.number);
    if of_others.any(|(_, other)| depth(other) > depth(prefix) && may_lead(&path, other)) {
        return Err(Unmapped::Ambiguous);
    }
    let covered = |rules: &[RequestRule]| rules.iter().any(|rule| covers(rule, method, &path));
    let reads = ["GET", "HEAD", "OPTIONS"].contains(&method) || covered(&resource.requests.reads);
    let access = if reads { Access::Read } else { Access::Write };
    let open = covered(&resource.requests.open);
    let offered = open || reads || resource.writable;
    Ok(Requirement { resource: resource.number, access, open, offered })
}

/// Whether a server may find a prefix in a path that decodes both, takes letters of either case for the
/// same, and what follows a dot for a format.
fn may_lead(path: &str, prefix: &str) -> bool {
    let read = |segment: &str| {
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        decoded.chars().map(in_one_case).collect::<String>()
    };
    let (path, prefix): (Vec<&str>, Vec<&str>) =
        (path.split('/').collect(), prefix.split('/').collect());
    let fits = |(there, wanted): (&&str, &&str)| {
        let (there, wanted) = (read(there), read(wanted));
        let name = name_of(&there, |_| true).trim_end_matches(' ').to_owned();
        let of_format = name_of(&wanted, |first| first.is_ascii_alphabetic());
        wanted == there || (name != there && (wanted == name || of_format == name))
    };
    path.len() >= prefix.len() && path.iter().zip(&prefix).all(fits)
}

/// What stands before the first format that begins so; a dot at the beginning is none.
fn name_of(segment: &str, begins: impl Fn(char) -> bool) -> String {
    let mut parts = segment.split('.');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let first = part.chars().next();
        if !name.is_empty() && first.map_or(begins('.'), &begins) {
            break;
        }
        name = format!("{name}.{part}");
    }
    name
}

fn covers(rule: &RequestRule, method: &str, path: &str) -> bool {
    let (wanted, there): (Vec<&str>, Vec<&str>) =
        (rule.pattern().split('/').collect(), path.split('/').collect());
    let fits =
        |(wanted, there): (&&str, &&str)| wanted == there || (*wanted == "*" && !there.is_empty());
    (rule.method() == method || (rule.method() == "GET" && method == "HEAD"))
        && wanted.len() == there.len()
        && wanted.iter().zip(&there).all(fits)
}
