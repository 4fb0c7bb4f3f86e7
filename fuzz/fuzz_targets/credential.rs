//! Headers that carry credentials: what is read is what the documented forms say, and two are never one.
//!
//! An input is a header a line. `{key}`, `{token}` and `{id}` stand for well-formed ones, and what is
//! between `<` and `>` is sent in base64.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitting::gate::advice::advise;
use bitting::gate::presented_key::{Expected, Presented, Unusable, read};
use bitting::model::id::{KeyId, PublicId};
use bitting::model::secret::{Brand, Digest, SecretKind, recognise};
use bitting_fuzz::{KEY, TOKEN};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let headers: Vec<(String, String)> = text.lines().filter_map(header).collect();
    let brand: Brand = "bt".parse().expect("a brand");
    for foreign in [false, true] {
        let presented = read(by_name(&headers), Expected { brand: &brand, foreign });
        assert_eq!(presented, model(&headers, &brand, foreign));
    }
    advise(by_name(&headers), &brand);
});

fn by_name(headers: &[(String, String)]) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(": ")?;
    let id = KeyId::from_number(5).to_string();
    let value = value.replace("{key}", KEY).replace("{token}", TOKEN).replace("{id}", &id);
    let value = match value
        .split_once('<')
        .and_then(|(before, rest)| Some((before, rest.split_once('>')?)))
    {
        Some((before, (inside, after))) => format!("{before}{}{after}", STANDARD.encode(inside)),
        None => value,
    };
    Some((name.to_ascii_lowercase(), value))
}

/// The documented forms, by cutting strings.
fn model(
    headers: &[(String, String)],
    brand: &Brand,
    foreign: bool,
) -> Result<Presented, Unusable> {
    let carries =
        |name: &str| ["authorization", "authentication", "apikey", "x-api-key"].contains(&name);
    let carriers: Vec<_> = headers.iter().filter(|(name, _)| carries(name)).collect();
    match carriers.as_slice() {
        [] => Err(Unusable::Missing),
        [(_, value)] if value.contains(',') => Err(Unusable::Multiple),
        [(name, value)] => one(name, value, brand, foreign).ok_or(Unusable::Malformed),
        _ => Err(Unusable::Multiple),
    }
}

fn one(name: &str, value: &str, brand: &Brand, foreign: bool) -> Option<Presented> {
    if value.len() > 512 || !value.is_ascii() {
        return None;
    }
    if name == "apikey" || name == "x-api-key" {
        return secret(value.as_bytes(), brand, foreign);
    }
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim_start_matches(' ');
    if rest.is_empty() {
        return None;
    }
    match (name, scheme.to_lowercase().as_str()) {
        ("authorization", "bearer") => {
            Some(Presented { bearer: true, ..secret(rest.as_bytes(), brand, foreign)? })
        }
        ("authorization", "token") => {
            let value = rest.strip_prefix("token=")?;
            let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            secret(inside.unwrap_or(value).as_bytes(), brand, foreign)
        }
        ("authorization", "basic") => {
            let decoded = STANDARD.decode(rest).ok()?;
            let mut halves = decoded.splitn(2, |byte| *byte == b':');
            let (user, password) = (halves.next()?, halves.next()?);
            if password.is_empty() {
                return secret(user, brand, foreign);
            }
            let id: KeyId = std::str::from_utf8(user).ok()?.parse().ok()?;
            Some(Presented { key_id: Some(id), ..secret(password, brand, foreign)? })
        }
        ("authentication", "bearer" | "accesstoken" | "accesstoken:") => {
            secret(rest.as_bytes(), brand, foreign)
        }
        _ => None,
    }
}

fn secret(text: &[u8], brand: &Brand, foreign: bool) -> Option<Presented> {
    let ours = recognise(text, brand);
    let like_ours = text.starts_with(b"btk_") || text.starts_with(b"bta_");
    let other = foreign && !like_ours && !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    let kind = ours.or(other.then_some(SecretKind::ApiKey))?;
    let digest = Digest::of(text);
    Some(Presented { digest, kind, key_id: None, bearer: false, foreign: ours.is_none() })
}
