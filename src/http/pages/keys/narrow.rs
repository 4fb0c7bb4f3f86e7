//! `/keys/{id}/narrow`: taking scopes away from a key, and bringing its end forward.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value, json};

use super::key::granted_requests;
use crate::domain;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, Id, PageQuery, QueryReader, ReadQuery};
use crate::http::pages::parts::expiry::{ChosenEnd, KEEP, Life, earlier_lives};
use crate::http::pages::parts::form_error::{Field, FormErrors, validation_errors};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::parts::shown::Shown;
use crate::http::pages::parts::text::counted;
use crate::http::pages::usage::figures::asked;
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::FieldErrors;
use crate::model::breakdown::Breakdown;
use crate::model::catalog::Catalog;
use crate::model::id::KeyId;
use crate::model::key::ApiKey;
use crate::model::key_filter::Parameters;
use crate::model::scope::Scope;
use crate::model::time::Moment;
use crate::model::usage::KeySelection;

const FIELDS: [Field; 3] = [
    ("scopes", "scope", "What it keeps"),
    ("expires_at", "expires", "The expiry"),
    ("expires_on", "expires_on", "The last day"),
];

#[derive(Template)]
#[template(path = "key_narrow.html")]
struct NarrowPage {
    frame: Frame,
    id: String,
    name: String,
    typed: Narrowing,
    shown: Shown,
    scopes: Vec<ScopeChoice>,
    lives: Vec<Life>,
    today: String,
    errors: FormErrors,
    /// What the key would have been refused, once that was asked.
    trial: Option<Trial>,
}

/// The requests of the last 30 days that a narrower key would have been refused.
struct Trial {
    /// All of them, in words; none if it would have been refused nothing.
    total: Option<String>,
    /// Those that needed each scope.
    refused: Vec<(String, String)>,
}

/// Whether the form is to be filled in with the scopes that are in use.
pub struct Prefilled {
    in_use: bool,
}

impl ReadQuery for Prefilled {
    fn read(query: &mut QueryReader) -> Self {
        Self { in_use: query.flag("in_use").unwrap_or(false) }
    }
}

/// A scope that the key may keep.
struct ScopeChoice {
    scope: String,
    kept: bool,
    use_of_it: String,
}

/// What is typed into the form.
struct Narrowing {
    scopes: Vec<String>,
    end: ChosenEnd,
}

impl Narrowing {
    /// What leaves a key as it is.
    fn of_key(key: &ApiKey) -> Self {
        let scopes = key.scopes.iter().map(ToString::to_string).collect();
        Self { scopes, end: ChosenEnd::of_life(KEEP) }
    }

    /// What leaves a key the scopes of which it made use in 30 days.
    fn to_what_is_used(Found { key, month, .. }: &Found) -> Self {
        let used = key.scopes.iter().filter(|scope| used_requests(month, scope) > 0);
        Self { scopes: used.map(ToString::to_string).collect(), ..Self::of_key(key) }
    }

    /// What a key with these scopes alone would have been refused.
    fn trial(&self, Found { key, month, .. }: &Found) -> Trial {
        let lost = key.scopes.iter().filter(|scope| !self.scopes.contains(&scope.to_string()));
        let refused = lost.map(|scope| (scope.to_string(), used_requests(month, scope)));
        let refused: Vec<(String, i64)> = refused.filter(|(_, n)| *n > 0).collect();
        let total: i64 = refused.iter().map(|(_, n)| n).sum();
        Trial {
            total: (total > 0).then(|| counted(total, "request")),
            refused: refused.into_iter().map(|(scope, n)| (scope, counted(n, "request"))).collect(),
        }
    }

    fn of_form(form: &Form) -> Self {
        let scopes = form.values("scope").map(str::to_owned).collect();
        Self { scopes, end: ChosenEnd::of_form(form) }
    }

    /// The scopes as a field of the key.
    fn fields(&self) -> Map<String, Value> {
        Map::from_iter([("scopes".to_owned(), json!(self.scopes))])
    }

    /// The merge patch that says the same.
    fn patch(&self, now: Moment) -> Result<Map<String, Value>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut patch = self.fields();
        if self.scopes.is_empty() {
            errors.add("scopes", "is empty: leave at least one box ticked, or revoke the key");
        }
        self.end.add_to(&mut patch, &mut errors, now);
        errors.into_result().map(|()| patch)
    }

    /// Shows errors of the expiry where it was typed.
    fn errors(&self, mut errors: FieldErrors) -> FormErrors {
        errors.named_mut().iter_mut().for_each(|error| self.end.place(&mut error.field));
        FormErrors::new(errors, &FIELDS)
    }
}

