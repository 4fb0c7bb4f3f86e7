//! Fields and parameters: what a JSON Schema says, in words.

use serde_json::{Map, Value};

use super::prose::Prose;

/// A longer pattern is folded away: the description says the same in words.
const LONGEST_PATTERN_IN_LINE: usize = 40;
/// Where the document keeps its named schemas.
const SCHEMAS: &str = "#/components/schemas/";

/// A field of a body or an answer, or a parameter.
pub struct Field {
    /// The fields it stands in, as a prefix of its name.
    pub within: String,
    /// Its name.
    pub name: String,
    /// What kind of value it has.
    pub kind: Prose,
    /// Whether a request must have it.
    pub required: bool,
    /// What it is.
    pub about: Prose,
    /// The rules that its value must obey.
    pub rules: Vec<Prose>,
    /// The values it may have, where each is described.
    pub values: Vec<(String, Prose)>,
    /// The expression it must match, where that is too long to stand among the rules.
    pub pattern: Option<String>,
}

impl Field {
    /// The field that a schema describes.
    pub fn of(within: &str, name: &str, schema: &Value, required: bool) -> Self {
        let pattern = pattern(schema).or_else(|| pattern(&schema["items"]));
        let long = pattern.filter(|pattern| pattern.len() > LONGEST_PATTERN_IN_LINE);
        Self {
            within: within.to_owned(),
            name: name.to_owned(),
            kind: kind(schema),
            required,
            about: about(schema),
            rules: rules(schema),
            values: values(schema),
            pattern: long.map(str::to_owned),
        }
    }

    /// The fields of an object, each followed by those inside it.
    pub fn list(schema: &Value) -> Vec<Self> {
        let mut fields = Vec::new();
        add_fields(&mut fields, "", schema);
        fields
    }

    /// The values to choose from, for a form.
    pub fn choices(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(word, _)| word.as_str())
    }
}

/// The text of a JSON string; empty for anything else.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The members of a JSON object; none for anything else.
pub fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The items of a JSON array; none for anything else.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The name of the schema that a reference leads to.
fn name_of(reference: &Value) -> Option<&str> {
    reference.as_str()?.strip_prefix(SCHEMAS)
}

/// The schema itself, where a reference leads to it.
pub fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    name_of(&schema["$ref"]).map_or(schema, |name| &document["components"]["schemas"][name])
}

/// The named schemas that one refers to, in the order of reading.
pub fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(object) => object
            .iter()
            .flat_map(|(word, value)| match (word.as_str(), name_of(value)) {
                ("$ref", Some(name)) => vec![name.to_owned()],
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn add_fields(fields: &mut Vec<Field>, within: &str, schema: &Value) {
    // Of several objects one is to be sent, so none of their fields is always required.
    for choice in items(&schema["oneOf"]) {
        for (name, property) in members(&choice["properties"]) {
            let known = |field: &Field| field.within == within && field.name == *name;
            if !fields.iter().any(known) {
                fields.push(Field::of(within, name, property, false));
                add_fields(fields, &format!("{within}{name}."), property);
            }
        }
    }
    for (name, property) in members(&schema["properties"]) {
        let required = items(&schema["required"]).any(|field| field == name);
        fields.push(Field::of(within, name, property, required));
        add_fields(fields, &format!("{within}{name}."), property);
        add_fields(fields, &format!("{within}{name}[]."), &property["items"]);
    }
}

/// The types of a schema, of which there may be several.
fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(word) => vec![word],
        words => items(words).filter_map(Value::as_str).collect(),
    }
}

/// What kind of value it is, with links to what is described elsewhere.
pub fn kind(schema: &Value) -> Prose {
    if let Some(name) = name_of(&schema["$ref"]) {
        return Prose::default().object(name);
    }
    if let Some(kinds) = schema["anyOf"].as_array() {
        return Prose::joined(kinds.iter().map(kind), " or ");
    }
    if let Some(value) = schema.get("const") {
        return Prose::default().text("always ").code(plain(value));
    }
    let kinds = types(schema).into_iter().map(|word| match (word, text(&schema["format"])) {
        ("string", "date-time") => Prose::default().text("time"),
        ("array", _) if schema["items"]["$ref"].is_string() => {
            Prose::default().text("list of ").then(kind(&schema["items"]))
        }
        ("array", _) => Prose::default().text("list of ").then(kind(&schema["items"])).text("s"),
        ("object", _) if schema["additionalProperties"].is_object() => {
            Prose::default().text("object of ").then(kind(&schema["additionalProperties"]))
        }
        (word, _) => Prose::default().text(word),
    });
    Prose::joined(kinds, " or ")
}

