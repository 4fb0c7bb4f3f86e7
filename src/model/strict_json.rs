//! JSON read strictly: a member that occurs twice is refused, since two readers of the same body
//! could each believe another one (RFC 8259 §4 leaves it open).

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An object has this member twice.
    Twice(String),
    /// It is no JSON, as is seen there; both are counted from 1.
    Malformed {
        /// The line.
        line: usize,
        /// The byte in it.
        column: usize,
    },
}

/// Reads one JSON value.
///
/// # Errors
/// What is wrong with the text. serde's own words repeat parts of it, which may be a secret.
pub fn parse(bytes: &[u8]) -> Result<Value, Fault> {
    let doubled = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { doubled: &doubled }.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| match doubled.take() {
        Some(member) => Fault::Twice(member),
        None => Fault::Malformed { line: error.line(), column: error.column() },
    })
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    doubled: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                *self.doubled.borrow_mut() = Some(name);
                return Err(A::Error::custom("a member is given twice"));
            }
            let value = members.next_value_seed(self)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_doubled_member_is_named() {
        let read = parse(br#"{"a": {"b": 1, "b": 2}}"#);
        assert_eq!(read, Err(Fault::Twice("b".to_owned())));
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        let deep = "[".repeat(100_000);
        for wrong in ["", "{", "{} {}", "nul", "{\"a\":}", "\u{1}", "1e999", "[1,]", &deep] {
            let read = parse(wrong.as_bytes());
            assert!(matches!(read, Err(Fault::Malformed { .. })), "{wrong:.20}");
        }
    }

    proptest! {
        #[test]
        fn reads_what_serde_reads(text in r#"[\[\]{}",:a01.e -]{0,40}"#) {
            let ours = parse(text.as_bytes());
            let theirs = serde_json::from_str::<Value>(&text);
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(Fault::Twice(_)), Ok(_)) => {}
                (ours, theirs) => prop_assert!(ours.is_err() && theirs.is_err()),
            }
        }
    }
}