/// Everything that is read for the page.
struct Found {
    key: ApiKey,
    month: Breakdown,
    now: Moment,
}

fn find(bitting: &Bitting, principal: &Principal, id: KeyId) -> domain::Result<Found> {
    let (key, now) = (bitting.find_active_key(principal, id)?, bitting.time.now());
    let month = bitting.usage_breakdown(KeySelection::Only(&[key.number]))?.month;
    Ok(Found { key, month, now })
}

impl NarrowPage {
    fn new(
        viewer: &Viewer,
        found: Found,
        typed: Narrowing,
        shown: Shown,
        errors: FormErrors,
    ) -> Self {
        let Found { key, month, now } = found;
        Self {
            frame: viewer.frame(Section::Keys),
            id: key.id.to_string(),
            scopes: choices(&key, &typed, &month, &viewer.catalog),
            lives: earlier_lives(now, key.expires_at),
            today: now.format("%Y-%m-%d").to_string(),
            name: key.label.name,
            typed,
            shown,
            errors,
            trial: None,
        }
    }
}

/// The accepted requests of the last 30 days that needed a scope.
fn used_requests(month: &Breakdown, scope: &Scope) -> i64 {
    granted_requests(&asked(month, scope.counted_as().as_str(), scope.access))
}

fn choices(
    key: &ApiKey,
    typed: &Narrowing,
    month: &Breakdown,
    catalog: &Catalog,
) -> Vec<ScopeChoice> {
    let choice = |scope: &Scope| {
        let used = used_requests(month, scope);
        let use_of_it = match (catalog.has(scope.counted_as().as_str()), used) {
            (false, _) => "no longer a resource".to_owned(),
            (true, 0) => "not used in 30 days".to_owned(),
            (true, used) => format!("{} in 30 days", counted(used, "request")),
        };
        let scope = scope.to_string();
        ScopeChoice { kept: typed.scopes.contains(&scope), scope, use_of_it }
    };
    key.scopes.iter().map(choice).collect()
}

/// `GET /keys/{id}/narrow`
pub async fn form(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<KeyId>,
    PageQuery(prefilled): PageQuery<Prefilled>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let found = state.run(move |bitting| find(bitting, &principal, id.0)).await?;
    let typed = draft.or(Narrowing::of_form, || match prefilled.in_use {
        true => Narrowing::to_what_is_used(&found),
        false => Narrowing::of_key(&found.key),
    });
    let shown = draft.or(Shown::of_form, || Shown::of(Narrowing::of_key(&found.key).fields()));
    let trial = prefilled.in_use.then(|| typed.trial(&found));
    let template = NarrowPage::new(&viewer, found, typed, shown, FormErrors::default());
    page(StatusCode::OK, &NarrowPage { trial, ..template })
}

/// `POST /keys/{id}/narrow`, which only says what would be refused if it was sent by that button.
pub async fn narrow(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<KeyId>,
    sent: Form,
) -> Result<HttpResponse, Problem> {
    let (typed, shown) = (Narrowing::of_form(&sent), Shown::of_form(&sent));
    let principal = viewer.principal.clone();
    if !sent.text("try").is_empty() {
        let found = state.run(move |bitting| find(bitting, &principal, id.0)).await?;
        let trial = Some(typed.trial(&found));
        let template = NarrowPage::new(&viewer, found, typed, shown, FormErrors::default());
        return page(StatusCode::OK, &NarrowPage { trial, ..template });
    }
    let narrowed = state.run(move |bitting| {
        let narrowed = match typed.patch(bitting.time.now()) {
            Ok(patch) => {
                validation_errors(bitting.edit_key(id.0, shown.edit(patch), &principal))?.map(drop)
            }
            Err(errors) => Err(errors),
        };
        match narrowed {
            Ok(()) => Ok(None),
            Err(errors) => Ok(Some((find(bitting, &principal, id.0)?, typed, shown, errors))),
        }
    });
    match narrowed.await? {
        None => Ok(see_other(&format!("/keys/{}", id.0))),
        Some((found, typed, shown, errors)) => {
            let errors = typed.errors(errors);
            let template = NarrowPage::new(&viewer, found, typed, shown, errors);
            page(StatusCode::UNPROCESSABLE_ENTITY, &template)
        }
    }
}
