//! Reading the fields of a JSON object into typed values, and every error in them.
//!
//! One reader serves the API's bodies, the command line's options and merged PATCH documents, so
//! that a rule is written once. It never stops at the first fault: the answer names them all.

use serde_json::{Map, Value};

use super::FieldErrors;
use super::formats::{LONGEST_EMAIL, LONGEST_URL, check_email, check_phone_number, check_url};
use super::schema;
use super::schema::ObjectSchema;
use super::time::{Moment, parse_rfc3339};
use super::visible::is_visible;
use super::words::{Word, choice};

/// The most tags a record has.
const MOST_TAGS: usize = 50;
/// The longest tag, in characters.
const LONGEST_TAG: usize = 50;

/// Reads an object field by field and collects what is wrong with it.
///
/// A field that is absent and one that is null are the same: not given.
pub struct FieldReader<'a> {
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
    errors: FieldErrors,
    /// The schema that is being built, if nothing is read but only described.
    asked: Option<ObjectSchema>,
}

/// The JSON Schema of what `read` accepts, recorded by running it on nothing.
pub fn describe<T>(read: impl FnOnce(&mut FieldReader<'_>) -> Option<T>) -> Value {
    let nothing = Map::new();
    let mut reader =
        FieldReader { asked: Some(ObjectSchema::default()), ..FieldReader::new(&nothing) };
    read(&mut reader);
    reader.asked.unwrap_or_default().into_schema()
}

impl<'a> FieldReader<'a> {
    /// A reader of this object's fields.
    pub fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, known: Vec::new(), errors: FieldErrors::default(), asked: None }
    }

    /// The value that was built, or every error, unknown fields included.
    ///
    /// # Errors
    /// All that was found wrong on the way.
    pub fn finish<T>(mut self, built: Option<T>) -> Result<T, FieldErrors> {
        for field in self.object.keys() {
            if !self.known.contains(&field.as_str()) {
                self.errors.add(field, "is not a field that can be set");
            }
        }
        match built {
            Some(built) if self.errors.is_empty() => Ok(built),
            _ => Err(self.errors),
        }
    }

    /// Adds an error about a field.
    pub fn complain(&mut self, field: &str, message: impl Into<String>) {
        self.errors.add(field, message);
    }

    /// The raw value, if one is given.
    pub(super) fn value(&mut self, field: &'static str) -> Option<&'a Value> {
        self.known.push(field);
        self.object.get(field).filter(|value| !value.is_null())
    }

    /// Complains unless the fields of exactly one of these groups are given, and all of that one.
    pub fn demand_one_of(&mut self, groups: &[&[&'static str]]) {
        if let Some(asked) = &mut self.asked {
            asked.demand_one_of(groups);
            return;
        }
        let given = |field: &&'static str| self.object.get(*field).is_some_and(|v| !v.is_null());
        let begun: Vec<_> = groups.iter().filter(|group| group.iter().any(given)).collect();
        let (field, message) = match *begun.as_slice() {
            [group] => match group.iter().find(|field| !given(field)) {
                None => return,
                Some(missing) => (*missing, "is required".to_owned()),
            },
            ref begun => {
                let group = |group: &&[&'static str]| group.join(" and ");
                let choices = groups.iter().map(group).collect::<Vec<_>>().join(", or ");
                let field = match begun.last() {
                    Some(group) => group.iter().find(|field| given(field)),
                    None => groups.first().and_then(|group| group.first()),
                };
                let fault = if begun.is_empty() { "is missing" } else { "is one too many" };
                (field.copied().unwrap_or_default(), format!("{fault}: give {choices}"))
            }
        };
        self.errors.add(field, message);
    }

    /// Passes a value on, and adds an error if there is none.
    pub fn required<T>(&mut self, field: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.errors.add(field, "is required");
            if let Some(asked) = &mut self.asked {
                asked.require(field);
            }
        }
        value
    }

    /// Reads a value with `parse`, whose error becomes the field's; `schema` describes what `parse`
    /// accepts.
    pub fn parsed<T>(
        &mut self,
        field: &'static str,
        schema: impl FnOnce() -> Value,
        parse: impl FnOnce(&'a Value) -> Result<T, String>,
    ) -> Option<T> {
        if let Some(asked) = &mut self.asked {
            asked.add(field, schema());
        }
        match parse(self.value(field)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.errors.add(field, message);
                None
            }
        }
    }

    /// Reads one line of text and trims it. A blank one counts as not given.
    pub fn line(&mut self, field: &'static str, longest: usize) -> Option<String> {
        let text = self.parsed(
            field,
            || schema::line(longest),
            |value| check_line(as_text(value)?, longest),
        )?;
        (!text.is_empty()).then_some(text)
    }

    /// Reads text that may have several lines, and keeps it as it is.
    pub fn text(&mut self, field: &'static str, longest: usize) -> Option<String> {
        self.parsed(field, || schema::text(longest), |value| check_text(as_text(value)?, longest))
    }

    /// Reads one word of a closed set.
    pub fn choice<W: Word>(&mut self, field: &'static str) -> Option<W> {
        self.parsed(field, choice::<W>, |value| {
            W::parse(as_text(value)?).ok_or_else(|| format!("must be {}", W::choices()))
        })
    }

    /// Reads a whole number within bounds.
    pub fn integer(&mut self, field: &'static str, least: i64, greatest: i64) -> Option<i64> {
        self.parsed(
            field,
            || schema::integer(least, greatest),
            |value| {
                // 5.0 is a whole number too.
                let whole = value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
                let number = value.as_i64().or(whole.map(|n| n as i64));
                let number = number.filter(|n| (least..=greatest).contains(n));
                number.ok_or_else(|| format!("must be a whole number from {least} to {greatest}"))
            },
        )
    }

    /// Reads an RFC 3339 time with an offset.
    pub fn moment(&mut self, field: &'static str) -> Option<Moment> {
        self.parsed(field, schema::moment, |value| {
            let moment = value.as_str().and_then(parse_rfc3339);
            moment.ok_or_else(|| {
                "must be an RFC 3339 time with an offset, such as 2027-01-31T12:00:00Z".to_owned()
            })
        })
    }

    /// Reads a telephone number in E.164 format.
    pub fn phone_number(&mut self, field: &'static str) -> Option<String> {
        self.parsed(field, schema::phone_number, |value| check_phone_number(as_text(value)?))
    }

    /// Reads an e-mail address.
    pub fn email(&mut self, field: &'static str) -> Option<String> {
        self.parsed(field, || schema::email(LONGEST_EMAIL), |value| check_email(as_text(value)?))
    }

    /// Reads `true` or `false`.
    pub fn boolean(&mut self, field: &'static str) -> Option<bool> {
        self.parsed(field, schema::boolean, |value| {
            value.as_bool().ok_or_else(|| "must be true or false".to_owned())
        })
    }

    /// Reads an object with any members, at most `longest` bytes long as JSON without spaces.
    pub fn object(&mut self, field: &'static str, longest: usize) -> Option<Map<String, Value>> {
        self.parsed(
            field,
            || schema::object(longest),
            |value| {
                let object = value.as_object().filter(|_| value.to_string().len() <= longest);
                object
                    .cloned()
                    .ok_or_else(|| format!("must be an object of at most {longest} bytes"))
            },
        )
    }

    /// Reads an http or https URL.
    pub fn url(&mut self, field: &'static str) -> Option<String> {
        self.parsed(field, || schema::url(LONGEST_URL), |value| check_url(as_text(value)?))
    }

    /// Reads a list of short, distinct labels; empty if not given.
    pub fn tags(&mut self, field: &'static str) -> Vec<String> {
        let schema = || schema::tags(MOST_TAGS, LONGEST_TAG);
        let tags = self.parsed(field, schema, |value| {
            let items = value.as_array().filter(|items| items.len() <= MOST_TAGS);
            let items =
                items.ok_or_else(|| format!("must be a list of at most {MOST_TAGS} tags"))?;
            let tags = items.iter().map(check_tag).collect::<Result<Vec<_>, _>>()?;
            let distinct = tags.iter().enumerate().all(|(n, tag)| !tags[..n].contains(tag));
            if distinct { Ok(tags) } else { Err("must not repeat a tag".to_owned()) }
        });
        tags.unwrap_or_default()
    }
}

/// The text of a JSON value.
///
/// # Errors
/// The message for the field, if the value is not text.
pub fn as_text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "must be a string".to_owned())
}

