//! Where the built-in API is plugged in, unless the configuration leaves it out: nothing else outside
//! of `records` knows that there is one.

use crate::config::{BadSetting, Options, Settings, variable};
use crate::domain::Bitting;
use crate::http::endpoint::Endpoint;
use crate::http::routes;
use crate::model::catalog::Catalog;
use crate::records;
use crate::records::demo;
use crate::records::demo::{Demo, DemoOutcome};

use super::start_error::StartError;

/// The settings that these options and their surroundings make, for an application: its own is what
/// `DATABASE_URL` mostly names.
///
/// # Errors
/// [`BadSetting`] naming the first that is wrong.
pub fn settings(options: Options) -> Result<Settings, BadSetting> {
    let settings = options.resolve(records::resources().collect(), None)?;
    settings.warnings.demand_complete()?;
    Ok(settings)
}

/// The settings of the program itself, which goes by `DATABASE_URL` too. Whether warnings can be sent
/// matters to those of its commands that send them.
///
/// # Errors
/// [`BadSetting`] naming the first that is wrong.
pub fn settings_of_program(options: Options) -> Result<Settings, BadSetting> {
    options.resolve(records::resources().collect(), variable("DATABASE_URL")?)
}

/// The resources that scopes are granted over, without a database that has numbers for them.
pub fn catalog(settings: &Settings) -> Catalog {
    Catalog::new(settings.resources.iter().cloned())
}

/// The whole URL table: the built-in API, where it is served, and what manages keys.
pub fn endpoints(builtin_api: bool) -> Vec<Endpoint> {
    let mut endpoints = if builtin_api { records::endpoints() } else { Vec::new() };
    endpoints.extend(routes::endpoints());
    endpoints
}

/// Fills an empty database with a demo, unless it holds one already.
pub(super) fn make_demo(bitting: &Bitting) -> Result<Option<Box<Demo>>, StartError> {
    let why = match demo::make(bitting)? {
        DemoOutcome::Made(demo) => return Ok(Some(demo)),
        DemoOutcome::MadeBefore => return Ok(None),
        DemoOutcome::NotEmpty => {
            "the database is not empty; no demo was made and nothing was changed"
        }
        DemoOutcome::Unfinished => {
            "making a demo in this database was interrupted, so it is incomplete"
        }
    };
    Err(StartError::NoDemo { database: bitting.database.target().to_string(), why })
}
