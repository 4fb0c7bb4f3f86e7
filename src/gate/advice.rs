//! What a refused credential looks like, told to whoever sent it.
//!
//! It goes by the text alone, never by what is stored: so it does not tell whether a key exists.
//! It is made of fixed sentences: so it repeats nothing of what was presented.

use super::presented_key::{
    Carrier, LONGEST, split_scheme, the_one, token_parameter, user_and_password,
};
use crate::model::id::{KeyId, TokenId};
use crate::model::secret::{BODY_LENGTH, Brand, Digest, SecretKind, bears_prefix, recognise};

const WELL_FORMED: &str = "It has the form of a key, but is not one that this server accepts: was \
     it made for another server or database? With Basic, the user name must be its id.";
const NOT_KNOWN: &str = "It has the form of a key, but is none that you may see here: was it made for \
     another server or database, or is it somebody else's?";
const TOKEN: &str = "It is an admin token, not an API key.";
const TOKEN_NOT_BEARER: &str =
    "It looks like an admin token, which is accepted only as Authorization: Bearer.";
const NO_SCHEME: &str =
    "The scheme and a space are missing before it: write Authorization: Bearer KEY.";
const UNKNOWN_SCHEME: &str =
    "Its scheme is not supported or is misspelt: write Authorization: Bearer KEY.";
const SCHEME_TWICE: &str = "There is a scheme where only the key belongs: write \
     Authorization: Bearer KEY, or X-API-Key: KEY.";
const EMPTY: &str = "There is no key in it: is the variable that should hold it empty?";
const TOKEN_FORM: &str = "After the scheme Token, write token=\"KEY\".";
const BASIC_FORM: &str = "The scheme Basic is followed by KEY_ID:KEY in base64; to send the key as it is, write Authorization: Bearer KEY.";
const BASIC_USER: &str = "With Basic, the user name is the key's id and the password the key, or \
     the user name is the key and the password is empty.";
const QUOTED: &str = "It is in quotation marks: send it without them.";
const NOT_FILLED_IN: &str = "It looks like the name of a variable or a placeholder that was not \
     replaced by the key: shells do not replace variables in single quotes.";
const ESCAPE: &str = "It ends with a backslash and a letter, such as \\n, perhaps meant as a line break: remove them.";
const SHORTENED: &str = "It looks like the shortened form that lists show: the whole key was shown \
     only when it was made. If nobody kept it, make another one.";
const ID: &str = "It looks like an id, which names a key and is no secret: send the key itself.";
const DIGEST: &str = "It looks like a SHA-256: send the key itself, not its digest.";
const NOT_ASCII: &str = "It contains characters that no key has, such as typographic quotation marks or dashes: copy it again.";
const SPACE: &str = "It contains white space: was it split into several lines?";
const OTHER_PREFIX: &str = "It does not begin like this server's keys: is it for another service?";
const WRONG_CASE: &str = "Its upper and lower case has changed: send it as it was shown.";
const OTHER_CHARACTERS: &str =
    "It contains something other than letters and digits: copy it again.";
const TOO_SHORT: &str = "It is shorter than a key: was it cut when it was copied?";
const TOO_LONG: &str = "It is longer than a key: was something copied with it?";
const CHECKSUM: &str = "Its checksum is wrong: a character was mistyped or left out.";

/// What languages write for a value that is missing.
const NOTHING: [&str; 5] = ["undefined", "null", "none", "nil", "[object object]"];

/// A sentence about the one credential among a request's headers.
pub fn advise<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    brand: &Brand,
) -> &'static str {
    let Ok((carrier, value)) = the_one(headers) else { return WELL_FORMED };
    if value.len() > LONGEST {
        return TOO_LONG;
    }
    match text_in(carrier, value) {
        Ok(Carried { text, bearer }) => about(&text, bearer, brand),
        Err(advice) => advice,
    }
}

/// A sentence about what was looked up as a key and was not found.
pub fn about_unknown(text: &str, brand: &Brand) -> &'static str {
    match recognise(text.as_bytes(), brand) {
        Some(SecretKind::ApiKey) => NOT_KNOWN,
        Some(SecretKind::AdminToken) => TOKEN,
        None => about(text.as_bytes(), true, brand),
    }
}

/// What stands where the key belongs.
struct Carried {
    text: Vec<u8>,
    bearer: bool,
}

