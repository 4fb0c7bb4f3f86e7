//! Texts that have a form: telephone numbers, e-mail addresses, URLs. Each check returns the text as
//! it was, or the message for its field.

use url::{Host, Url};

/// The longest URL, in characters.
pub(super) const LONGEST_URL: usize = 2048;
/// The longest e-mail address, in bytes.
pub const LONGEST_EMAIL: usize = 254;

/// The longest text that is searched for, in characters.
pub const LONGEST_SEARCH: usize = 200;

/// Checks a text that is searched for.
///
/// # Errors
/// The message for the parameter.
pub fn check_search(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.contains('\0') || text.chars().nth(LONGEST_SEARCH).is_some() {
        Err(format!("must be 1 to {LONGEST_SEARCH} characters long"))
    } else {
        Ok(text.to_owned())
    }
}

/// Checks a telephone number in E.164 format: a plus, no leading zero, at most 15 digits.
///
/// # Errors
/// The message for the field.
pub fn check_phone_number(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('+').unwrap_or_default().as_bytes();
    let formed = (2..=15).contains(&digits.len())
        && digits[0] != b'0'
        && digits.iter().all(u8::is_ascii_digit);
    if formed {
        Ok(text.to_owned())
    } else {
        Err("must be an E.164 number, such as +14155550100".to_owned())
    }
}

/// Checks an e-mail address by what mail servers agree on: no quotes or comments before the @, a
/// domain with a dot after it; non-ASCII letters (RFC 6531) are allowed on both sides.
///
/// # Errors
/// The message for the field.
pub fn check_email(text: &str) -> Result<String, String> {
    let dotted = |part: &str, allowed: fn(char) -> bool| {
        part.split('.').all(|atom| !atom.is_empty() && atom.chars().all(allowed))
    };
    let formed = text.rsplit_once('@').is_some_and(|(local, domain)| {
        let hyphened =
            domain.split('.').any(|label| label.starts_with('-') || label.ends_with('-'));
        local.len() <= 64
            && dotted(local, |c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
            && dotted(domain, |c| c.is_alphanumeric() || c == '-')
            && domain.contains('.')
            && !hyphened
    });
    if formed && text.len() <= LONGEST_EMAIL {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "must be an e-mail address of at most {LONGEST_EMAIL} bytes, such as ada@example.com"
        ))
    }
}

/// Checks an http or https URL: it has a host and no spaces.
pub(super) fn check_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let formed = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && text.chars().nth(LONGEST_URL).is_none()
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if formed {
        Ok(text.to_owned())
    } else {
        Err(format!("must be an http or https URL of at most {LONGEST_URL} characters"))
    }
}

/// Reads an `http://` or `https://` URL of nothing but a host and perhaps a port, and returns it in
/// the spelling that browsers compare origins by. `goes_on` says what is wrong with more, given that
/// spelling.
///
/// # Errors
/// The message for the field. A user and a password are not repeated.
pub fn parse_origin(
    text: &str,
    example: &str,
    goes_on: impl FnOnce(&str) -> String,
) -> Result<String, String> {
    let expected = || format!("must be an address such as {example}");
    let url = Url::parse(text).map_err(|_| expected())?;
    let named = match url.host() {
        Some(Host::Domain(host)) => !host.is_empty(),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    };
    if !named || !matches!(url.scheme(), "https" | "http") {
        return Err(expected());
    }
    let origin = url.origin().ascii_serialization();
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("must hold no user and no password; write {origin}"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("must not go on after the host{}", goes_on(&origin)));
    }
    Ok(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_numbers_are_e164() {
        assert!(check_phone_number("+14155550100").is_ok());
        for wrong in ["14155550100", "+04155550100", "+1415555010012345", "+1 415 555", "+", "+1"] {
            assert!(check_phone_number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn email_addresses_have_one_at_and_a_domain() {
        let local = "a".repeat(64);
        let longest = format!("{local}@{}.com", "b".repeat(185));
        assert_eq!(longest.len(), 254);
        for right in ["a@b.co", "Ada.L+x_y@sub.example-1.com", "jörg@münchen.de", &longest] {
            assert_eq!(check_email(right).as_deref(), Ok(right));
        }
        let too_long = format!("{local}@{}.com", "b".repeat(186));
        let local_too_long = format!("a{local}@b.co");
        for wrong in [
            "",
            "@",
            "a",
            "a@",
            "@b.co",
            "a@b",
            "a@b.",
            "a@.co",
            "a@b..co",
            ".a@b.co",
            "a.@b.co",
            "a..b@b.co",
            "a@b@c.co",
            "a b@c.co",
            " a@b.co",
            "a@b.co ",
            "a@b.co\n",
            "a@-b.co",
            "a@b-.co",
            "\"a\"@b.co",
            "a@[1.2.3.4]",
            "<a@b.co>",
            "a@b_c.co",
            "a,b@c.co",
            "mailto:a@b.co",
            &too_long,
            &local_too_long,
        ] {
            assert!(check_email(wrong).is_err(), "{wrong}");
        }
    }
}
