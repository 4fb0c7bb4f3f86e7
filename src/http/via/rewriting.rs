//! What a vendor's answer becomes on its way to the client: one pass, in constant memory.

use bytes::Bytes;
use memchr::memchr;
use zeroize::Zeroizing;

use super::links::Links;
use super::mask::Mask;
use super::strings::Strings;
use super::units::{Place, Unit, Units};

/// So many bytes are searched at once: what is found early in them is soon looked for again.
const SEARCHED: usize = 2048;

/// Rewrites a body, piece by piece.
pub(super) struct Rewriting {
    mask: Mask,
    /// What is changed besides, where it is JSON.
    json: Option<(Units, Strings)>,
}

impl Rewriting {
    /// Masks a credential, and nothing else: the body stays as long as it is.
    pub(super) fn of_bytes(secrets: Vec<Zeroizing<String>>) -> Self {
        Self { mask: Mask::new(secrets), json: None }
    }

    /// Masks a credential, replaces links and hides the values of some fields.
    pub(super) fn of_json(
        secrets: Vec<Zeroizing<String>>,
        links: Links,
        hidden: Vec<&'static str>,
    ) -> Self {
        let json = (Units::default(), Strings::new(links, hidden));
        Self { mask: Mask::new(secrets), json: Some(json) }
    }

    /// What can be sent on once this piece is there.
    pub(super) fn push(&mut self, piece: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(piece.len() + 64);
        let mut rest = piece;
        while !rest.is_empty() {
            // Most of an answer is nobody's business, and need not be looked at one by one.
            let (passing, others) = rest.split_at(self.passing(rest));
            out.extend_from_slice(passing);
            let Some((byte, others)) = others.split_first() else { break };
            rest = others;
            self.take(*byte, &mut out);
        }
        out.into()
    }

