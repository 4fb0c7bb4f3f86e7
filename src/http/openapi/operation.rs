//! One operation of the API document: what it takes, what it answers, how it can fail.
//!
//! An operation's own description says what is its own. What follows from its path, its method and
//! what it needs (the id in the path, the credentials, the refusals) is added here for all alike.

use std::collections::BTreeMap;

use actix_web::http::Method;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::schemas::{Schemas, property_descriptions};
use super::security::key_security;
use super::{headers, problems};
use crate::gate::route::Need;
use crate::http::error::Code;
use crate::http::extract::QueryReader;
use crate::http::extract::query;
use crate::model::catalog::Catalog;
use crate::model::fields;
use crate::model::fields::FieldReader;
use crate::model::idempotency::IdempotencyKey;
use crate::model::schema::patch_of;
use crate::model::scope::Access;

/// An operation while it is being described.
pub struct Operation<'a> {
    schemas: &'a mut Schemas,
    catalog: &'a Catalog,
    method: Method,
    need: Option<Need>,
    id: String,
    tag: String,
    summary: String,
    about: Vec<String>,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    codes: Vec<Code>,
    /// Whether somebody else answers it.
    forwarded: bool,
}

/// How a request with a credential can be refused.
const OF_CREDENTIALS: [Code; 7] = [
    Code::MultipleCredentials,
    Code::MissingKey,
    Code::InvalidKey,
    Code::KeyRevoked,
    Code::KeyExpired,
    Code::WrongCredential,
    Code::Unavailable,
];

impl<'a> Operation<'a> {
    /// An operation at a path, with what follows from that alone.
    pub(super) fn new(
        schemas: &'a mut Schemas,
        catalog: &'a Catalog,
        method: Method,
        need: Option<Need>,
    ) -> Self {
        let mut operation = Self {
            schemas,
            catalog,
            method,
            need,
            id: String::new(),
            tag: String::new(),
            summary: String::new(),
            about: Vec::new(),
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            codes: vec![Code::BadRequest, Code::Internal],
            forwarded: false,
        };
        match need {
            Some(Need::Scope(_) | Need::AtConnection { .. }) => {
                operation.asks_for_key(&[Code::InsufficientScope])
            }
            Some(Need::AnyKey | Need::Question | Need::Open(_)) => operation.asks_for_key(&[]),
            Some(Need::AdminToken) if operation.access() == Access::Write => {
                operation.asks_for_key(&[Code::InsufficientScope]);
            }
            Some(Need::AdminToken) => operation.asks_for_key(&[]),
            None => {}
        }
        if operation.is_for_keys() {
            operation.errors(&problems::OF_LIMITS);
        }
        operation
    }

    fn is_for_keys(&self) -> bool {
        matches!(self.need, Some(Need::Scope(_) | Need::AnyKey))
    }

    fn asks_for_key(&mut self, more: &[Code]) {
        self.codes.extend(OF_CREDENTIALS);
        if self.access() == Access::Write {
            self.codes.push(Code::OutcomeUnknown);
        }
        // No such operation takes a parameter that it does not name.
        self.codes.push(Code::ValidationFailed);
        self.codes.extend(more);
    }

