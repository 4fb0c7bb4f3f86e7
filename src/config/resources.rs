//! `[[resources]]` in `bitting.toml`: the resources of somebody's own API. Whatever is wrong with one
//! is refused with its line, its key and what to do, before anything is touched.

use std::collections::HashMap;
use std::fmt::Display;

use serde::Deserialize;
use toml::Spanned;

use super::setting::BadSetting;
use super::source::Source;
use crate::model::catalog::{
    Catalog, Example, MOST_RESOURCES, OTHER, Requests, Resource, ResourceNumber,
};
use crate::model::request_path::normal;
use crate::model::request_rule::RequestRule;
use crate::model::scope::{Access, ResourceName};

/// The first number of a resource of one's own, until the database has given it another.
const FIRST_NUMBER: usize = 100;
/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 200;

/// One resource as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceTable {
    name: Spanned<String>,
    description: Option<Spanned<String>>,
    paths: Spanned<Vec<Spanned<String>>>,
    access: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    reads: Vec<Spanned<String>>,
    #[serde(default)]
    open: Vec<Spanned<String>>,
}

/// The built-in resources and those of the file, whose numbers are not the database's yet.
pub(super) fn read(
    tables: &[ResourceTable],
    built_in: Vec<Resource>,
    source: &Source,
) -> Result<Vec<Resource>, BadSetting> {
    let mut reader = Reader { source, built_in: built_in.len(), resources: built_in };
    for table in tables {
        let resource = reader.resource(table)?;
        reader.resources.push(resource);
    }
    let catalog = Catalog::new(reader.resources.iter().cloned());
    for (table, own) in tables.iter().zip(&reader.resources[reader.built_in..]) {
        let (reads, open) = (&own.requests.reads, &own.requests.open);
        let rules = reads.iter().zip(&table.reads).map(|(rule, text)| ("reads", rule, text));
        let rules =
            rules.chain(open.iter().zip(&table.open).map(|(rule, text)| ("open", rule, text)));
        for (key, rule, text) in rules {
            demand_own(rule, own, &catalog).map_err(|why| reader.refuse(key, text, why))?;
        }
    }
    Ok(reader.resources)
}

struct Reader<'a> {
    source: &'a Source,
    /// How many of them are built in.
    built_in: usize,
    /// Those that are read so far.
    resources: Vec<Resource>,
}

