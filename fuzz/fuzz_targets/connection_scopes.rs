//! Scopes at connections: what opens a request is the same as by comparing texts, whatever was granted,
//! asked and offered before.
//!
//! An input is a command a line: `grant` scopes, `offer` a connection's scopes, `ask` a scope, `any` a
//! connection.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use bitting::model::connections::Handle;
use bitting::model::connections::scopes::{Ask, ConnectionScopes, SetNumber};
use bitting::model::scope::{Scope, ScopeSet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let scopes = ConnectionScopes::default();
    let mut granted: Vec<(SetNumber, BTreeSet<String>)> = Vec::new();
    let mut offered: BTreeMap<Handle, ScopeSet> = BTreeMap::new();
    for (command, rest) in text.lines().take(100).filter_map(|line| line.split_once(' ')) {
        match command {
            "grant" => {
                let Ok(set) = rest.parse::<ScopeSet>() else { continue };
                let number = scopes.intern(&set);
                let at =
                    set.iter().filter(|scope| scope.connection.is_some()).map(Scope::to_string);
                let at: BTreeSet<String> = at.collect();
                for (other, there) in &granted {
                    assert_eq!(*other == number, *there == at, "{rest}");
                }
                granted.push((number, at));
            }
            "offer" => {
                let Some((handle, rest)) = rest.split_once(' ') else { continue };
                let (Ok(handle), Ok(set)) = (handle.parse::<Handle>(), rest.parse::<ScopeSet>())
                else {
                    continue;
                };
                offered.insert(handle.clone(), set.iter().map(|scope| scope.at(&handle)).collect());
                scopes.set_offered(offered.clone());
            }
            "ask" => {
                let Ok(scope) = rest.parse::<Scope>() else { continue };
                let asked = scopes.ask(Ask::Scope(scope.clone()));
                assert_eq!(scopes.asked(asked), Some(&Ask::Scope(scope.clone())));
                for (number, at) in &granted {
                    assert_eq!(scopes.allows(*number, asked), at.contains(rest), "{rest}");
                }
                let offers = offered.values().any(|set| set.contains(&scope));
                assert_eq!(scopes.offers(&scope), offers, "{rest}");
            }
            "any" => {
                let Ok(handle) = rest.parse::<Handle>() else { continue };
                let asked = scopes.ask(Ask::Any(handle));
                let end = format!("@{rest}");
                for (number, at) in &granted {
                    let opens = at.iter().any(|scope| scope.ends_with(&end));
                    assert_eq!(scopes.allows(*number, asked), opens, "{rest}");
                }
            }
            _ => {}
        }
    }
});
