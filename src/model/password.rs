//! Passwords: the text somebody chose, and the rules for choosing one. How one is hashed is in
//! `domain`.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::email::Email;

const SHORTEST: usize = 15;
const LONGEST: usize = 256;
/// The product's name, which its users think of first.
const PRODUCT: &str = "bitting";

/// Passwords that are tried first by whoever guesses.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("common-passwords.txt").lines();
    lines.filter(|line| !line.starts_with("# ") && *line != "#").collect()
});

/// A password in plain text, in Unicode's composed form (NFC): the same characters are the same
/// password, whichever keyboard they come from. It does not print through `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// What somebody says their password is; whether it could be one is not asked.
    pub fn presented(text: &str) -> Self {
        Self(text.nfc().collect())
    }

    /// A password that somebody chooses.
    ///
    /// # Errors
    /// The message, to be read after "password".
    pub fn choose(text: &str, email: &Email) -> Result<Self, String> {
        let password = Self::presented(text);
        let length = password.0.chars().count();
        if !(SHORTEST..=LONGEST).contains(&length) {
            return Err(format!("must be {SHORTEST} to {LONGEST} characters long"));
        }
        // No form sends them, whatever is typed: nobody could sign in with it.
        if password.0.contains(char::is_control) {
            return Err("must have no line breaks or other control characters".to_owned());
        }
        let folded = password.0.to_lowercase();
        let local = email.as_str().split('@').next().unwrap_or_default();
        if [email.as_str(), &email.to_string(), local, PRODUCT]
            .iter()
            .any(|name| repeats(&folded, name))
        {
            return Err("must not be a name or an e-mail address".to_owned());
        }
        if COMMON.contains(folded.as_str()) || repeats_a_common_one(&folded) {
            return Err("is too common; choose another one".to_owned());
        }
        Ok(password)
    }

    /// The password's bytes, to be hashed.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Whether a text is a unit written once or several times; the last time may be cut off.
fn repeats(text: &str, unit: &str) -> bool {
    !unit.is_empty() && text.chars().eq(unit.chars().cycle().take(text.chars().count()))
}

/// Whether the text is a common password, once or repeated.
fn repeats_a_common_one(text: &str) -> bool {
    let ends = text.char_indices().skip(1).map(|(at, _)| at);
    ends.map(|end| &text[..end])
        .any(|unit| (unit.chars().count() == 1 || COMMON.contains(unit)) && repeats(text, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(text: &str) -> Result<Password, String> {
        Password::choose(text, &"ada.lovelace@example.com".parse().unwrap())
    }

    #[test]
    fn length_is_counted_in_composed_characters() {
        assert!(choose(&"xy9 ü".repeat(3)).is_ok());
        assert!(choose("14 characters.").is_err());
        assert!(choose("15 characters..").is_ok());
        let decomposed = "u\u{308}".repeat(7) + "xyz1234";
        assert_eq!(decomposed.chars().count(), 21);
        assert!(choose(&decomposed).is_err());
        assert!(choose(&"aé漢🔑 ".repeat(60)[..]).is_err());
        assert!(choose(&"aé漢🔑".repeat(64)).is_ok());
    }

    #[test]
    fn what_no_form_can_send_is_refused() {
        for wrong in
            ["fifteen and more\n", "fifteen\tand more", "fifteen and\0more", "\u{85}fifteen and"]
        {
            assert!(choose(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_same_characters_are_the_same_password() {
        assert_eq!(Password::presented("u\u{308}ber"), Password::presented("über"));
        assert_ne!(Password::presented("Über"), Password::presented("über"));
    }

    #[test]
    fn what_is_guessed_first_is_refused() {
        assert!(COMMON.len() >= 3000);
        for wrong in [
            "123456789987654321",
            "PasswordPassword",
            "passwordpasswordpass",
            "aaaaaaaaaaaaaaaa",
            "dragondragondragon",
            "bittingbittingbitting",
            "Ada.Lovelace@Example.com",
            "ada.lovelaceada.lovelace",
        ] {
            assert!(choose(wrong).is_err(), "{wrong}");
        }
        for right in ["correct horse battery staple", "bitting keeps my keys", "passwordpasswordx"]
        {
            assert!(choose(right).is_ok(), "{right}");
        }
    }

    #[test]
    fn nothing_is_printed_through_debug() {
        assert_eq!(format!("{:?}", Password::presented("secret")), "Password(…)");
    }
}
