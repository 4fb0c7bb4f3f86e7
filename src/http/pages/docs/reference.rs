//! The API document, read once into what the pages show.

use serde_json::Value;

use super::fields::{Object, items, members, references, text};
use super::operation::Operation;
use super::prose::{Listing, Prose, pretty};
use crate::http::via;

/// A way to fail.
pub struct Failure {
    /// The word that programs rely on.
    pub code: String,
    /// Its status and title.
    pub status: String,
    /// The code's title.
    pub title: String,
    /// When it happens.
    pub about: Prose,
    /// The body of such an answer.
    pub example: Listing,
}

/// Operations that belong together, with the objects they answer.
pub struct Section {
    /// The section's name in paths.
    pub slug: String,
    /// The section's title.
    pub title: String,
    /// What the section is about.
    pub about: Prose,
    /// The operations, in the order of the URL table.
    pub operations: Vec<Operation>,
    /// What their answers are made of.
    pub objects: Vec<Object>,
}

impl Section {
    /// Whether any of its operations asks for a credential.
    pub fn needs_credential(&self) -> bool {
        self.operations.iter().any(|operation| operation.needs.credential())
    }
}

/// The API document, prepared for its pages.
pub struct Reference {
    /// What holds for every operation, a paragraph each.
    pub rules: Vec<Prose>,
    /// Every operation.
    pub sections: Vec<Section>,
    /// The headers of answers.
    pub headers: Vec<(String, Prose)>,
    /// Every error code.
    pub failures: Vec<Failure>,
    /// What the body of an error is made of.
    pub problem: Vec<Object>,
}

impl Reference {
    /// Reads the document's text, as it is served.
    pub fn read(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let components = &document["components"];
        let headers = members(&components["headers"])
            .map(|(name, header)| (name.clone(), Prose::read(text(&header["description"]))));
        Self {
            rules: text(&document["info"]["description"]).split("\n\n").map(Prose::read).collect(),
            sections: items(&document["tags"]).map(|tag| section(&document, tag)).collect(),
            headers: headers.collect(),
            failures: members(&components["examples"]).map(failure).collect(),
            problem: Object::reached(&document, vec!["Problem".to_owned()]),
        }
    }

    /// The operation with this name for programs, and the section it stands in.
    pub fn operation(&self, id: &str) -> Option<(&Section, &Operation)> {
        self.sections.iter().find_map(|section| {
            let operation = section.operations.iter().find(|operation| operation.id == id)?;
            Some((section, operation))
        })
    }

    /// The section with this name in paths.
    pub fn section(&self, slug: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.slug == slug)
    }
}

fn failure((code, example): (&String, &Value)) -> Failure {
    let body = &example["value"];
    Failure {
        code: code.clone(),
        status: body["status"].to_string(),
        title: text(&body["title"]).to_owned(),
        about: Prose::read(text(&example["summary"])),
        example: Listing(pretty(body)),
    }
}

fn section(document: &Value, tag: &Value) -> Section {
    let slug = text(&tag["name"]);
    let operations: Vec<(&String, &String, &Value)> = members(&document["paths"])
        // What is forwarded is told in the guide, by the tables of the vendors.
        .filter(|(path, _)| !path.starts_with(via::PREFIX))
        .flat_map(|(path, item)| members(item).map(move |(method, value)| (path, method, value)))
        .filter(|(_, _, value)| value["tags"][0] == slug)
        .collect();
    // What an answer names, in the order in which the operations answer it.
    let answered = operations.iter().flat_map(|(_, _, value)| members(&value["responses"]));
    let named = answered.flat_map(|(_, answer)| references(&answer["content"]["application/json"]));
    let objects = Object::reached(document, named.collect());
    let shown = |(path, method, value): (&String, &String, &Value)| Operation {
        example_id: example_id(document, path),
        ..Operation::of(document, path, method, value)
    };
    Section {
        slug: slug.to_owned(),
        title: title(slug),
        about: Prose::read(text(&tag["description"])),
        operations: operations.into_iter().map(shown).collect(),
        objects,
    }
}

/// An id for a path that names one thing of many: that of an example among what is answered of them.
fn example_id(document: &Value, path: &str) -> Option<String> {
    let (many, _) = path.split_once("/{id}")?;
    let paths = members(&document["paths"]).filter(|(path, _)| path.starts_with(many));
    let mut operations = paths.flat_map(|(_, item)| members(item));
    operations.find_map(|(_, value)| Operation::answered_id(value))
}

/// A name of the API as a heading: `knowledge_base` becomes `Knowledge base`.
fn title(slug: &str) -> String {
    let words = slug.replace('_', " ");
    let mut characters = words.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}
