//! Keys in texts that look like nothing in particular: those that were made elsewhere.

/// What stands around a key in a text, or between it and another one.
const AROUND: &[char] =
    &['"', '\'', '`', '(', ')', '[', ']', '{', '}', '<', '>', ',', ';', '&', '?', '#'];
/// What stands between a name and a value.
const BEFORE: &[char] = &['=', ':'];
/// What ends a sentence.
const BEHIND: &[char] = &['.', '!', ':', '…'];

/// What is said of a text that is stored and shown, and has a key in it.
pub const HOLDS_KEY: &str = "must not contain a key";

/// A shorter key would be guessed.
const SHORTEST: usize = 8;

/// Every part of a text that may be a key which somebody has put into it: all of it, each word, and each
/// word without what stands around it.
pub fn candidates(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split_whitespace().flat_map(|word| {
        word.split(AROUND).chain([word]).flat_map(|piece| {
            let value = piece.split_once(BEFORE).map(|(_, value)| value);
            piece.split(BEFORE).chain(value).chain([piece])
        })
    });
    let pieces = words.flat_map(|piece| {
        let bare = piece.trim_end_matches(BEHIND);
        [piece].into_iter().chain(Some(bare).filter(|bare| bare.len() < piece.len()))
    });
    [text.trim()].into_iter().chain(pieces).filter(|piece| piece.len() >= SHORTEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_found_whatever_stands_around_it(
            key in "[A-Za-z0-9_.+/-]{8,40}[A-Za-z0-9]=?",
            (before, behind) in prop::sample::select(vec![
                ("", ""), ("Bearer ", ""), ("\"", "\""), ("the key ", "."), ("(", ")"), ("old_key=", ""),
                ("{\"key\":\"", "\"}"), ("https://a.b/?key=", "&x=1"), ("X-API-Key: ", ""), ("<", ">,"),
                ("key:", " and so on"), ("is it ", "?"), ("a,b;", ";c"), (" ", "\t\n"), ("“ ", " ”"),
            ]),
        ) {
            let text = format!("{before}{key}{behind}");
            prop_assert!(candidates(&text).any(|piece| piece == key), "{}", text);
        }

        #[test]
        fn there_are_not_many_more_than_there_are_characters(text in "[a=:,. (\"]{0,200}") {
            prop_assert!(candidates(&text).count() <= 10 * (text.len() + 1));
        }
    }
}
