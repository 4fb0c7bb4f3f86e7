//! What fields and parameters accept, as JSON Schema: one function for each rule of
//! [`fields`](super::fields), which checks by the same numbers.

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::visible::UNSEEN;

/// Gives a type the JSON Schema that a function makes; it stands where it is used.
macro_rules! described {
    ($name:ty, $title:expr, $schema:expr) => {
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $title.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::model::schema::from_value($schema)
            }
        }
    };
}
pub(crate) use described;

/// A schema out of what the functions here make.
pub(crate) fn from_value(value: Value) -> Schema {
    Schema::try_from(value).unwrap_or_default()
}

/// Control characters, as the inside of a character class.
const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f";
/// White space as Unicode has it, as the inside of a character class: what trimming removes.
const SPACE: &str = r"\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// The schema of one line of text, measured without the white space around it.
pub fn line(longest: usize) -> Value {
    line_that(&format!("(?=[{SPACE}]*$|{})", visible()), longest)
}

/// The schema of one line of text with a visible character.
fn filled_line(longest: usize) -> Value {
    line_that(&format!("(?={})", visible()), longest)
}

/// A pattern that matches up to the first visible character.
fn visible() -> String {
    format!(r"[\s\S]*[^{}]", *UNSEEN)
}

/// The schema of a line that must match the pattern `asked` as well.
fn line_that(asked: &str, longest: usize) -> Value {
    let pattern = format!("^{asked}[{SPACE}]*[^{CONTROL}]{{0,{longest}}}[{SPACE}]*$");
    let about =
        format!("One line of at most {longest} characters; surrounding white space is removed.");
    json!({"type": "string", "pattern": pattern, "description": about})
}

/// The schema of text of several lines.
pub fn text(longest: usize) -> Value {
    let pattern = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";
    json!({"type": "string", "maxLength": longest, "pattern": pattern})
}

/// The schema of text of several lines that is not blank.
pub fn filled_text(longest: usize) -> Value {
    let control = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f";
    let pattern = format!("^[^{control}]*[^{control}{SPACE}][^{control}]*$");
    json!({"type": "string", "minLength": 1, "maxLength": longest, "pattern": pattern})
}

/// The schema of a search text, which is not blank.
pub fn search_text(longest: usize) -> Value {
    let pattern = format!(r"^(?=[\s\S]*[^{SPACE}])[^\u0000]{{1,{longest}}}$");
    json!({"type": "string", "pattern": pattern})
}

/// The schema of an e-mail address. Non-ASCII letters are accepted as well, which no pattern that
/// every dialect of regular expressions understands can say.
pub fn email(longest: usize) -> Value {
    let atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    let label = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?";
    let pattern = format!(r"^(?=.{{1,64}}@){atom}(\.{atom})*@{label}(\.{label})+$");
    let examples = ["ada@example.com"];
    json!({"type": "string", "maxLength": longest, "pattern": pattern, "examples": examples})
}

/// The schema of `true` or `false`.
pub fn boolean() -> Value {
    json!({"type": "boolean"})
}

/// The schema of an object with any members.
pub fn object(longest: usize) -> Value {
    let about = format!("At most {longest} bytes as JSON without spaces.");
    json!({"type": "object", "default": {}, "description": about})
}

/// The schema of a whole number within bounds.
pub fn integer(least: i64, greatest: i64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": greatest})
}

/// The schema of an RFC 3339 time with an offset.
pub fn moment() -> Value {
    let day = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
    let time = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?";
    let offset = r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
    json!({
        "type": "string", "format": "date-time",
        "pattern": format!("^{day}T{time}{offset}$"),
    })
}

/// The schema of a telephone number in E.164 format.
pub fn phone_number() -> Value {
    json!({"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"})
}

/// The schema of an http or https URL.
pub fn url(longest: usize) -> Value {
    let pattern = format!("^https?://[^/{CONTROL}{SPACE}][^{CONTROL}{SPACE}]*$");
    json!({"type": "string", "maxLength": longest, "pattern": pattern})
}

/// The schema of a list of short, distinct labels.
pub fn tags(most: usize, longest: usize) -> Value {
    json!({
        "type": "array", "maxItems": most, "uniqueItems": true,
        "items": filled_line(longest), "default": [],
    })
}

