//! Scopes as text: what is read is well-formed, survives being written, and compiles to exactly what the
//! catalog offers of it.
#![no_main]

use std::collections::BTreeSet;

use bitting::model::scope::{Access, ScopeSet};
use bitting_fuzz::catalog;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let set = match text.parse::<ScopeSet>() {
        Ok(set) => set,
        Err(_) => {
            assert!(!words.iter().all(|word| is_scope(word)), "{text:?}");
            return;
        }
    };
    assert!(words.iter().all(|word| is_scope(word)), "{text:?}");
    let written: Vec<String> = set.iter().map(ToString::to_string).collect();
    let distinct: BTreeSet<&str> = words.iter().copied().collect();
    assert_eq!(written.iter().map(String::as_str).collect::<BTreeSet<_>>(), distinct);
    assert_eq!(written.len(), distinct.len());
    assert_eq!(set.to_string().parse::<ScopeSet>().as_ref(), Ok(&set));

    let catalog = catalog();
    let permissions = catalog.compile(&set);
    for resource in catalog.resources() {
        for access in Access::ALL {
            let scope = format!("{}:{}", resource.name, access.as_str());
            let granted = distinct.contains(scope.as_str()) && resource.offers(access);
            assert_eq!(catalog.allows(permissions, resource.number, access), granted, "{scope}");
            assert_eq!(catalog.parse_scope(&scope).is_ok(), resource.offers(access));
        }
    }
    assert_eq!(catalog.in_order(&set), set);
    // What compiles to nothing is left out; what is left compiles to the same.
    let known = catalog.scopes_of(permissions);
    assert!(set.includes(&known));
    assert_eq!(catalog.compile(&known), permissions);
});

/// The form of a scope, letter by letter.
fn is_scope(word: &str) -> bool {
    let of = |part: &str, others: &str, lengths: std::ops::RangeInclusive<usize>| {
        let lower = |c: char| c.is_ascii_lowercase();
        lengths.contains(&part.len())
            && part.starts_with(lower)
            && part.chars().all(|c| lower(c) || c.is_ascii_digit() || others.contains(c))
    };
    let (own, connection) = match word.split_once('@') {
        Some((own, connection)) => (own, Some(connection)),
        None => (word, None),
    };
    let own = own.strip_suffix(":read").or_else(|| own.strip_suffix(":write"));
    own.is_some_and(|name| of(name, "_", 1..=40))
        && connection.is_none_or(|handle| of(handle, "-", 2..=40))
}
