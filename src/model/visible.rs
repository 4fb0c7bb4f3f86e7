//! What can be seen of a text: a name of invisible characters looks as if there were none.

use std::sync::LazyLock;

/// Characters that show nothing, beside white space and control characters: what Unicode calls
/// default-ignorable, the marks of annotations, and letters and signs that are drawn empty.
const HIDDEN: [(char, char); 20] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{16fe4}', '\u{16fe4}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d159}', '\u{1d159}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether anything of a text can be seen.
pub fn is_visible(text: &str) -> bool {
    text.chars().any(is_seen)
}

fn is_seen(c: char) -> bool {
    let hidden = HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&c));
    !c.is_whitespace() && !c.is_control() && !hidden
}

/// What cannot be seen, as the inside of a character class. What lies above U+FFFF is left out,
/// since dialects of regular expressions write it differently.
pub static UNSEEN: LazyLock<String> = LazyLock::new(|| {
    let unseen = |code: &u32| char::from_u32(*code).is_some_and(|c| !is_seen(c));
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for code in (0..=0xffff).filter(unseen) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == code => *last = code,
            Some(_) | None => ranges.push((code, code)),
        }
    }
    let range = |(first, last): (u32, u32)| match first == last {
        true => format!("\\u{first:04x}"),
        false => format!("\\u{first:04x}-\\u{last:04x}"),
    };
    ranges.into_iter().map(range).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_visible_when_one_character_is() {
        for text in ["a", " a ", "\u{200b}é", "\u{301}", "☎️", "\u{202e}desrever", "한", "0"]
        {
            assert!(is_visible(text), "{text:?}");
        }
        for text in
            ["", " ", "\u{200b}", "\u{ad}", "\u{2800}\u{a0}", "\u{3164}", "\u{feff}\t", "\u{e0041}"]
        {
            assert!(!is_visible(text), "{text:?}");
        }
    }
}