/// Checks and trims one line: no control characters, at most `longest` characters, and blank or
/// with a visible character.
///
/// # Errors
/// The message for the field.
pub fn check_line(text: &str, longest: usize) -> Result<String, String> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        Err("must not contain control characters".to_owned())
    } else if text.chars().nth(longest).is_some() {
        Err(format!("must be at most {longest} characters long"))
    } else if !text.is_empty() && !is_visible(text) {
        Err("has no visible characters; use at least one".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Checks text of several lines: no control characters but line breaks and tabs, at most `longest`
/// characters.
///
/// # Errors
/// The message for the field.
pub fn check_text(text: &str, longest: usize) -> Result<String, String> {
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        Err("must not contain control characters other than line breaks and tabs".to_owned())
    } else if text.chars().nth(longest).is_some() {
        Err(format!("must be at most {longest} characters long"))
    } else {
        Ok(text.to_owned())
    }
}

fn check_tag(value: &Value) -> Result<String, String> {
    let tag = check_line(value.as_str().ok_or("must be a list of strings")?, LONGEST_TAG)?;
    if tag.is_empty() { Err("must not contain an empty tag".to_owned()) } else { Ok(tag) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn complaints(object: Value, read: impl FnOnce(&mut FieldReader<'_>)) -> Vec<String> {
        let object = object.as_object().unwrap().clone();
        let mut reader = FieldReader::new(&object);
        read(&mut reader);
        let errors = reader.finish(Some(())).err().unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn every_bad_field_is_named_once() {
        let object = json!({"name": "a\u{0}b", "size": 1.5, "when": "now", "extra": 1, "tags": ["a", "a"], "site": "ftp://x"});
        let named = complaints(object, |reader| {
            let name = reader.line("name", 10);
            reader.required("name", name);
            let missing = reader.line("missing", 10);
            reader.required("missing", missing);
            reader.integer("size", 0, 9);
            reader.moment("when");
            reader.tags("tags");
            reader.url("site");
        });
        assert_eq!(named, ["name", "missing", "size", "when", "tags", "site", "extra"]);
    }

    #[test]
    fn null_is_not_given_and_blank_is_not_required_text() {
        let object = json!({"name": "  ", "note": null});
        let named = complaints(object, |reader| {
            let name = reader.line("name", 10);
            reader.required("name", name);
            assert_eq!(reader.text("note", 10), None);
        });
        assert_eq!(named, ["name"]);
    }

    #[test]
    fn an_object_is_measured_as_json() {
        let object = json!({"a": {"x": "ü".repeat(5)}});
        let size = object["a"].to_string().len();
        assert_eq!(size, r#"{"x":"üüüüü"}"#.len());
        let named =
            |longest| complaints(object.clone(), |reader| drop(reader.object("a", longest)));
        assert_eq!((named(size), named(size - 1)), (vec![], vec!["a".to_owned()]));
        assert_eq!(complaints(json!({"a": []}), |reader| drop(reader.object("a", 9))), ["a"]);
        let named = complaints(json!({"a": 1}), |reader| {
            reader.boolean("a");
        });
        assert_eq!(named, ["a"]);
    }

    #[test]
    fn length_counts_characters() {
        assert!(check_line(&"ü".repeat(100), 100).is_ok());
        assert!(check_line(&"ü".repeat(101), 100).is_err());
        assert_eq!(check_line("  a  ", 1), Ok("a".to_owned()));
    }

    #[test]
    fn a_line_is_blank_or_can_be_seen() {
        assert_eq!(check_line(" \u{3000} ", 9), Ok(String::new()));
        for hidden in ["\u{200b}", " \u{ad} ", "\u{2800}\u{2800}"] {
            assert!(check_line(hidden, 9).unwrap_err().contains("no visible characters"));
            assert!(check_line(&format!("{hidden}a"), 9).is_ok());
        }
    }
}
