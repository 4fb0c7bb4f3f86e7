//! The pages of the API document: a quick start, a page for each section, and one of errors. They
//! are read from the document itself, so that nothing is written twice.

pub mod example;
pub mod fields;
pub mod operation;
pub mod prose;
pub mod reference;
mod vendors;

use std::cell::OnceCell;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use askama::Template;

use super::parts::frame;
use super::parts::frame::{Frame, Viewer};
use super::{page, public_address};
use crate::http::error::{Code, Problem};
use crate::http::middleware::page::recognise;
use crate::http::openapi;
use crate::http::state::State;
use crate::model::catalog::{Catalog, Resource};
use crate::model::scope::{Access, Scope};
use operation::{Needs, Operation};
use prose::Span;
use reference::Reference;
use reference::Section;
use vendors::{Vendor, legend, vendors};

/// Where the errors are, among the sections.
const ERRORS: &str = "errors";
/// The section of connections, which has the vendors' tables besides.
const CONNECTIONS: &str = "connections";
/// What the quick start sends first: it asks what the key is.
const FIRST_REQUEST: &str = "this_key_whoami";

/// How somebody comes by their first key.
enum FirstKey {
    /// They sign in first.
    SignIn,
    /// They make one.
    Make,
    /// They ask somebody who may.
    Ask,
}

#[derive(Template)]
#[template(path = "docs.html")]
struct Start<'a> {
    reference: &'a Reference,
    here: &'a str,
    frame: Option<Frame>,
    first_key: FirstKey,
    /// What the first key may do: everything with the first resource.
    first_scopes: Vec<Scope>,
    first_requests: Vec<(&'a Section, &'a Operation)>,
    /// Whether the reader may be at the server's own machine.
    at_server: bool,
    url: String,
    prefix: String,
    problem: String,
    scanner_pattern: String,
}

#[derive(Template)]
#[template(path = "docs_section.html")]
struct SectionPage<'a> {
    reference: &'a Reference,
    here: &'a str,
    frame: Option<Frame>,
    section: &'a Section,
    vendors: Vec<Vendor>,
    legend: Vec<(&'static str, &'static str)>,
    url: String,
}

#[derive(Template)]
#[template(path = "docs_errors.html")]
struct Errors<'a> {
    reference: &'a Reference,
    here: &'a str,
    frame: Option<Frame>,
}

/// The reference as one worker shows it, made when it is first read.
#[derive(Default)]
pub struct LazyReference(OnceCell<Reference>);

impl LazyReference {
    fn read(&self, state: &State) -> &Reference {
        let document = || std::str::from_utf8(state.document().bytes()).unwrap_or_default();
        self.0.get_or_init(|| Reference::read(document()))
    }
}

/// `GET /docs`
pub async fn start(
    request: HttpRequest,
    state: web::Data<State>,
    reference: web::Data<LazyReference>,
) -> Result<HttpResponse, Problem> {
    let viewer = reader(&request, &state).await;
    let brand = &state.bitting.brand;
    let reference = reference.read(&state);
    let first = state.bitting.catalog.resources().first();
    let scopes_of = |resource: &Resource| Access::ALL.map(|access| resource.scope(access));
    let first_scopes = first.map(scopes_of).into_iter().flatten().flatten().collect();
    let first_key = match &viewer {
        None => FirstKey::SignIn,
        Some(viewer) if viewer.principal.manages_keys() => FirstKey::Make,
        Some(_) => FirstKey::Ask,
    };
    page(
        StatusCode::OK,
        &Start {
            reference,
            here: "",
            frame: frame_of(viewer.as_ref()),
            first_key,
            first_scopes,
            first_requests: first_requests(reference, &state.bitting.catalog),
            at_server: viewer.is_none_or(|viewer| viewer.principal.administers()),
            url: public_address(&request, &state),
            prefix: format!("{brand}k"),
            problem: openapi::example_of(Code::InsufficientScope, &state.bitting.catalog),
            scanner_pattern: brand.scanner_pattern(),
        },
    )
}

/// What the quick start sends: it asks what the key is, then writes to the first resource.
fn first_requests<'a>(
    reference: &'a Reference,
    catalog: &Catalog,
) -> Vec<(&'a Section, &'a Operation)> {
    let first = catalog.resources().first().map(|resource| format!("{}_create", resource.name));
    let ids = [Some(FIRST_REQUEST.to_owned()), first];
    ids.iter().flatten().filter_map(|id| reference.operation(id)).collect()
}

/// `GET /docs/{section}`
pub async fn section(
    request: HttpRequest,
    state: web::Data<State>,
    reference: web::Data<LazyReference>,
) -> Result<HttpResponse, Problem> {
    let frame = frame_of(reader(&request, &state).await.as_ref());
    let reference = reference.read(&state);
    let here = request.match_info().get("section").unwrap_or_default();
    if here == ERRORS {
        return page(StatusCode::OK, &Errors { reference, here, frame });
    }
    let Some(section) = reference.section(here) else {
        return Err(Problem::new(Code::NotFound, "There is nothing at this path."));
    };
    let url = public_address(&request, &state);
    let (vendors, legend) = match here {
        CONNECTIONS => (vendors(), legend()),
        _ => (Vec::new(), Vec::new()),
    };
    page(StatusCode::OK, &SectionPage { reference, here, frame, section, vendors, legend, url })
}

/// The reader of the page, if they are signed in. Nobody has to be.
async fn reader(request: &HttpRequest, state: &State) -> Option<Viewer> {
    recognise(request, state).await;
    Viewer::from_request(request, &mut Payload::None).await.ok()
}

/// What stands around the page for whoever is signed in.
fn frame_of(viewer: Option<&Viewer>) -> Option<Frame> {
    viewer.map(|viewer| viewer.frame(frame::Section::Docs))
}