    /// The resources and scopes that the document speaks of.
    pub fn catalog(&self) -> &'a Catalog {
        self.catalog
    }

    fn access(&self) -> Access {
        if self.method == Method::GET { Access::Read } else { Access::Write }
    }

    /// Sets the operation's id, made of its tag and a verb, and its summary.
    pub fn id(&mut self, tag: &str, verb: &str, summary: impl Into<String>) -> &mut Self {
        (self.id, self.tag, self.summary) = (format!("{tag}_{verb}"), tag.into(), summary.into());
        self
    }

    /// Lists it under another tag than the one in its id.
    pub fn under(&mut self, tag: &str) -> &mut Self {
        self.tag = tag.into();
        self
    }

    /// Adds a sentence for people.
    pub fn description(&mut self, sentence: impl Into<String>) -> &mut Self {
        self.about.push(sentence.into());
        self
    }

    /// Declares the path parameter `{id}`.
    pub fn on_id<I: JsonSchema>(&mut self) -> &mut Self {
        self.path_parameter::<I>("id", "The id.").errors(&[Code::NotFound])
    }

    /// Declares a request that a vendor answers, whatever its method and its answer are.
    pub fn forwarded(&mut self, about: &str) -> &mut Self {
        self.forwarded = true;
        self.response_nothing(200, about);
        self.errors(&OF_CREDENTIALS).errors(&problems::OF_LIMITS).errors(&problems::OF_VENDORS)
    }

    /// Declares a parameter of the path; `T` describes it.
    pub fn path_parameter<T: JsonSchema>(&mut self, name: &str, about: &str) -> &mut Self {
        let schema = self.schemas.of::<T>();
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": about, "schema": schema,
        }));
        self
    }

    /// Declares the query parameters that `read` asks for; `T` describes them.
    pub fn query<T: JsonSchema>(&mut self, read: impl FnOnce(&mut QueryReader) -> T) -> &mut Self {
        let about = property_descriptions::<T>(self.schemas);
        for (name, schema) in query::describe(self.catalog, read) {
            let mut parameter = json!({"name": name, "in": "query"});
            if let Some(about) = about.get(&name) {
                parameter["description"] = about.clone();
            }
            parameter["schema"] = schema;
            self.parameters.push(parameter);
        }
        self
    }

    /// Declares a request header.
    pub fn header(&mut self, name: &str, about: &str, schema: Value) -> &mut Self {
        self.parameters.push(json!({
            "name": name, "in": "header", "description": about, "schema": schema,
        }));
        self
    }

    /// Declares the body that `read` reads; `T` describes its fields.
    pub fn request_body<T: JsonSchema, R>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut FieldReader<'_>) -> Option<R>,
        example: &Value,
    ) -> &mut Self {
        let schema = self.body_schema::<T>(fields::describe(read));
        let required = schema["required"].as_array().is_some_and(|fields| !fields.is_empty());
        let schema = self.schemas.name(name, schema);
        self.body = Some(json!({
            "required": required,
            "content": {"application/json": {"schema": schema, "example": example}},
        }));
        self.errors(&problems::OF_BODIES)
    }

    /// Declares a merge patch of the object that `read` reads.
    pub fn merge_patch<T: JsonSchema, R>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut FieldReader<'_>) -> Option<R>,
        example: &Value,
    ) -> &mut Self {
        let schema = patch_of(&self.body_schema::<T>(fields::describe(read)));
        let schema = self.schemas.name(name, schema);
        let content = json!({"schema": schema, "example": example});
        self.body = Some(json!({
            "required": true,
            "content": {"application/merge-patch+json": content, "application/json": content},
        }));
        self.description(
            "A JSON merge patch (RFC 7396): absent fields stay as they are, null removes a value.",
        )
        .errors(&problems::OF_BODIES)
    }

    fn body_schema<T: JsonSchema>(&mut self, mut schema: Value) -> Value {
        let about = property_descriptions::<T>(self.schemas);
        let objects = match schema.get_mut("oneOf").and_then(Value::as_array_mut) {
            Some(choices) => choices.iter_mut().collect(),
            None => vec![&mut schema],
        };
        let properties =
            objects.into_iter().filter_map(|object| object["properties"].as_object_mut());
        for properties in properties {
            for (name, property) in properties {
                let said = [about.get(name), property.get("description")];
                let said: Vec<&str> =
                    said.into_iter().flatten().filter_map(Value::as_str).collect();
                property["description"] = said.join(" ").into();
            }
        }
        schema
    }

    /// Declares a successful answer with a `T`.
    pub fn response<T: JsonSchema>(
        &mut self,
        status: u16,
        about: &str,
        example: Value,
    ) -> &mut Self {
        let schema = self.schemas.of::<T>();
        self.response_as(status, about, schema, json!({"example": {"value": example}}))
    }

    /// Declares a successful answer with either of two types.
    pub fn response_either<T: JsonSchema, U: JsonSchema>(
        &mut self,
        status: u16,
        about: &str,
        examples: Value,
    ) -> &mut Self {
        let either = json!({"anyOf": [self.schemas.of::<T>(), self.schemas.of::<U>()]});
        self.response_as(status, about, either, examples)
    }

    /// Declares a successful answer by its schema.
    pub fn response_as(
        &mut self,
        status: u16,
        about: &str,
        schema: Value,
        examples: Value,
    ) -> &mut Self {
        let content = json!({"application/json": {"schema": schema, "examples": examples}});
        self.response_nothing(status, about);
        self.edit_answer(status, |answer| answer["content"] = content)
    }

    /// Declares a successful answer without a body.
    pub fn response_nothing(&mut self, status: u16, about: &str) -> &mut Self {
        let answer = json!({"description": about, "headers": headers::refer(&["X-Request-Id"])});
        self.answers.insert(status, answer);
        self
    }

    /// Declares a header that every answer with this status has.
    pub fn with_header(&mut self, status: u16, name: &str) -> &mut Self {
        self.add_headers(status, headers::refer(&[name]))
    }

    /// Declares a header that an answer may have.
    pub fn with_optional_header(&mut self, status: u16, name: &str) -> &mut Self {
        self.add_headers(status, headers::optional(name))
    }

    fn add_headers(&mut self, status: u16, more: Map<String, Value>) -> &mut Self {
        self.edit_answer(status, |answer| {
            if let Some(headers) = answer["headers"].as_object_mut() {
                headers.extend(more);
            }
        })
    }

    fn edit_answer(&mut self, status: u16, edit: impl FnOnce(&mut Value)) -> &mut Self {
        if let Some(answer) = self.answers.get_mut(&status) {
            edit(answer);
        }
        self
    }

    /// Declares that the operation is carried out once per `Idempotency-Key`; `status` is that of
    /// its answer.
    pub fn idempotent(&mut self, status: u16) -> &mut Self {
        let about = "Names this request: sent again with the same body within 24 hours, it gets \
                     the first answer again.";
        self.header("Idempotency-Key", about, IdempotencyKey::schema())
            .with_optional_header(status, "Idempotency-Replayed")
            .errors(&[
                Code::InvalidIdempotencyKey,
                Code::IdempotencyInProgress,
                Code::IdempotencyMismatch,
            ])
    }

    /// Declares that the operation honours `If-Match` and `If-None-Match`.
    pub fn conditional(&mut self) -> &mut Self {
        let tags = || json!({"type": "string"});
        let one = "Only if the record is at one of these versions: entity tags, or `*`.";
        let none = "Only if the record is at none of these versions: entity tags, or `*`.";
        self.header("If-Match", one, tags())
            .header("If-None-Match", none, tags())
            .errors(&[Code::PreconditionFailed])
    }

    /// Declares errors beyond those that follow from the operation's path and method.
    pub fn errors(&mut self, codes: &[Code]) -> &mut Self {
        self.codes.extend(codes);
        self
    }

    /// The operation as the document has it.
    pub(super) fn into_value(mut self) -> Value {
        let (needs, security, scope) = self.needs();
        self.about.push(needs);
        let mut answers: Map<String, Value> = self
            .answers
            .iter()
            .map(|(status, answer)| (status.to_string(), answer.clone()))
            .collect();
        answers.extend(problems::responses(&self.codes));
        if self.is_for_keys() {
            headers::announce_limits(&mut answers);
        }
        if self.forwarded
            && let Some(answer) = answers.remove("200")
        {
            answers.insert("default".to_owned(), answer);
        }
        let mut operation = json!({
            "operationId": self.id, "tags": [self.tag], "summary": self.summary,
            "description": self.about.join(" "), "parameters": self.parameters,
            "responses": answers, "security": security,
        });
        if let Some(body) = self.body {
            operation["requestBody"] = body;
        }
        if let Some(scope) = scope {
            operation["x-required-scope"] = scope.into();
        }
        operation
    }

    /// What the operation needs: in words, as security requirements, and as a scope.
    fn needs(&self) -> (String, Value, Option<String>) {
        let access = self.access();
        if self.forwarded {
            let words = "Needs an API key with the scope of the request at the connection.";
            return (words.to_owned(), key_security(&[]), None);
        }
        match self.need {
            None => ("Needs no credential.".to_owned(), json!([]), None),
            Some(Need::AnyKey | Need::Question | Need::Open(_)) => {
                ("Needs any live API key.".to_owned(), key_security(&[]), None)
            }
            Some(Need::Scope(resource)) => {
                let resource = self.catalog.find(resource);
                let scope = resource.and_then(|resource| resource.scope(access));
                let scope = scope.map(|scope| scope.to_string()).unwrap_or_default();
                let words = format!("Needs an API key with the scope `{scope}`.");
                (words, key_security(&[&scope]), Some(scope))
            }
            Some(Need::AtConnection { .. }) => {
                let words = "Needs an API key with the scope of the row at the connection.";
                (words.to_owned(), key_security(&[]), None)
            }
            Some(Need::AdminToken) => {
                let words = format!("Needs an admin token with `{}`.", access.as_str());
                (words, json!([{"adminToken": [access]}]), None)
            }
        }
    }
}
