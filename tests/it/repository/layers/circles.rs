//! Circles of files: files that can only be read together, because each uses the next.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Token, crate_paths, tokens};

type Module = Vec<String>;

/// The files that are in a circle, or between two, each with those among them that it uses. A file
/// is given by its module, and what is only for tests does not count.
pub fn circles(files: &[(Module, String)]) -> Vec<String> {
    let modules: BTreeSet<&Module> = files.iter().map(|(module, _)| module).collect();
    let uses = |(module, text): &(Module, String)| {
        let tokens: Vec<Token> = without_scopes(tokens(text));
        let mut used = paths(&tokens, module);
        used.extend(child_paths(&tokens, module));
        let file = |path: Module| {
            let mut starts = (0..=path.len()).rev().map(|n| path[..n].to_vec());
            starts.find(|start| modules.contains(start))
        };
        let used: BTreeSet<Module> = used.into_iter().filter_map(file).collect();
        (module.clone(), used.into_iter().filter(|other| other != module).collect())
    };
    let mut left: BTreeMap<Module, BTreeSet<Module>> = files.iter().map(uses).collect();
    loop {
        let before = left.len();
        let used: BTreeSet<Module> = left.values().flatten().cloned().collect();
        left.retain(|module, others| !others.is_empty() && used.contains(module));
        let known: BTreeSet<Module> = left.keys().cloned().collect();
        left.values_mut().for_each(|others| others.retain(|other| known.contains(other)));
        if left.len() == before {
            break;
        }
    }
    let name = |module: &Module| format!("crate::{}", module.join("::"));
    let names = |others: &BTreeSet<Module>| others.iter().map(name).collect::<Vec<_>>().join(", ");
    left.iter().map(|(module, others)| format!("{} -> {}", name(module), names(others))).collect()
}

/// Tokens of no test, and without the module in `pub(in …)`.
fn without_scopes(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept: Vec<Token> = Vec::new();
    let mut tokens = tokens.into_iter().filter(|token| !token.test);
    while let Some(token) = tokens.next() {
        if token.text == "in" && kept.last().is_some_and(|before| before.text == "(") {
            tokens.by_ref().find(|token| token.text == ")");
            kept.pop();
        } else {
            kept.push(token);
        }
    }
    kept
}

fn paths(tokens: &[Token], module: &Module) -> Vec<Module> {
    crate_paths(tokens, module).into_iter().map(|path| path.segments).collect()
}

/// Paths that begin with a module declared in the same file.
fn child_paths(tokens: &[Token], module: &Module) -> Vec<Module> {
    let declared: Vec<&str> = tokens
        .windows(3)
        .filter(|window| window[0].text == "mod" && window[2].text == ";")
        .map(|window| window[1].text.as_str())
        .collect();
    let begins = |at: &usize| {
        let before = at.checked_sub(1).map_or("", |at| tokens[at].text.as_str());
        let text = |at: usize| tokens.get(at).map_or("", |token: &Token| token.text.as_str());
        declared.contains(&text(*at)) && text(at + 1) == "::" && !matches!(before, "::" | ".")
    };
    let read = |at: usize| {
        let words = tokens[at..].chunks(2).take_while(|pair| {
            pair[0].text.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && pair.get(1).is_some_and(|token| token.text == "::")
        });
        let words = words.map(|pair| pair[0].text.clone());
        module.iter().cloned().chain(words).collect()
    };
    (0..tokens.len()).filter(begins).map(read).collect()
}
