//! Requests that may be sent again: what identifies one, and the answer that is kept for it.

use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::precondition::EntityTag;

/// How many characters a client's key may have.
const LONGEST: usize = 255;

/// The key by which a client recognises its own request (`Idempotency-Key`).
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Accepts 1 to 255 visible ASCII characters.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let fits = (1..=LONGEST).contains(&bytes.len());
        let text = std::str::from_utf8(bytes).ok()?;
        (fits && bytes.iter().all(u8::is_ascii_graphic)).then(|| Self(text.to_owned()))
    }

    /// The JSON Schema of what [`IdempotencyKey::parse`] accepts.
    pub fn schema() -> Value {
        json!({"type": "string", "pattern": format!("^[!-~]{{1,{LONGEST}}}$")})
    }
}

/// Which request it is, as the SHA-256 of all that tells it from others: the client's own key may
/// say anything and is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Identity([u8; 32]);

impl Identity {
    /// A request to an endpoint by the holder of a credential; `place` is the endpoint's path and
    /// what it names.
    pub fn new(credential: &str, method: &str, place: &[&str], key: &IdempotencyKey) -> Self {
        let mut hash = Sha256::new();
        for part in [credential, method].iter().chain(place).chain([&key.0.as_str()]) {
            // No part holds a zero, so that no two lists of parts read alike.
            hash.update(part);
            hash.update([0]);
        }
        Self(hash.finalize().into())
    }

    /// The SHA-256 digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A request that must be carried out once, however often it is sent.
#[derive(Clone, Copy)]
pub struct Attempt {
    /// What identifies the request.
    pub identity: Identity,
    /// SHA-256 of the request's body, by which a different request under the same key is told.
    pub body: [u8; 32],
}

impl Attempt {
    /// A request with this body. Bodies are the same when they are the same JSON: in which order
    /// the members stand, and what is between them, does not matter.
    pub fn new(identity: Identity, body: &Map<String, Value>) -> Self {
        let mut sorted = Value::Object(body.clone());
        sorted.sort_all_objects();
        Self { identity, body: Sha256::digest(sorted.to_string()).into() }
    }
}

/// What may be kept to be answered again, since it holds no secret.
pub trait Replayable: Serialize {}

/// A successful answer that is kept. It is made of [`Replayable`] things only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// The value of the `Location` header, if there is one.
    pub location: Option<String>,
    /// The value of the `ETag` header, if there is one.
    pub etag: Option<String>,
    body: String,
}

impl Answer {
    /// An answer with this status and body.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn new<T: Replayable>(status: u16, body: &T) -> serde_json::Result<Self> {
        Ok(Self::stored(status, None, None, serde_json::to_string(body)?))
    }

    /// Adds a `Location` header.
    pub fn with_location(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }

    /// Adds an `ETag` header.
    pub fn with_etag(self, tag: &EntityTag) -> Self {
        Self { etag: Some(tag.to_string()), ..self }
    }

    /// An answer as it was stored.
    pub(crate) fn stored(
        status: u16,
        location: Option<String>,
        etag: Option<String>,
        body: String,
    ) -> Self {
        Self { status, location, etag, body }
    }

    /// The answer's JSON body.
    pub fn body(&self) -> &str {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn attempt(place: &[&str], key: &str, body: &Value) -> Attempt {
        let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
        let identity = Identity::new("key_1", "POST", place, &key);
        Attempt::new(identity, body.as_object().unwrap())
    }

    #[test]
    fn a_key_is_1_to_255_visible_characters() {
        for good in ["a", "~", "!", "8e03978e-40d5-43dd-bc93-6894a57f9324", &"x".repeat(255)] {
            assert!(IdempotencyKey::parse(good.as_bytes()).is_some(), "{good}");
        }
        for bad in ["", " ", "a b", "a\tb", "\u{7f}", "\u{fc}", "\0", &"x".repeat(256)] {
            assert!(IdempotencyKey::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert!(IdempotencyKey::parse(b"a\xff").is_none());
    }

    #[test]
    fn the_same_json_is_the_same_body() {
        let body = |text: &str| attempt(&[], "k", &serde_json::from_str(text).unwrap()).body;
        let one = body(r#"{"a": 1, "b": {"c": [1, 2], "d": null}}"#);
        assert!(one == body(r#"{"b":{"d":null,"c":[1,2]},"a":1}"#));
        for other in [
            r#"{"a": 1, "b": {"c": [2, 1], "d": null}}"#,
            r#"{"a": 1, "b": {"c": [1, 2]}}"#,
            r#"{"a": "1", "b": {"c": [1, 2], "d": null}}"#,
            "{}",
        ] {
            assert!(one != body(other), "{other}");
        }
    }

    #[test]
    fn an_identity_is_made_of_every_part() {
        let key = |text: &str| IdempotencyKey::parse(text.as_bytes()).unwrap();
        let of = |credential, method, place: &[&str], k: &str| {
            Identity::new(credential, method, place, &key(k))
        };
        let all = [
            of("key_1", "POST", &["/v1/calls"], "k"),
            of("key_2", "POST", &["/v1/calls"], "k"),
            of("key_1", "PUT", &["/v1/calls"], "k"),
            of("key_1", "POST", &["/v1/leads"], "k"),
            of("key_1", "POST", &["/v1/calls", "k"], "k"),
            of("key_1", "POST", &["/v1/calls"], "K"),
            of("key_1P", "OST", &["/v1/calls"], "k"),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(of("key_1", "POST", &["/v1/calls"], "k") == all[0]);
    }

    proptest! {
        #[test]
        fn no_order_of_members_makes_another_body(
            members in prop::collection::hash_map("[a-z]{1,3}", any::<i64>(), 0..8)
        ) {
            let forward: Map<_, _> = members.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
            let mut pairs: Vec<_> = forward.clone().into_iter().collect();
            pairs.reverse();
            let backward: Map<_, _> = pairs.into_iter().collect();
            let body = |object| attempt(&[], "k", &Value::Object(object)).body;
            prop_assert_eq!(body(forward), body(backward));
        }
    }
}
