//! Public identifiers: a short prefix and a UUIDv7 in Crockford base32, one spelling each.
//!
//! Ids sort by the time they were made, so the newest record has the greatest id. Making new ids
//! needs a clock and is done in `domain`.

use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 26 base32 digits hold 130 bits: the first digit of a 128-bit number is at most 7.
const DIGITS: usize = 26;

/// Text that is not an identifier of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this kind")]
pub struct InvalidId;

fn encode(number: u128, out: &mut String) {
    for place in (0..DIGITS).rev() {
        let digit = (number >> (5 * place)) & 31;
        out.push(ALPHABET[digit as usize] as char);
    }
}

fn decode(text: &str) -> Result<u128, InvalidId> {
    let digits = text.as_bytes();
    if digits.len() != DIGITS || digits[0] > b'7' {
        return Err(InvalidId);
    }
    digits.iter().try_fold(0u128, |number, digit| match VALUES[usize::from(*digit)] {
        NO_DIGIT => Err(InvalidId),
        value => Ok(number << 5 | u128::from(value)),
    })
}

const NO_DIGIT: u8 = u8::MAX;

/// What each byte is worth as a digit: a start reads an id for every key there is.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        values[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// An identifier with a prefix, such as `call_01jd…`; the prefix says what it names.
pub trait PublicId: Sized + Copy + fmt::Display + FromStr<Err = InvalidId> {
    /// What stands before the underscore.
    const PREFIX: &'static str;
    /// Wraps a UUIDv7 as a 128-bit number.
    fn from_number(number: u128) -> Self;
}

/// Writes `prefix_` and the number's 26 digits.
pub fn format_id(prefix: &str, number: u128) -> String {
    let mut text = String::with_capacity(prefix.len() + 1 + DIGITS);
    text.push_str(prefix);
    text.push('_');
    encode(number, &mut text);
    text
}

/// Reads what [`format_id`] writes, and nothing else.
///
/// # Errors
/// [`InvalidId`] for another prefix, length, alphabet or a number over 128 bits.
pub fn parse_id(prefix: &str, text: &str) -> Result<u128, InvalidId> {
    let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'));
    decode(digits.ok_or(InvalidId)?)
}

/// Declares a newtype over a 128-bit number that is written as `prefix_…`.
macro_rules! public_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            /// The identifier as a 128-bit number.
            pub fn number(self) -> u128 {
                self.0
            }
        }

        impl PublicId for $name {
            const PREFIX: &'static str = $prefix;
            fn from_number(number: u128) -> Self {
                Self(number)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&format_id($prefix, self.0))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_id($prefix, text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        super::schema::described!($name, stringify!($name), super::schema::id($prefix));
    };
}

public_id!(
    /// Names an API key; it is not secret and may stand in logs.
    KeyId,
    "key"
);
public_id!(
    /// Names an admin token; it is not secret and may stand in logs.
    TokenId,
    "token"
);
public_id!(
    /// Names a user; it is not secret and may stand in logs.
    UserId,
    "user"
);
public_id!(
    /// Names a session; it is not secret and may stand in logs.
    SessionId,
    "session"
);
public_id!(
    /// Names a message about a warning; receivers tell a repetition by it.
    NotificationId,
    "msg"
);
public_id!(
    /// Names a connection; it is not secret and may stand in logs.
    ConnectionId,
    "conn"
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_greatest_number_has_one_spelling() {
        let greatest = KeyId::from_number(u128::MAX).to_string();
        assert_eq!(greatest, "key_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        for wrong in [
            "key_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "key_7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "key_7zzzzzzzzzzzzzzzzzzzzzzzz",
            "key_7zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "key-7zzzzzzzzzzzzzzzzzzzzzzzzz",
            "token_7zzzzzzzzzzzzzzzzzzzzzzzzz",
            "key_0000000000000000000000000l",
            "key_",
            "",
        ] {
            assert_eq!(wrong.parse::<KeyId>(), Err(InvalidId), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_number_survives(number: u128) {
            let id = KeyId::from_number(number);
            prop_assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
        }

        #[test]
        fn text_that_parses_is_the_spelling_it_prints(text in "key_[0-9a-z]{26}") {
            if let Ok(id) = text.parse::<KeyId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn order_is_the_order_of_numbers(a: u128, b: u128) {
            let (x, y) = (KeyId::from_number(a).to_string(), KeyId::from_number(b).to_string());
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
        }
    }
}