fn text_in(carrier: Carrier, value: &[u8]) -> Result<Carried, &'static str> {
    let plain = |text: &[u8]| Ok(Carried { text: text.to_vec(), bearer: false });
    if matches!(carrier, Carrier::Plain) {
        return plain(value);
    }
    // A parameter may stand in quotation marks at the end, but no scheme begins with one.
    if String::from_utf8_lossy(value).starts_with(is_quote) {
        return Err(QUOTED);
    }
    let Some((scheme, rest)) = split_scheme(value) else {
        return Err(if is_scheme(value) { EMPTY } else { NO_SCHEME });
    };
    let is = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    match carrier {
        _ if is("bearer") => {
            let bearer = matches!(carrier, Carrier::Authorization);
            Ok(Carried { text: rest.to_vec(), bearer })
        }
        Carrier::Authentication if is("accesstoken") || is("accesstoken:") => plain(rest),
        Carrier::Authorization if is("token") => plain(token_parameter(rest).ok_or(TOKEN_FORM)?),
        Carrier::Authorization if is("basic") => {
            let mut buffer = [0; LONGEST];
            let (user, password) = user_and_password(rest, &mut buffer).ok_or(BASIC_FORM)?;
            match std::str::from_utf8(user).map(str::parse::<KeyId>) {
                _ if password.is_empty() => plain(user),
                Ok(Ok(_)) => plain(password),
                _ => Err(BASIC_USER),
            }
        }
        _ => Err(UNKNOWN_SCHEME),
    }
}

fn is_scheme(word: &[u8]) -> bool {
    ["bearer", "token", "basic", "accesstoken", "accesstoken:"]
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes()))
}

fn is_quote(c: char) -> bool {
    "\"'`\u{201c}\u{201d}\u{201e}\u{2018}\u{2019}\u{ab}\u{bb}".contains(c)
}

fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    text.starts_with(['$', '{', '<', '%'])
        || lower.starts_with("your")
        || NOTHING.contains(&lower.as_str())
}

/// The first sentence that is true of what stands where a key belongs.
fn about(text: &[u8], bearer: bool, brand: &Brand) -> &'static str {
    if let Some(kind) = recognise(text, brand) {
        let misplaced = kind == SecretKind::AdminToken && !bearer;
        return if misplaced { TOKEN_NOT_BEARER } else { WELL_FORMED };
    }
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    let escaped = [r"\n", r"\r", r"\t"].iter().any(|escape| text.ends_with(escape));
    let scheme = split_scheme(text.as_bytes()).is_some_and(|(scheme, _)| is_scheme(scheme));
    match text {
        "" => EMPTY,
        _ if text.starts_with(is_quote) || text.ends_with(is_quote) => QUOTED,
        _ if is_placeholder(text) => NOT_FILLED_IN,
        _ if escaped => ESCAPE,
        _ if scheme || is_scheme(text.as_bytes()) => SCHEME_TWICE,
        _ if ["…", "...", "***"].iter().any(|gap| text.contains(gap)) => SHORTENED,
        _ if text.parse::<KeyId>().is_ok() || text.parse::<TokenId>().is_ok() => ID,
        _ if text.parse::<Digest>().is_ok() => DIGEST,
        _ if !text.is_ascii() => NOT_ASCII,
        _ if text.contains(char::is_whitespace) => SPACE,
        _ => about_spelling(text, brand),
    }
}

