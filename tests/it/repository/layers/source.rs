//! Reads Rust source as far as the rules of the house need it: tokens with their lines, what is
//! only for tests, and every path that leads to another module.

/// A word or a mark of the source, without comments and without what stands in strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub line: usize,
    pub text: String,
    /// Whether it is inside an item that is compiled for tests alone.
    pub test: bool,
}

/// Splits source into tokens. `::` and `=>` are one token, every other mark is one character, a
/// string or character is `""`.
pub fn tokens(source: &str) -> Vec<Token> {
    let characters: Vec<char> = source.chars().collect();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < characters.len() {
        let start = at;
        let rest = &characters[at..];
        let text = match rest {
            ['/', '/', ..] => {
                at += length_until(rest, |c| c == '\n');
                None
            }
            ['/', '*', ..] => {
                at += comment_length(rest);
                None
            }
            ['r' | 'b', '"' | '#' | 'r', ..] if raw_length(rest).is_some() => {
                at += raw_length(rest).unwrap();
                Some("\"\"".to_owned())
            }
            ['"', ..] | ['b', '"', ..] => {
                at += string_length(rest);
                Some("\"\"".to_owned())
            }
            ['\'', '\\', ..] => {
                at += 3 + length_until(&rest[3..], |c| c == '\'') + 1;
                Some("\"\"".to_owned())
            }
            ['\'', _, '\'', ..] => {
                at += 3;
                Some("\"\"".to_owned())
            }
            [first, ..] if is_word(*first) => {
                at += length_until(rest, |c| !is_word(c));
                Some(characters[start..at].iter().collect())
            }
            [':', ':', ..] | ['=', '>', ..] => {
                at += 2;
                Some(rest[..2].iter().collect())
            }
            _ => {
                at += 1;
                (!rest[0].is_whitespace()).then(|| rest[0].to_string())
            }
        };
        if let Some(text) = text {
            found.push(Token { line, text, test: false });
        }
        line += characters[start..at].iter().filter(|c| **c == '\n').count();
    }
    mark_tests(&mut found);
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn length_until(characters: &[char], stop: impl Fn(char) -> bool) -> usize {
    characters.iter().position(|c| stop(*c)).unwrap_or(characters.len())
}

fn comment_length(characters: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < characters.len() {
        match &characters[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_length(characters: &[char]) -> usize {
    let mut at = length_until(characters, |c| c == '"') + 1;
    while at < characters.len() && characters[at] != '"' {
        at += if characters[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of `r"…"`, `r#"…"#`, `br"…"`; `None` where none begins.
fn raw_length(characters: &[char]) -> Option<usize> {
    let prefix = length_until(characters, |c| c != 'r' && c != 'b');
    if !characters[..prefix].contains(&'r') {
        return None;
    }
    let hashes = length_until(&characters[prefix..], |c| c != '#');
    let mut at = prefix + hashes;
    if characters.get(at) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    at += 1;
    while at < characters.len() && !characters[at..].starts_with(&end) {
        at += 1;
    }
    Some(at + end.len())
}

/// Marks every item under `#[cfg(test)]`: up to its closing brace, or to its semicolon.
fn mark_tests(tokens: &mut [Token]) {
    const ATTRIBUTE: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut at = 0;
    while at < tokens.len() {
        if !texts_are(&tokens[at..], &ATTRIBUTE) {
            at += 1;
            continue;
        }
        let mut depth = 0;
        while at < tokens.len() {
            tokens[at].test = true;
            match tokens[at].text.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            let ends = depth == 0 && matches!(tokens[at].text.as_str(), "}" | ";");
            at += 1;
            if ends {
                break;
            }
        }
    }
}

/// Whether these are the next tokens.
pub fn texts_are(tokens: &[Token], expected: &[&str]) -> bool {
    tokens.len() >= expected.len() && tokens.iter().zip(expected).all(|(t, e)| t.text == *e)
}

/// A path inside the crate, from its root, such as `["store", "keys", "find"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CratePath {
    pub line: usize,
    pub segments: Vec<String>,
}

/// Every path that begins with `crate`, `$crate`, `super`, or in `main` with the crate's own name,
/// in `use` groups and in the midst of code, as seen from the module `here`.
pub fn crate_paths(tokens: &[Token], here: &[String]) -> Vec<CratePath> {
    let mut found = Vec::new();
    // Inline modules around the present token, each with the depth of its braces.
    let (mut inner, mut depth): (Vec<(String, usize)>, usize) = (Vec::new(), 0);
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "mod" if tokens.get(at + 2).is_some_and(|token| token.text == "{") => {
                inner.push((tokens[at + 1].text.clone(), depth));
                at += 1;
            }
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inner.last().is_some_and(|(_, outside)| *outside == depth) {
                    inner.pop();
                }
            }
            "crate" | "super" | "self" if begins_path(tokens, at) => {
                let mut module = here.to_vec();
                module.extend(inner.iter().map(|(name, _)| name.clone()));
                at = read_path(tokens, at, &module, &mut found);
                continue;
            }
            "bitting" if here == ["main"] && begins_path(tokens, at) => {
                at = read_path(tokens, at + 2, &[], &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn begins_path(tokens: &[Token], at: usize) -> bool {
    let is_colons = |at: usize| tokens.get(at).is_some_and(|token| token.text == "::");
    is_colons(at + 1) && !(at > 0 && is_colons(at - 1))
}

/// Reads one path or tree of paths that begins at a token; returns where it ends.
fn read_path(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<CratePath>,
) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens[at].line;
    loop {
        match tokens.get(at).map(|token| token.text.as_str()) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = read_path(tokens, at, &path, found);
                    while tokens.get(at).is_some_and(|t| t.text != "," && t.text != "}") {
                        at += 1; // `as Name`
                    }
                    if tokens.get(at).is_some_and(|token| token.text == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some("crate") => path.clear(),
            Some("super") => drop(path.pop()),
            Some("self" | "*") => {}
            Some(word) if word.starts_with(is_word) => path.push(word.to_owned()),
            _ => break, // `::<…>`
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token.text != "::") {
            break;
        }
        at += 1;
    }
    found.push(CratePath { line, segments: path });
    at
}