/// The schema of a public id.
pub fn id(prefix: &str) -> Value {
    json!({"type": "string", "pattern": format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$")})
}

/// The schemas of an object's fields, recorded as they are read.
#[derive(Debug, Default)]
pub(super) struct ObjectSchema {
    properties: Map<String, Value>,
    required: Vec<&'static str>,
    /// Groups of fields of which one is given, and given whole.
    groups: Vec<Vec<&'static str>>,
}

impl ObjectSchema {
    pub(super) fn add(&mut self, field: &'static str, schema: Value) {
        self.properties.insert(field.to_owned(), schema);
    }

    pub(super) fn require(&mut self, field: &'static str) {
        self.required.push(field);
    }

    pub(super) fn demand_one_of(&mut self, groups: &[&[&'static str]]) {
        self.groups = groups.iter().map(|group| group.to_vec()).collect();
    }

    /// One object for each group: its fields, all required, and those of no group.
    fn by_group(&self) -> Value {
        let in_a_group = |field: &str| self.groups.iter().any(|group| group.contains(&field));
        let others = self.properties.iter().filter(|(field, _)| !in_a_group(field));
        let mut optional: Map<String, Value> =
            others.map(|(field, schema)| (field.clone(), schema.clone())).collect();
        optional.values_mut().for_each(allow_null);
        let object = |group: &Vec<&'static str>| {
            let of_group = |field: &&'static str| {
                Some(((*field).to_owned(), self.properties.get(*field)?.clone()))
            };
            let mut properties: Map<String, Value> = group.iter().filter_map(of_group).collect();
            properties.extend(optional.clone());
            json!({
                "type": "object", "properties": properties, "required": group,
                "additionalProperties": false,
            })
        };
        json!({"oneOf": self.groups.iter().map(object).collect::<Vec<_>>()})
    }

    /// The schema of the object that creates something. What is not required may be null, which
    /// counts as not given; a required line must not be blank.
    pub(super) fn into_schema(mut self) -> Value {
        if !self.groups.is_empty() {
            return self.by_group();
        }
        for (field, schema) in &mut self.properties {
            if !self.required.contains(&field.as_str()) {
                allow_null(schema);
            } else if let Some(longest) = longest_of_line(schema) {
                *schema = filled_line(longest);
            }
        }
        json!({
            "type": "object", "properties": self.properties, "required": self.required,
            "additionalProperties": false,
        })
    }
}

/// The longest line that a schema allows; none if it is not that of a line.
fn longest_of_line(schema: &Value) -> Option<usize> {
    let (_, rest) = schema["pattern"].as_str()?.split_once("{0,")?;
    let longest = rest.split_once('}')?.0.parse().ok()?;
    (*schema == line(longest)).then_some(longest)
}

/// The schema of the object that changes something created from `schema`: nothing is required, and
/// what is absent stays, also inside of objects (RFC 7396 §2).
pub fn patch_of(schema: &Value) -> Value {
    let mut patch = schema.clone();
    if let Some(object) = patch.as_object_mut() {
        object.remove("required");
    }
    let properties = patch.get_mut("properties").and_then(Value::as_object_mut).into_iter();
    for property in properties.flat_map(|all| all.values_mut()) {
        *property = patch_of(property);
        if let Some(property) = property.as_object_mut() {
            property.remove("default");
        }
    }
    patch
}

fn allow_null(schema: &mut Value) {
    match &mut schema["type"] {
        Value::Array(kinds) => kinds.push("null".into()),
        kind @ Value::String(_) => *kind = json!([*kind, "null"]),
        _ => {}
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::fields::{FieldReader, describe};
    use crate::model::user::Role;

    /// Whether a value is read, and whether its schema allows it.
    fn verdicts<T>(value: Value, read: impl Fn(&mut FieldReader<'_>) -> Option<T>) -> (bool, bool) {
        let object = json!({"field": value});
        let schema = describe(|reader| read(reader));
        let object_map = object.as_object().unwrap();
        let mut reader = FieldReader::new(object_map);
        read(&mut reader);
        let accepted = reader.finish(Some(())).is_ok();
        (accepted, jsonschema::draft202012::is_valid(&schema, &object))
    }

    fn agree<T>(value: &Value, read: impl Fn(&mut FieldReader<'_>) -> Option<T>) {
        let (read, allowed) = verdicts(value.clone(), read);
        assert_eq!(read, allowed, "{value}");
    }

    fn required_line(reader: &mut FieldReader<'_>) -> Option<String> {
        let line = reader.line("field", 4);
        reader.required("field", line)
    }

    #[test]
    fn values_of_every_kind_are_described_as_they_are_read() {
        for value in [
            json!(null),
            json!(0),
            json!(5.0),
            json!(1.5),
            json!(-1),
            json!(10),
            json!(true),
            json!(""),
            json!(" "),
            json!("member"),
            json!("dog"),
            json!({}),
            json!([]),
            json!(["a", "b"]),
            json!(["a", "a"]),
            json!([1]),
            json!([""]),
            json!([" a "]),
            json!(vec!["a"; 51]),
            json!(["a".repeat(51)]),
            json!("+14155550100"),
            json!("+0155550100"),
            json!("+1"),
            json!("+14155550100\n"),
            json!("2026-01-31T12:00:00Z"),
            json!("2026-01-31T12:00:00.5+01:00"),
            json!("2026-01-31 12:00:00Z"),
            json!("2026-01-31T12:00:00"),
            json!("2026-13-31T12:00:00Z"),
            json!("2026-12-31T23:59:60Z"),
            json!("https://a.example/x?y=1"),
            json!("http://"),
            json!("http:///x"),
            json!("ftp://x"),
            json!("https://a b"),
            json!("https://a\n"),
            json!(format!("https://{}", "a".repeat(2040))),
            json!(format!("https://{}", "a".repeat(2041))),
        ] {
            agree(&value, |reader| reader.line("field", 4));
            agree(&value, required_line);
            agree(&value, |reader| reader.text("field", 4));
            agree(&value, |reader| reader.choice::<Role>("field"));
            agree(&value, |reader| reader.integer("field", 0, 9));
            agree(&value, |reader| reader.moment("field"));
            agree(&value, |reader| reader.phone_number("field"));
            agree(&value, |reader| reader.url("field"));
            agree(&value, |reader| Some(reader.tags("field")));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn text_is_described_as_it_is_read(text in "[ \\t\\n\\r\u{0}\u{1f}\u{7f}\u{85}\u{a0}\u{2028}\u{3000}\u{ad}\u{200b}\u{2800}aü\u{1f600}]{0,7}") {
            let value = json!(text);
            agree(&value, |reader| reader.line("field", 4));
            agree(&value, required_line);
            agree(&value, |reader| reader.text("field", 4));
            agree(&json!(format!("http://{text}")), |reader| reader.url("field"));
            agree(&json!([text]), |reader| Some(reader.tags("field")));
        }
    }
}