    /// Takes one byte, and writes what can be sent on.
    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        let Self { mask, json } = self;
        match json {
            Some((units, strings)) => units.push(byte, |unit| {
                mask.push(unit, |unit| strings.push(unit, out));
            }),
            None => mask.push(Unit::plain(byte, Place::Outside), |unit| {
                out.extend_from_slice(unit.written());
            }),
        }
    }

    /// How many bytes pass as they are.
    fn passing(&mut self, text: &[u8]) -> usize {
        if !self.mask.is_idle() {
            return 0;
        }
        let Self { mask, json } = self;
        let text = &text[..text.len().min(SEARCHED)];
        let Some((units, strings)) = json else {
            let begins = |byte: &u8| mask.may_begin(*byte);
            return match mask.clear(text) {
                0 => text.iter().position(begins).unwrap_or(text.len()),
                clear => clear,
            };
        };
        let Some(place) = units.place().filter(|place| strings.passes(*place)) else { return 0 };
        if strings.begins_anew(place) {
            let plain = &text[..memchr(b'\\', text).unwrap_or(text.len())];
            let clear = strings.clear(&plain[..mask.clear(plain)]);
            if clear > 0 {
                return clear;
            }
        }
        let ends = |byte: &u8| strings.is_telling(*byte, place) || mask.may_begin(*byte);
        let passing = text.iter().position(ends).unwrap_or(text.len());
        strings.passed(&text[..passing], place);
        passing
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> Bytes {
        let mut out = Vec::new();
        let Self { mask, json } = self;
        match json {
            Some((units, strings)) => {
                units.finish(|unit| mask.push(unit, |unit| strings.push(unit, &mut out)));
                mask.finish(|unit| strings.push(unit, &mut out));
                strings.finish(&mut out);
            }
            None => mask.finish(|unit| out.extend_from_slice(unit.written())),
        }
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    const SECRET: &str = "ctrk/0123\"abc";
    const HERE: &str = "https://bitting.example/via/callrail";

    fn rewriting() -> Rewriting {
        let secrets = vec![Zeroizing::new(SECRET.to_owned())];
        let links = Links::new("https://api.callrail.com", HERE);
        Rewriting::of_json(secrets, links, vec!["token", "recording"])
    }

    fn rewritten(text: &str, cuts: &[usize]) -> String {
        let mut rewriting = rewriting();
        let (mut out, mut rest) = (Vec::new(), text.as_bytes());
        for cut in cuts {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            out.extend_from_slice(&rewriting.push(piece));
            rest = after;
        }
        out.extend_from_slice(&rewriting.push(rest));
        out.extend_from_slice(&rewriting.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn links_lead_through_the_connection_as_the_vendor_writes_them() {
        for (text, wanted) in [
            (
                r#"{"n":"https://api.callrail.com/v3/a?x=1"}"#,
                r#"{"n":"https://bitting.example/via/callrail/v3/a?x=1"}"#,
            ),
            (
                r#"["https:\/\/api.callrail.com\/v3"]"#,
                r#"["https:\/\/bitting.example\/via\/callrail\/v3"]"#,
            ),
            (
                r#"["HTTP://API.callrail.com:80/v3"]"#,
                r#"["https://bitting.example/via/callrail/v3"]"#,
            ),
            (
                r#"["\u0068ttps://api.callrail.com/"]"#,
                r#"["https://bitting.example/via/callrail/"]"#,
            ),
            (
                r#"["https://api.callrail.com.evil/v3","https://app.callrail.com/x"]"#,
                r#"["https://api.callrail.com.evil/v3","https://app.callrail.com/x"]"#,
            ),
            (
                r#"["see https://api.callrail.com/v3","https://api.callrail.com@evil.com"]"#,
                r#"["see https://api.callrail.com/v3","https://api.callrail.com@evil.com"]"#,
            ),
            (
                r#"["https://api.callrail.com","https://api.callrail.com:443?a=1","http:\/\/api.callrail.com#b"]"#,
                r#"["https://bitting.example/via/callrail","https://bitting.example/via/callrail?a=1","https:\/\/bitting.example\/via\/callrail#b"]"#,
            ),
        ] {
            assert_eq!(rewritten(text, &[]), wanted);
        }
    }

    #[test]
    fn the_credential_becomes_stars_however_it_is_written() {
        let stars = "*".repeat(SECRET.len());
        for written in [r#"ctrk/0123\"abc"#, r#"ctrk\/0123\"abc"#, r#"\u0063trk/0123\u0022abc"#] {
            let text = format!(r#"{{"key":"x{written}y"}}"#);
            assert_eq!(rewritten(&text, &[]), format!(r#"{{"key":"x{stars}y"}}"#));
        }
        // An escape that is none hides nothing of what stands in it.
        for broken in [r"\u", r"\u1", r"\u12"] {
            let text = format!(r#"["{broken}{SECRET}"#);
            assert_eq!(rewritten(&text, &[]), format!(r#"["{broken}{stars}"#));
        }
        let mut bytes = Rewriting::of_bytes(vec![Zeroizing::new("secret".to_owned())]);
        let pieces = [&b"a sec"[..], b"retsecre", b"t \xff secre"].map(|piece| bytes.push(piece));
        let all = [pieces.concat(), bytes.finish().to_vec()].concat();
        assert_eq!(all, b"a ************ \xff secre");
    }

    #[test]
    fn fields_are_hidden_whatever_their_value_is() {
        for (text, wanted) in [
            (r#"{"token":"abc","x":"token"}"#, r#"{"token":"*","x":"token"}"#),
            (r#"{"token" : 12.5e3,"x":1}"#, r#"{"token" : "*","x":1}"#),
            (r#"{"token":null,"x":"y"}"#, r#"{"token":null,"x":"y"}"#),
            (
                r#"{"recording":{"u":"v","n":[1,"w"]},"x":"y"}"#,
                r#"{"recording":{"*":"*","*":["*","*"]},"x":"y"}"#,
            ),
            (r#"{"\u0074oken":"abc","tokens":"d"}"#, r#"{"\u0074oken":"*","tokens":"d"}"#),
            (r#"["token","abc"]"#, r#"["token","abc"]"#),
        ] {
            assert_eq!(rewritten(text, &[]), wanted);
        }
    }

    /// What a value is to become.
    fn model(value: &Value) -> Value {
        match value {
            Value::String(text) => {
                let text = text.replace(SECRET, &"*".repeat(SECRET.len()));
                let link = text.strip_prefix("https://api.callrail.com");
                let link = link.filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
                json!(link.map_or(text.clone(), |rest| format!("{HERE}{rest}")))
            }
            Value::Array(items) => items.iter().map(model).collect(),
            Value::Object(fields) => {
                let field = |(name, value): (&String, &Value)| match (&**name, value) {
                    ("token" | "recording", Value::String(_) | Value::Number(_)) => {
                        (name.clone(), json!("*"))
                    }
                    _ => (name.clone(), model(value)),
                };
                Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[a-z\"\\\\/é\n ]{0,8}".prop_map(|text| json!(text)),
            Just(json!(format!("https://api.callrail.com/v3?k={SECRET}"))),
            Just(json!(format!("{SECRET}{SECRET}"))),
            Just(json!("https://api.callrail.co")),
            Just(json!("https://api.callrail.com")),
            Just(json!("https://api.callrail.com?page=2")),
            Just(json!("https://api.callrail.com.example")),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            text
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let name =
                prop_oneof![Just("token".to_owned()), Just("recording".to_owned()), "[a-z]{1,3}"];
            let hideable = prop_oneof![Just(json!("x")), Just(json!(7)), Just(Value::Null)];
            let field = (name, inner.clone(), hideable).prop_map(|(name, value, hideable)| {
                let hidden = ["token", "recording"].contains(&&*name);
                (name, if hidden { hideable } else { value })
            });
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::Array),
                prop::collection::vec(field, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// Text with all that matters in it, whole and in parts, longer than what is searched at once.
    fn texts() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[a-z]{1,9}".prop_map(|word| format!("\"{word}\": \"{word}\", ")),
            1 => "[a-zé0-9 ,:\"{}\\[\\]]{1,20}",
            1 => prop_oneof![
                Just(SECRET), Just("ctrk/0123"), Just(r#"ctrk/0123\"abc"#), Just("aab"), Just("\\"),
                Just("\"https://api.callrail.com/v3\""), Just("\"//api.callrail.com:443/"), Just("\"htt"),
                Just("\"https://example.com/v3\", "), Just("\"token\""), Just("\"recording\": 7"),
            ].prop_map(str::to_owned),
        ];
        prop::collection::vec(part, 0..200).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn what_passes_unseen_is_what_would_pass_byte_by_byte(text in texts(), json: bool, cut in prop_oneof![1usize..40, 1usize..5000]) {
            let new = || {
                let secrets = [SECRET, "aab", "b"].map(|secret| Zeroizing::new(secret.to_owned()));
                let links = Links::new("https://api.callrail.com", HERE);
                if json {
                    Rewriting::of_json(secrets[..2].to_vec(), links, vec!["token", "recording"])
                } else {
                    Rewriting::of_bytes(secrets.to_vec())
                }
            };
            let (mut whole, mut single) = (new(), new());
            let mut out = Vec::new();
            for piece in text.as_bytes().chunks(cut) {
                let pushed = whole.push(piece);
                piece.iter().for_each(|byte| single.take(*byte, &mut out));
                // Both hold back the same, too.
                prop_assert_eq!(pushed, std::mem::take(&mut out));
            }
            prop_assert_eq!(whole.finish(), single.finish());
        }

        #[test]
        fn a_stream_becomes_what_the_whole_would(value in values(), pretty: bool, slashes: bool, cuts in prop::collection::vec(0usize..9, 0..12)) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let text = if slashes { text.replace('/', "\\/") } else { text };
            let out = rewritten(&text, &cuts);
            prop_assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), model(&value));
            prop_assert_eq!(rewritten(&text, &[]), out);
        }

        #[test]
        fn what_is_no_json_passes_however_it_is_cut(text in "[a-z\"\\\\u/:{}, ]{0,24}", cuts in prop::collection::vec(0usize..4, 0..8)) {
            prop_assert_eq!(rewritten(&text, &cuts), rewritten(&text, &[]));
            let plain = !text.contains("token") && !text.contains("recording");
            if plain { prop_assert_eq!(rewritten(&text, &[]), text); }
        }
    }
}
