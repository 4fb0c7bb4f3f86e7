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
use bitting_fuzz::halves;
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
    let lower = path.to_ascii_lowercase();
    let of_any_case = prefixes().filter(|(_, prefix)| below(&lower, &prefix.to_ascii_lowercase()));
    if of_any_case.map(|(_, prefix)| prefix.len()).max() > Some(prefix.len()) {
        return Err(Unmapped::Ambiguous);
    }
    let covered = |rules: &[RequestRule]| rules.iter().any(|rule| covers(rule, method, &path));
    let reads = ["GET", "HEAD", "OPTIONS"].contains(&method) || covered(&resource.requests.reads);
    let access = if reads { Access::Read } else { Access::Write };
    let open = covered(&resource.requests.open);
    let offered = open || reads || resource.writable;
    Ok(Requirement { resource: resource.number, access, open, offered })
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
