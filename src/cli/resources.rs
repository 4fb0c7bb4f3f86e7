//! `bitting resources`: what scopes are granted over, and what a request would need.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::failure::Failure;
use super::output::{plain, show, show_json, show_table};
use crate::config::Settings;
use crate::model::catalog::{Catalog, Resource};
use crate::model::requirement::{Requirement, Unmapped};
use crate::model::scope::Access;
use crate::server;

/// What can be asked of the resources beside their list.
#[derive(Debug, Subcommand)]
pub(super) enum ResourceCommand {
    /// Say which resource a request belongs to, and the scope it would need
    Match {
        /// A method and a path, such as "POST /orders/search"
        request: String,
    },
}

pub(super) fn run(
    command: Option<ResourceCommand>,
    json: bool,
    settings: &Settings,
) -> Result<(), Failure> {
    let catalog = server::catalog(settings);
    match command {
        None => list(&catalog, json),
        Some(ResourceCommand::Match { request }) => explain(&catalog, settings, &request, json),
    }
}

fn list(catalog: &Catalog, json: bool) -> Result<(), Failure> {
    if json {
        return catalog.resources().iter().try_for_each(|resource| show_json(&view(resource)));
    }
    let row = |resource: &Resource| {
        let paths = resource.requests.paths.iter().map(|path| shown(path));
        let access = if resource.writable { "read, write" } else { "read" };
        [
            resource.name.to_string(),
            access.to_owned(),
            paths.collect::<Vec<_>>().join(" "),
            plain(&resource.description),
        ]
    };
    let rows: Vec<_> = catalog.resources().iter().map(row).collect();
    show_table(["RESOURCE", "ACCESS", "PATHS", "DESCRIPTION"], &rows)
}

fn view(resource: &Resource) -> impl Serialize {
    let rules = |rules: &[_]| rules.iter().map(ToString::to_string).collect::<Vec<String>>();
    let requests = &resource.requests;
    let access: Vec<_> =
        Access::ALL.into_iter().filter(|access| resource.offers(*access)).collect();
    json!({
        "name": resource.name,
        "description": resource.description,
        "access": access,
        "paths": requests.paths.iter().map(|path| shown(path)).collect::<Vec<_>>(),
        "reads": rules(&requests.reads),
        "open": rules(&requests.open),
    })
}

/// A prefix as people write it: that of all paths has no characters.
fn shown(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

fn explain(
    catalog: &Catalog,
    settings: &Settings,
    request: &str,
    json: bool,
) -> Result<(), Failure> {
    let Some((method, target)) = request.trim().split_once(' ') else {
        let why = "give a method and a path, such as \"POST /orders/search\"";
        return Err(Failure::Usage(why.to_owned()));
    };
    let requirement = catalog.requirement(method, target.trim_start()).map_err(refused)?;
    if method == "OPTIONS" && settings.preflight {
        let needs = "nothing: preflight = \"allow\" lets OPTIONS through";
        return if json {
            show_json(&json!({"resource": null, "needs": null}))
        } else {
            show(format_args!("{needs}"))
        };
    }
    let Requirement { resource, access, open, offered } = requirement;
    let resource = catalog.name_of(Some(resource));
    let scope = format!("{resource}:{}", access.as_str());
    if !offered {
        let why = format!("the resource {resource} cannot be written; the request is refused");
        return Err(Failure::Failed(why));
    }
    let needs = if open { None } else { Some(&scope) };
    if json {
        return show_json(&json!({"resource": resource, "access": access, "scope": needs}));
    }
    match needs {
        Some(scope) => show(format_args!("{scope}")),
        None => show(format_args!("any live key; counted under {scope}")),
    }
}

fn refused(why: Unmapped) -> Failure {
    let why = match why {
        Unmapped::UnknownResource => {
            "no resource is at this path, so the request is refused; `bitting resources` lists the paths"
        }
        Unmapped::Ambiguous => {
            "the method or the path is not in its normal spelling, so the request is refused"
        }
    };
    Failure::Failed(why.to_owned())
}
