//! One operation of the API document, as the page shows it.

use serde_json::Value;

use super::example::{Example, ExampleRequest};
use super::fields::{Field, items, kind, members, resolved, text};
use super::prose::{Listing, Prose, pretty};

/// What an operation asks of its caller.
pub enum Needs {
    /// No credential.
    Nothing,
    /// Any live API key.
    AnyKey,
    /// An API key with a scope: a resource and an access.
    Scope(String, String),
    /// An admin token with an access.
    AdminToken(String),
}

impl Needs {
    /// Whether it is asked for a key or a token at all.
    pub fn credential(&self) -> bool {
        self.variable().is_some()
    }

    /// The environment variable that its examples take the credential from.
    pub fn variable(&self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::AnyKey | Self::Scope(..) => Some("KEY"),
            Self::AdminToken(_) => Some("TOKEN"),
        }
    }
}

/// Parameters that stand in the same part of a request.
pub struct Group {
    /// What the parameters are, as a heading.
    pub title: &'static str,
    /// Where they stand, in the document's word.
    pub place: &'static str,
    /// The parameters, one by one.
    pub fields: Vec<Field>,
}

/// The body of a request.
pub struct Body {
    /// Whether there must be one.
    pub required: bool,
    /// Its media types, the usual one first.
    pub media_types: Vec<String>,
    /// Its fields.
    pub fields: Vec<Field>,
    /// Whether fields that are not named are refused.
    pub closed: bool,
    /// A body that would be accepted.
    pub example: Value,
}

impl Body {
    /// The example as people read it.
    pub fn example(&self) -> String {
        pretty(&self.example)
    }
}

/// An answer that is no error.
pub struct Answer {
    /// The answer's HTTP status.
    pub status: String,
    /// What the answer means.
    pub about: Prose,
    /// What its body is; nothing where there is none.
    pub shape: Prose,
    /// The fields of a body that has no name of its own.
    pub fields: Vec<Field>,
    /// Its headers, and whether they are always there.
    pub headers: Vec<(String, bool)>,
    /// Bodies, each with when it is answered, where there are several.
    pub examples: Vec<(Prose, Listing)>,
}

/// An operation as a page of the API document shows it.
pub struct Operation {
    /// Its name for programs, and its anchor.
    pub id: String,
    /// The method.
    pub method: String,
    /// The path, as a pattern.
    pub path: String,
    /// What it does, in a few words.
    pub title: String,
    /// What it does, in sentences.
    pub about: Prose,
    /// What it asks of its caller.
    pub needs: Needs,
    /// Its parameters.
    pub groups: Vec<Group>,
    /// The body it takes.
    pub body: Option<Body>,
    /// How it answers when it succeeds.
    pub answers: Vec<Answer>,
    /// How it fails: each status with its codes.
    pub errors: Vec<(String, Vec<String>)>,
    /// What stands for `{id}` in its example.
    pub example_id: Option<String>,
}

impl Operation {
    /// The operation that the document describes.
    pub fn of(document: &Value, path: &str, method: &str, value: &Value) -> Self {
        let groups = [
            ("Path parameters", "path"),
            ("Query parameters", "query"),
            ("Request headers", "header"),
        ];
        let (answers, errors) = answers(document, &value["responses"]);
        Self {
            id: text(&value["operationId"]).to_owned(),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            title: text(&value["summary"]).to_owned(),
            about: Prose::read(text(&value["description"])),
            needs: needs(value),
            groups: groups
                .into_iter()
                .map(|(title, place)| Group { title, place, fields: parameters(value, place) })
                .filter(|group| !group.fields.is_empty())
                .collect(),
            body: body(document, &value["requestBody"]),
            answers,
            errors,
            example_id: None,
        }
    }

    /// The id in one of its answers' examples.
    pub fn answered_id(value: &Value) -> Option<String> {
        let answers = members(&value["responses"]).filter(|(status, _)| status.starts_with('2'));
        let examples = answers
            .flat_map(|(_, answer)| members(&answer["content"]["application/json"]["examples"]));
        let ids = examples
            .flat_map(|(_, example)| [&example["value"]["id"], &example["value"]["data"][0]["id"]]);
        ids.filter_map(Value::as_str).next().map(str::to_owned)
    }

