//! E-mail addresses, in one spelling each.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::formats::LONGEST_EMAIL;

/// An e-mail address in its one spelling: in lower case, since it is compared without regard to
/// case, and with the domain in ASCII (IDNA), which is what browsers send.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Email(String);

/// What may stand before the @ beside letters and digits, by the HTML standard.
const LOCAL_SIGNS: &str = ".!#$%&'*+/=?^_`{|}~-";

impl Email {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses an address to sign in with, which must be one that a browser's form can send.
    ///
    /// # Errors
    /// A sentence for the field's error.
    pub fn choose(text: &str) -> Result<Self, String> {
        let email: Self = text.parse()?;
        let (local, domain) = email.parts();
        if !local.chars().all(|c| c.is_ascii_alphanumeric() || LOCAL_SIGNS.contains(c)) {
            return Err(format!(
                "has characters before the @ that browsers refuse when signing in: only a–z, 0–9 \
                 and {LOCAL_SIGNS} can stand there"
            ));
        }
        let label = |label: &str| {
            let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            letters && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
        };
        if domain.split('.').all(label) && idna::domain_to_ascii(domain).is_ok() {
            Ok(email)
        } else {
            Err("has no domain name behind the @ that browsers accept when signing in".to_owned())
        }
    }

    /// The spellings it may be stored under: this one, or the older one with its domain in Unicode.
    pub fn spellings(&self) -> [String; 2] {
        [self.0.clone(), self.to_string()]
    }

    fn parts(&self) -> (&str, &str) {
        parts(&self.0).unwrap_or_default()
    }
}

/// What stands before and behind the @ of a text that has the form of an address.
fn parts(text: &str) -> Option<(&str, &str)> {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"".contains(c);
    let dots = |part: &str| part.split('.').all(|between| !between.is_empty());
    text.split_once('@').filter(|(local, domain)| {
        let lengths = (1..=64).contains(&local.len()) && !domain.contains('@');
        lengths && dots(local) && dots(domain) && text.chars().all(plain)
    })
}

impl FromStr for Email {
    type Err = String;
    /// Checks the form only, not whether anybody reads mail there.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_lowercase();
        // A domain that is none may have been stored before such were refused.
        let spelled = parts(&text).map(|(local, domain)| match idna::domain_to_ascii(domain) {
            Ok(ascii) => format!("{local}@{ascii}"),
            Err(_) => text.clone(),
        });
        spelled
            // IDNA makes a space of some accents that stand alone, and nothing of a soft hyphen.
            .filter(|email| email.len() <= LONGEST_EMAIL && parts(email).is_some())
            .map(Self)
            .ok_or_else(|| "must be an e-mail address, such as ada@example.com".to_owned())
    }
}

/// Writes the address with its domain in Unicode, as people read it.
impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, domain) = self.parts();
        match idna::domain_to_unicode(domain) {
            (readable, Ok(())) => write!(f, "{local}@{readable}"),
            (_, Err(_)) => f.write_str(&self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_kept_in_lower_case() {
        let email: Email = "  Ada.Lovelace+keys@Example.COM ".parse().unwrap();
        assert_eq!(email.as_str(), "ada.lovelace+keys@example.com");
        assert!("root@localhost".parse::<Email>().is_ok());
        for wrong in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a@b@c",
            "a b@example.com",
            "ada@.com",
            "ada@example.",
            "a..b@example.com",
            "<ada@example.com>",
            "a\n@example.com",
            "a,b@example.com",
            // In ASCII, there is a space in it.
            "ada@a\u{b4}s.example.com",
            // In ASCII, its domain begins with a dot.
            "ada@\u{ad}.example.com",
        ] {
            assert!(wrong.parse::<Email>().is_err(), "{wrong:?}");
        }
        assert!(format!("{}@example.com", "a".repeat(65)).parse::<Email>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_its_own_spelling(
            text in "[a.$-]{1,3}@[a.$İΣſ\u{ad}\u{b4}\u{200d}。\u{345}-]{1,8}",
        ) {
            if let Ok(email) = text.parse::<Email>() {
                prop_assert_eq!(email.as_str().parse::<Email>(), Ok(email));
            }
        }
    }

    #[test]
    fn a_domain_has_one_spelling() {
        let ascii = "eva@xn--exmple-cua.com";
        for typed in ["eva@exämple.com", "EVA@EXÄMPLE.com", "eva@exa\u{308}mple.com", ascii] {
            let email: Email = typed.parse().unwrap();
            assert_eq!((email.as_str(), &*email.to_string()), (ascii, "eva@exämple.com"));
            assert_eq!(Email::choose(typed), Ok(email));
        }
        let strasse = Email::choose("a@straße.de").unwrap();
        assert_eq!(strasse.spellings(), ["a@xn--strae-oqa.de", "a@straße.de"]);
    }

    #[test]
    fn an_address_that_browsers_cannot_send_is_found_but_not_chosen() {
        let label = "a".repeat(64);
        for (text, complaint) in [
            ("jörg@example.com", "before the @"),
            ("a|\u{2019}b@example.com", "before the @"),
            ("ada@ex_ample.com", "domain name"),
            ("ada@-example.com", "domain name"),
            ("ada@exam!ple.com", "domain name"),
            ("ada@xn--a.com", "domain name"),
            (&format!("ada@{label}.com"), "domain name"),
        ] {
            assert!(text.parse::<Email>().is_ok(), "{text}");
            let why = Email::choose(text).unwrap_err();
            assert!(why.contains(complaint), "{text}: {why}");
        }
        for text in ["o'hara+keys@sub.example-1.com", "root@localhost", "{a}@b.co"] {
            assert!(Email::choose(text).is_ok(), "{text}");
        }
    }
}
