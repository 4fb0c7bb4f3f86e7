//! What can be seen of a text: a name of invisible characters looks as if there were none.

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
    let hidden = |c: char| HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&c));
    text.chars().any(|c| !c.is_whitespace() && !c.is_control() && !hidden(c))
}

/// The hidden characters as the inside of a character class; those above U+FFFF are left out, since
/// dialects of regular expressions write them differently.
pub fn hidden_class() -> String {
    let basic = HIDDEN.iter().map(|(first, last)| (u32::from(*first), u32::from(*last)));
    let basic = basic.filter(|(_, last)| *last <= 0xffff);
    let range = |(first, last)| match first == last {
        true => format!("\\u{first:04x}"),
        false => format!("\\u{first:04x}-\\u{last:04x}"),
    };
    basic.map(range).collect()
}

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