impl Reader<'_> {
    fn refuse<T>(&self, key: &str, at: &Spanned<T>, why: impl Display) -> BadSetting {
        self.source.refuse(at.span().start, format_args!("{key}: {why}"))
    }

    /// A value without what files and pastes leave around it; an empty one is still to be refused.
    fn value(&self, key: &str, text: &Spanned<String>) -> Result<String, BadSetting> {
        Ok(self.source.value(key, text)?.unwrap_or_default())
    }

    fn resource(&self, table: &ResourceTable) -> Result<Resource, BadSetting> {
        let name = self.name(&table.name)?;
        let number = FIRST_NUMBER + self.resources.len();
        if self.resources.len() >= MOST_RESOURCES {
            let why = format!(
                "there are more than {MOST_RESOURCES} resources, built-in ones included; leave some out"
            );
            return Err(self.refuse("name", &table.name, why));
        }
        let writable = self.writable(table)?;
        let (reads, open) = (self.rules("reads", &table.reads)?, self.rules("open", &table.open)?);
        if let Some(at) = open.iter().position(|rule| reads.contains(rule)) {
            let why = format!("\"{}\" is in reads, too; leave it out of one", open[at]);
            return Err(self.refuse("open", &table.open[at], why));
        }
        let requests = Requests { paths: self.paths(table, &name)?, reads, open };
        Ok(Resource {
            number: ResourceNumber(u16::try_from(number).unwrap_or(u16::MAX)),
            name,
            description: self.description(table)?,
            writable,
            example: Example::default(),
            requests,
        })
    }

    fn name(&self, text: &Spanned<String>) -> Result<ResourceName, BadSetting> {
        let refuse = |why: String| Err(self.refuse("name", text, why));
        let taken = |name: &ResourceName| self.resources.iter().any(|r| r.name == *name);
        let name = self.value("name", text)?;
        match name.parse::<ResourceName>() {
            Err(_) => refuse(format!(
                "{name:?} must be a lower-case letter, then up to 39 of a-z, 0-9 and _"
            )),
            Ok(name) if name.as_str() == OTHER => {
                refuse(format!("\"{OTHER}\" stands for requests of no resource; choose another"))
            }
            Ok(name) if taken(&name) => refuse(format!(
                "there is a resource \"{name}\" already; choose another name{}",
                self.remedy_of_built_in(&name)
            )),
            Ok(name) => Ok(name),
        }
    }

    /// What else helps where a built-in resource is in the way.
    fn remedy_of_built_in(&self, name: &ResourceName) -> &'static str {
        let built_in = self.resources[..self.built_in].iter();
        match built_in.map(|resource| &resource.name).any(|built_in| built_in == name) {
            true => ", or leave the built-in API out with builtin_api = false",
            false => "",
        }
    }

    fn description(&self, table: &ResourceTable) -> Result<String, BadSetting> {
        let Some(text) = &table.description else { return Ok(String::new()) };
        let description = text.get_ref().trim();
        if description.chars().count() > LONGEST_DESCRIPTION
            || description.contains(char::is_control)
        {
            let why = format!("must be one line of {LONGEST_DESCRIPTION} characters at most");
            return Err(self.refuse("description", text, why));
        }
        Ok(description.to_owned())
    }

    fn writable(&self, table: &ResourceTable) -> Result<bool, BadSetting> {
        let Some(words) = &table.access else { return Ok(true) };
        let mut accesses = Vec::new();
        for word in words.get_ref() {
            let given = self.value("access", word)?;
            let why = || format!("{given:?} is not an access; they are \"read\" and \"write\"");
            let access = Access::parse(&given);
            accesses.push(access.ok_or_else(|| self.refuse("access", word, why()))?);
        }
        if !accesses.contains(&Access::Read) {
            let why = "must be [\"read\", \"write\"] or [\"read\"]";
            return Err(self.refuse("access", words, why));
        }
        Ok(accesses.contains(&Access::Write))
    }

    fn paths(&self, table: &ResourceTable, own: &ResourceName) -> Result<Vec<String>, BadSetting> {
        if table.paths.get_ref().is_empty() {
            let why = "must name one path at least, such as \"/orders\"";
            return Err(self.refuse("paths", &table.paths, why));
        }
        let of = |resource: &Resource| {
            let name = resource.name.clone();
            resource.requests.paths.clone().into_iter().map(move |path| (path, name.clone()))
        };
        let mut taken: HashMap<String, ResourceName> = self.resources.iter().flat_map(of).collect();
        let mut paths = Vec::new();
        for text in table.paths.get_ref() {
            let refuse = |why: String| self.refuse("paths", text, why);
            let written = self.value("paths", text)?;
            let path = prefix(&written).map_err(refuse)?;
            if let Some(other) = taken.insert(path.clone(), own.clone()) {
                let remedy = self.remedy_of_built_in(&other);
                let why = format!(
                    "{written:?} is a path of \"{other}\" already; a path leads to one resource{remedy}"
                );
                return Err(refuse(why));
            }
            paths.push(path);
        }
        Ok(paths)
    }

    fn rules(&self, key: &str, texts: &[Spanned<String>]) -> Result<Vec<RequestRule>, BadSetting> {
        let parse = |text: String| {
            if has_variable(&text) {
                return Err("a variable is written as *, as in /orders/*/lines".to_owned());
            }
            text.parse()
        };
        let rule = |text: &Spanned<String>| {
            parse(self.value(key, text)?).map_err(|why: String| self.refuse(key, text, why))
        };
        texts.iter().map(rule).collect()
    }
}

/// Refuses a rule about requests that do not belong to its resource: it would never be asked.
fn demand_own(rule: &RequestRule, own: &Resource, catalog: &Catalog) -> Result<(), String> {
    let name = &own.name;
    let whose = match catalog.at_path(rule.pattern()) {
        Some(resource) if resource.name == *name => return Ok(()),
        Some(other) => format!("one of \"{}\"", other.name),
        None => "no resource's".to_owned(),
    };
    Err(format!(
        "\"{rule}\" matches no request of \"{name}\": its path is {whose}; let it begin with one of \
         this resource's paths"
    ))
}

/// Whether a segment is written as a variable is elsewhere: it would be taken by the letter here.
fn has_variable(path: &str) -> bool {
    path.contains(['{', '}', '<', '>']) || path.contains("/:")
}

/// A prefix of paths as it is kept: normal, without a slash at its end.
fn prefix(text: &str) -> Result<String, String> {
    let refused =
        || format!("{text:?} is not the beginning of a path as it is sent, such as \"/orders\"");
    if text.contains('*') || has_variable(text) {
        return Err(format!(
            "{text:?}: a path is a prefix and takes no * and no variables; give the part before it"
        ));
    }
    if text.contains('?') {
        return Err(refused());
    }
    let path = normal(text).ok_or_else(refused)?;
    Ok(path.strip_suffix('/').unwrap_or(&path).to_owned())
}
