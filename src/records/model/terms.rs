//! The words that text is searched by: one rule for what is stored and for what is asked.
//!
//! The databases are given words that are split already, so that both find the same.

use std::collections::BTreeSet;

/// Longer words count by their beginning; PostgreSQL takes none of over 2046 bytes.
const LONGEST: usize = 100;

/// The different words of a text, in lower case.
///
/// A word is a run of letters and digits, and all else stands between words. Of scripts that are
/// written without spaces every character is a word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms(BTreeSet<String>);

impl Terms {
    /// Reads what a person searches for.
    ///
    /// # Errors
    /// A sentence for the field's error, when there is no word in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut terms = Self::default();
        terms.add(text);
        if terms.0.is_empty() {
            Err("must contain a word or a number".to_owned())
        } else {
            Ok(terms)
        }
    }

    /// Adds the words of a text.
    pub fn add(&mut self, text: &str) {
        for run in text.split(|character: char| !character.is_alphanumeric()) {
            self.0.extend(run.chars().filter(|c| stands_alone(*c)).map(String::from));
            self.0.extend(run.split(stands_alone).map(normal).filter(|word| !word.is_empty()));
        }
    }

    /// The words, in order. They hold letters and digits only, so nothing that any database reads
    /// as more than a word.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// A word in lower case, without the marks that lower-casing can add to a letter.
fn normal(word: &str) -> String {
    word.to_lowercase().chars().filter(|c| c.is_alphanumeric()).take(LONGEST).collect()
}

/// Whether a letter belongs to a script that is written without spaces.
fn stands_alone(character: char) -> bool {
    matches!(character,
        '\u{0E00}'..='\u{0EFF}' // Thai, Lao
        | '\u{1000}'..='\u{109F}' // Burmese
        | '\u{1780}'..='\u{17FF}' // Khmer
        | '\u{3005}'..='\u{30FF}' // Japanese
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' // Chinese
        | '\u{20000}'..='\u{3FFFF}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut terms = Terms::default();
        terms.add(text);
        terms.iter().map(str::to_owned).collect()
    }

    #[test]
    fn text_is_split_at_all_that_is_no_letter_and_no_digit() {
        for (text, expected) in [
            ("Opening HOURS, opening times", &["hours", "opening", "times"][..]),
            ("it's a well-known snake_case", &["a", "case", "it", "known", "s", "snake", "well"]),
            ("ada@example.com", &["ada", "com", "example"]),
            ("https://example.com/a?b=1", &["1", "a", "b", "com", "example", "https"]),
            ("3.14 x86 v2", &["14", "3", "v2", "x86"]),
            ("CAFÉ Straße ΟΔΟΣ", &["café", "straße", "οδος"]),
            ("İzmir", &["izmir"]),
            ("東京タワー2階", &["2", "タ", "ワ", "ー", "京", "東", "階"]),
            ("ไทย", &["ท", "ย", "ไ"]),
            ("\"a\" NEAR(b) *:&|!()'\\", &["a", "b", "near"]),
            ("... \u{0} — 🙂", &[]),
        ] {
            assert_eq!(words(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_search_needs_a_word() {
        for empty in ["", " ", "*", "\"\"", "🙂", "&|!"] {
            assert!(Terms::parse(empty).is_err(), "{empty:?}");
        }
        assert!(Terms::parse("a").is_ok());
    }

    #[test]
    fn an_endless_word_counts_by_its_beginning() {
        let long = "x".repeat(100_000);
        assert_eq!(words(&long), ["x".repeat(LONGEST)]);
        assert_eq!(words(&long), words(&long[..LONGEST]));
    }

    proptest! {
        #[test]
        fn a_word_is_letters_and_digits_and_stays_what_it_is(text in any::<String>()) {
            for word in words(&text) {
                prop_assert!(!word.is_empty() && word.chars().all(char::is_alphanumeric), "{word:?}");
                prop_assert_eq!(words(&word), [word]);
            }
        }

        #[test]
        fn case_does_not_matter(text in "[a-zA-ZäöüÄÖÜа-яА-Я ]{0,40}") {
            prop_assert_eq!(words(&text.to_uppercase()), words(&text.to_lowercase()));
        }
    }
}