/// How a word differs from a key.
fn about_spelling(text: &str, brand: &Brand) -> &'static str {
    if !bears_prefix(text.as_bytes(), brand) {
        let lower = text.to_ascii_lowercase();
        return if bears_prefix(lower.as_bytes(), brand) { WRONG_CASE } else { OTHER_PREFIX };
    }
    let body = text.split_once('_').map_or("", |(_, body)| body);
    match body.len() {
        _ if !body.bytes().all(|byte| byte.is_ascii_alphanumeric()) => OTHER_CHARACTERS,
        ..BODY_LENGTH => TOO_SHORT,
        BODY_LENGTH => CHECKSUM,
        _ => TOO_LONG,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use crate::gate::advice::*;
    use crate::model::id::PublicId;
    use crate::model::secret::Secret;

    fn brand() -> Brand {
        "bt".parse().unwrap()
    }

    fn said(header: &str, value: &str) -> &'static str {
        advise([(header, value.as_bytes())].into_iter(), &brand())
    }

    #[test]
    fn each_way_of_getting_it_wrong_has_its_sentence_in_every_header() {
        let secret = Secret::generate(&brand(), SecretKind::ApiKey).unwrap();
        let (key, display) = (secret.expose(), secret.display());
        let (id, rest) = (KeyId::from_number(5).to_string(), &key[..41]);
        let mistyped = format!("{rest}{}", if key.ends_with('x') { 'y' } else { 'x' });
        for (text, advice) in [
            (key.to_owned(), WELL_FORMED),
            (mistyped, CHECKSUM),
            (rest.to_owned(), TOO_SHORT),
            (format!("{key}0"), TOO_LONG),
            (format!("{rest}-"), OTHER_CHARACTERS),
            (key.to_uppercase(), WRONG_CASE),
            (format!("\"{key}\""), QUOTED),
            (format!("'{key}'"), QUOTED),
            (format!("\u{201c}{key}\u{201d}"), QUOTED),
            (format!("{key}\\n"), ESCAPE),
            (format!("{key}\\r\\n"), ESCAPE),
            ("$KEY".to_owned(), NOT_FILLED_IN),
            ("${KEY}".to_owned(), NOT_FILLED_IN),
            ("{{api_key}}".to_owned(), NOT_FILLED_IN),
            ("<your key>".to_owned(), NOT_FILLED_IN),
            ("YOUR_API_KEY".to_owned(), NOT_FILLED_IN),
            ("undefined".to_owned(), NOT_FILLED_IN),
            (display.clone(), SHORTENED),
            (display.replace('…', "..."), SHORTENED),
            (id.clone(), ID),
            (TokenId::from_number(5).to_string(), ID),
            (secret.digest().to_hex(), DIGEST),
            (format!("{rest}\u{2013}"), NOT_ASCII),
            (format!("{} {}", &key[..20], &key[20..]), SPACE),
            (format!("Bearer {key}"), SCHEME_TWICE),
            ("sk_live_4eC39".to_owned(), OTHER_PREFIX),
        ] {
            for (header, value) in [
                ("authorization", format!("Bearer {text}")),
                ("authorization", format!("Token token={text}")),
                ("authorization", format!("Token token=\"{text}\"")),
                ("authorization", format!("Basic {}", STANDARD.encode(format!("{text}:")))),
                ("authorization", format!("Basic {}", STANDARD.encode(format!("{id}:{text}")))),
                ("authentication", format!("AccessToken: {text}")),
                ("apikey", text.clone()),
                ("x-api-key", text.clone()),
            ] {
                // A token parameter may stand in quotation marks.
                if !(text.starts_with('"') && value.starts_with("Token")) {
                    assert_eq!(said(header, &value), advice, "{header}: {value}");
                }
            }
        }
    }

    #[test]
    fn what_stands_before_the_key_has_its_sentences_too() {
        let secret = Secret::generate(&brand(), SecretKind::AdminToken).unwrap();
        let token = secret.expose();
        for (value, advice) in [
            (token.to_owned(), NO_SCHEME),
            (format!("Bearer{token}"), NO_SCHEME),
            (format!("Bearer: {token}"), UNKNOWN_SCHEME),
            (format!("Digest {token}"), UNKNOWN_SCHEME),
            (format!("\"Bearer {token}\""), QUOTED),
            ("Bearer".to_owned(), EMPTY),
            (format!("Token {token}"), TOKEN_FORM),
            (format!("Basic {token}"), BASIC_FORM),
            (format!("Basic {}", STANDARD.encode(token)), BASIC_FORM),
            (format!("Basic {}", STANDARD.encode(format!("me:{token}"))), BASIC_USER),
            (format!("Bearer {}", "a".repeat(600)), TOO_LONG),
            (format!("Bearer {token}"), WELL_FORMED),
            (format!("Token token={token}"), TOKEN_NOT_BEARER),
        ] {
            assert_eq!(said("authorization", &value), advice, "{value}");
        }
        assert_eq!(said("x-api-key", token), TOKEN_NOT_BEARER);
        assert_eq!(said("x-api-key", ""), EMPTY);
    }

    proptest! {
        #[test]
        fn there_is_a_sentence_about_everything(name in "authorization|authentication|apikey", scheme in "(Bearer |Token token=|Basic )?", bytes: Vec<u8>) {
            let value = [scheme.as_bytes(), &bytes].concat();
            let advice = advise([(name.as_str(), value.as_slice())].into_iter(), &brand());
            prop_assert!(advice.ends_with('.') || advice.ends_with('?'));
        }
    }
}