    /// A request of it to a server at this address, in every language.
    pub fn examples(&self, address: &str) -> [Example; 3] {
        let path = self.example_id.as_ref().map(|id| self.path.replace("{id}", id));
        let request = ExampleRequest {
            method: &self.method,
            url: format!("{address}{}", path.as_ref().unwrap_or(&self.path)),
            credential: self.needs.variable(),
            body: self.body.as_ref().map(|body| (self.media_type(), &body.example)),
            answered: self.answers.iter().any(|answer| !answer.shape.is_empty()),
        };
        request.examples()
    }

    /// The media type that a body is sent with.
    pub fn media_type(&self) -> &str {
        let first = self.body.as_ref().and_then(|body| body.media_types.first());
        first.map_or("application/json", String::as_str)
    }
}

fn needs(operation: &Value) -> Needs {
    let scope = operation["x-required-scope"].as_str().and_then(|scope| scope.split_once(':'));
    let token = items(&operation["security"]).find_map(|scheme| scheme.get("adminToken"));
    match (scope, token) {
        (Some((resource, access)), _) => Needs::Scope(resource.to_owned(), access.to_owned()),
        (None, Some(access)) => Needs::AdminToken(text(&access[0]).to_owned()),
        (None, None) if items(&operation["security"]).next().is_none() => Needs::Nothing,
        (None, None) => Needs::AnyKey,
    }
}

fn parameters(operation: &Value, place: &str) -> Vec<Field> {
    let parameters = items(&operation["parameters"]).filter(|parameter| parameter["in"] == place);
    let field = |parameter: &Value| {
        let required = parameter["required"] == true;
        let field = Field::of("", text(&parameter["name"]), &parameter["schema"], required);
        Field { about: Prose::read(text(&parameter["description"])), ..field }
    };
    parameters.map(field).collect()
}

fn body(document: &Value, body: &Value) -> Option<Body> {
    let content: Vec<(&String, &Value)> = members(&body["content"]).collect();
    let (_, first) = content.first()?;
    let schema = resolved(document, &first["schema"]);
    Some(Body {
        required: body["required"] == true,
        media_types: content.iter().map(|(media_type, _)| (*media_type).clone()).collect(),
        fields: Field::list(schema),
        closed: schema["additionalProperties"] == false,
        example: first["example"].clone(),
    })
}

/// The answers that are no errors, and the codes of those that are, by status.
fn answers(document: &Value, responses: &Value) -> (Vec<Answer>, Vec<(String, Vec<String>)>) {
    let (mut answers, mut errors) = (Vec::new(), Vec::new());
    for (status, response) in members(responses) {
        let problems = &response["content"]["application/problem+json"];
        if problems.is_object() {
            let codes = members(&problems["examples"]).map(|(code, _)| code.clone());
            errors.push((status.clone(), codes.collect()));
        } else {
            answers.push(answer(document, status, response));
        }
    }
    (answers, errors)
}

fn answer(document: &Value, status: &str, response: &Value) -> Answer {
    let content = &response["content"]["application/json"];
    let schema = &content["schema"];
    let header = |(name, header): (&String, &Value)| {
        let (_, shared) = text(&header["$ref"]).rsplit_once('/').unwrap_or_default();
        let header =
            if shared.is_empty() { header } else { &document["components"]["headers"][shared] };
        (name.clone(), header["required"] == true)
    };
    let example = |(_, example): (&String, &Value)| {
        (Prose::read(text(&example["summary"])), Listing(pretty(&example["value"])))
    };
    Answer {
        status: status.to_owned(),
        about: Prose::read(text(&response["description"])),
        shape: kind(schema),
        fields: Field::list(schema),
        headers: members(&response["headers"]).map(header).collect(),
        examples: members(&content["examples"]).map(example).collect(),
    }
}
