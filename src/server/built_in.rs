//! Where the built-in API is plugged in: nothing else outside of `records` knows that there is one.

use crate::domain::Bitting;
use crate::http::endpoint::Endpoint;
use crate::http::routes;
use crate::model::catalog::Catalog;
use crate::records;
use crate::records::demo;
use crate::records::demo::{Demo, DemoOutcome};

use super::start_error::StartError;

/// The resources that scopes are granted over.
pub fn catalog() -> Catalog {
    Catalog::new(records::resources())
}

/// The whole URL table: the built-in API, and what manages the keys to it.
pub fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = records::endpoints();
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