/// A value as it would be written in a sentence.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What it is, and what each of its items is.
fn about(schema: &Value) -> Prose {
    let said = Prose::read(text(&schema["description"]));
    match text(&schema["items"]["description"]) {
        "" => said,
        of_each => {
            Prose::joined([said, Prose::default().text("Each: ").then(Prose::read(of_each))], " ")
        }
    }
}

/// The values of an enumeration that are described.
fn values(schema: &Value) -> Vec<(String, Prose)> {
    let about = |(word, about): (&String, &Value)| (word.clone(), Prose::read(text(about)));
    members(&schema["x-enumDescriptions"]).map(about).collect()
}

/// The expression it must match. A time's is left out: RFC 3339 is said once for all.
fn pattern(schema: &Value) -> Option<&str> {
    let timed = schema["format"] == "date-time";
    schema["pattern"].as_str().filter(|_| !timed)
}

/// What a value must obey.
fn rules(schema: &Value) -> Vec<Prose> {
    let mut rules: Vec<Prose> = Vec::new();
    let mut say = |rule: Option<String>| rules.extend(rule.map(|rule| Prose::default().text(rule)));
    say(range(schema, "minimum", "maximum", ""));
    say(range(schema, "minLength", "maxLength", " characters"));
    say(range(schema, "minItems", "maxItems", " items"));
    say((schema["uniqueItems"] == true).then(|| "each once".to_owned()));
    if values(schema).is_empty() {
        let words = one_of(schema).map(|words| Prose::default().text("one of ").then(words));
        rules.extend(words.map(|words| match schema["anyOf"][1]["pattern"].as_str() {
            Some(other) => words.text(", or what matches ").code(other),
            None => words,
        }));
    }
    let of_each = &schema["items"];
    if of_each.is_object() && of_each["properties"].is_null() {
        let each = |rule: Prose| Prose::default().text("each ").then(rule);
        rules.extend(self::rules(of_each).into_iter().map(each));
    }
    if let Some(pattern) = pattern(schema).filter(|p| p.len() <= LONGEST_PATTERN_IN_LINE) {
        rules.push(Prose::default().text("matches ").code(pattern));
    }
    if let Some(value) = schema.get("default").filter(|value| !value.is_null()) {
        rules.push(Prose::default().code(plain(value)).text(" unless given"));
    }
    rules
}

/// The words of an enumeration, null aside; those of the first of several that may be meant.
fn one_of(schema: &Value) -> Option<Prose> {
    let words = schema.get("enum").or_else(|| schema.pointer("/anyOf/0/enum"))?;
    let words = words.as_array()?.iter().filter(|word| !word.is_null());
    Some(Prose::joined(words.map(|word| Prose::default().code(plain(word))), ", "))
}

fn range(schema: &Value, least: &str, most: &str, of: &str) -> Option<String> {
    match (schema.get(least), schema.get(most)) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{of}")),
        (Some(least), None) => Some(format!("at least {least}{of}")),
        (None, Some(most)) => Some(format!("at most {most}{of}")),
        (None, None) => None,
    }
}

/// A named schema that answers are made of.
pub struct Object {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: Prose,
    /// Its fields.
    pub fields: Vec<Field>,
}

impl Object {
    /// The objects that these names lead to, directly or through one another.
    pub fn reached(document: &Value, names: Vec<String>) -> Vec<Self> {
        let mut reached: Map<String, Value> = Map::new();
        let mut open: std::collections::VecDeque<String> = names.into();
        while let Some(name) = open.pop_front() {
            if !reached.contains_key(&name) {
                let schema = &document["components"]["schemas"][&name];
                open.extend(references(schema));
                reached.insert(name, schema.clone());
            }
        }
        let object = |(name, schema): (String, Value)| Self {
            name,
            about: Prose::read(text(&schema["description"])),
            fields: Field::list(&schema),
        };
        reached.into_iter().map(object).collect()
    }
}
