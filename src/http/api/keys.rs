//! Managing keys by program, with an admin token.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::origin::Manager;
use super::{listing, respond};
use crate::domain;
use crate::domain::Bitting;
use crate::domain::idempotency::{Idempotent, keep};
use crate::domain::keys::finding::KEY_IN_FILTER;
use crate::domain::keys::rotation::{Rotated, Rotation};
use crate::http::error::{Code, Problem};
use crate::http::extract::{Id, Idempotency, JsonObject, OptionalJsonObject, QueryReader};
use crate::http::state::State;
use crate::model::catalog::Catalog;
use crate::model::failed_request::KeyErrors;
use crate::model::fields::FieldReader;
use crate::model::find_request::FindRequest;
use crate::model::id::KeyId;
use crate::model::idempotency::Answer;
use crate::model::key::{ApiKey, KeyNumber, NewKey, RevokeRequest};
use crate::model::key_choice::{RevokeMany, RevokedKeys};
use crate::model::key_filter::{KeyFilter, Parameters};
use crate::model::rotation::RotateRequest;
use crate::model::secret::Secret;
use crate::model::time::Moment;
use crate::model::usage::{KeySelection, Source, Usage};
use crate::model::view::{KeyDetailView, KeyView, NewKeyView};

/// How long a change waits for the figures that are shown with it.
const LONGEST_FIGURES: Duration = Duration::from_secs(1);

/// What is shown of a key besides the stored record.
struct Figures {
    usage: Option<(Usage, Vec<Source>)>,
    now: Moment,
    catalog: Arc<Catalog>,
}

impl Figures {
    fn of(bitting: &Bitting, key: KeyNumber) -> domain::Result<Self> {
        let usage = bitting.use_of_key(key)?;
        Ok(Self { usage: Some(usage), now: bitting.time.now(), catalog: bitting.catalog.clone() })
    }

    /// The figures of a key that is changed whether they can be read in time or not.
    fn of_changed(bitting: &Bitting, key: KeyNumber) -> Self {
        let read = bitting.within(LONGEST_FIGURES, |bitting| Self::of(bitting, key));
        read.unwrap_or_else(|why| {
            tracing::warn!(%why, "the figures of a key cannot be read while it is changed");
            Self { usage: None, now: bitting.time.now(), catalog: bitting.catalog.clone() }
        })
    }

    fn view<'a>(&'a self, key: &'a ApiKey) -> KeyDetailView<'a> {
        let usage = self.usage.as_ref();
        let key = KeyView::new(key, usage.map(|(usage, _)| usage), self.now, &self.catalog);
        KeyDetailView::new(key, usage.map(|(_, addresses)| &addresses[..]))
    }
}

/// Reads the parameters that choose among keys.
pub fn read_filter(query: &mut QueryReader) -> KeyFilter {
    let catalog = query.catalog();
    KeyFilter::read(query, &catalog)
}

/// `GET /v1/keys`
pub async fn list(
    manager: Manager,
    state: web::Data<State>,
    request: HttpRequest,
    mut query: QueryReader,
) -> Result<HttpResponse, Problem> {
    let filter = read_filter(&mut query);
    let wanted = query.page();
    query.finish()?;
    let found = state.run(move |bitting| {
        let page = bitting.list_keys(&manager.principal(bitting)?, &filter, &wanted)?;
        let numbers: Vec<_> = page.items.iter().map(|key| key.number).collect();
        Ok((page, bitting.usage_of(&numbers)?, bitting.time.now()))
    });
    let (page, mut usage, now) = found.await?;
    let page = page.map(|key| (usage.remove(&key.number).unwrap_or_default(), key));
    let catalog = &state.bitting.catalog;
    let views = page.items.iter().map(|(usage, key)| KeyView::new(key, usage, now, catalog));
    let views = views.collect();
    let views = crate::model::page::Page { items: views, limit: page.limit, next: page.next };
    Ok(listing::answer(&request, &views))
}

/// `POST /v1/keys`: makes a key, once for each `Idempotency-Key`. Only the first answer holds the
/// secret: the one that is kept is made from the stored key.
pub async fn create(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    idempotency: Idempotency,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let made = state.run(move |bitting| {
        let now = bitting.time.now();
        let answer = |key: &ApiKey| {
            let answer =
                Answer::new(201, &KeyView::new(key, &Usage::default(), now, &bitting.catalog))?;
            Ok(answer.with_location(location(key)))
        };
        bitting.once(idempotency.attempt(&body.0), manager.credential(), |turn| {
            let new = NewKey::from_object(&body.0, &bitting.catalog, now)?;
            let principal = manager.principal(bitting)?;
            Ok((bitting.issue_key(new, &principal, keep(turn, &answer))?, now))
        })
    });
    match made.await? {
        Idempotent::Fresh((issued, now)) => {
            Ok(created(&issued.key, &issued.secret, now, &state.bitting.catalog))
        }
        Idempotent::Replayed(answer) => respond::replayed(&answer),
    }
}

/// The answer that shows a new key, once.
fn created(key: &ApiKey, secret: &Secret, now: Moment, catalog: &Catalog) -> HttpResponse {
    let usage = Usage::default();
    let view = KeyView::new(key, &usage, now, catalog);
    let mut answer = HttpResponse::Created();
    answer.insert_header((LOCATION, location(key))).json(NewKeyView::new(view, secret))
}

fn location(key: &ApiKey) -> String {
    format!("/v1/keys/{}", key.id)
}

/// `GET /v1/keys/{id}`
pub async fn find(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<KeyId>,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let found = state.run(move |bitting| {
        let key = bitting.find_key(&manager.principal(bitting)?, id.0)?;
        Ok((Figures::of(bitting, key.number)?, key))
    });
    let (figures, key) = found.await?;
    Ok(HttpResponse::Ok().json(figures.view(&key)))
}

/// `POST /v1/keys/find`: the key that stands in the body.
pub async fn find_by_secret(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let FindRequest { key: secret } = FindRequest::from_object(&body.0)?;
    let found = state.run(move |bitting| {
        match bitting.find_key_by_secret(&manager.principal(bitting)?, &secret) {
            Ok(key) => Ok(Ok((Figures::of(bitting, key.number)?, key))),
            Err(domain::Error::NotFound) => Ok(Err(bitting.why_not_found(&secret))),
            Err(other) => Err(other),
        }
    });
    let (figures, key) =
        found.await?.map_err(|why| Problem::new(Code::NotFound, format!("No key found. {why}")))?;
    Ok(HttpResponse::Ok().json(figures.view(&key)))
}

/// `PATCH /v1/keys/{id}`: changes a key's label, holder and limits, or narrows its scopes and its life.
pub async fn update(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<KeyId>,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let changed = state.run(move |bitting| {
        let key = bitting.edit_key(id.0, body.0, &manager.principal(bitting)?)?;
        Ok((Figures::of_changed(bitting, key.number), key))
    });
    let (figures, key) = changed.await?;
    Ok(HttpResponse::Ok().json(figures.view(&key)))
}

/// `POST /v1/keys/{id}/rotate`: puts a new key in the place of one, once for each
/// `Idempotency-Key`. As with [`create`], only the first answer holds the secret.
pub async fn rotate(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<KeyId>,
    idempotency: Idempotency,
    body: OptionalJsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let rotated = state.run(move |bitting| {
        let now = bitting.time.now();
        let answer = |keys: &Rotation| {
            let answer = Answer::new(
                201,
                &KeyView::new(&keys.new, &Usage::default(), now, &bitting.catalog),
            )?;
            Ok(answer.with_location(location(&keys.new)))
        };
        bitting.once(idempotency.attempt(&body.0), manager.credential(), |turn| {
            let request = RotateRequest::from_object(&body.0, now)?;
            let principal = manager.principal(bitting)?;
            Ok((bitting.rotate_key(id.0, request, &principal, keep(turn, &answer))?, now))
        })
    });
    match rotated.await? {
        Idempotent::Fresh((Rotated { keys, secret }, now)) => {
            Ok(created(&keys.new, &secret, now, &state.bitting.catalog))
        }
        Idempotent::Replayed(answer) => respond::replayed(&answer),
    }
}

/// Which keys are revoked with one.
#[derive(JsonSchema)]
pub struct RevokeQuery {
    /// Whether the whole line is revoked: also what the key has replaced, and what has replaced it.
    lineage: Option<bool>,
}

impl RevokeQuery {
    /// Reads the parameters.
    pub fn read(query: &mut QueryReader) -> Self {
        Self { lineage: query.flag("lineage") }
    }
}

/// `POST /v1/keys/{id}/revoke`: revokes a key, or its whole line, once for each `Idempotency-Key`.
pub async fn revoke(
    manager: Manager,
    state: web::Data<State>,
    mut query: QueryReader,
    id: Id<KeyId>,
    idempotency: Idempotency,
    body: OptionalJsonObject,
) -> Result<HttpResponse, Problem> {
    let whole = RevokeQuery::read(&mut query).lineage.unwrap_or_default();
    query.finish()?;
    let ended = state.run(move |bitting| {
        // The same name for another request is a mistake, also where only the query differs.
        let mut named = body.0.clone();
        named.extend(whole.then(|| ("?lineage".to_owned(), Value::Bool(true))));
        bitting.once(idempotency.attempt(&named), manager.credential(), |turn| {
            let reason = RevokeRequest::from_object(&body.0)?.reason;
            let principal = manager.principal(bitting)?;
            // Read before, since the answer is kept in the transaction that ends the key.
            let number = bitting.find_key(&principal, id.0)?.number;
            let figures = Figures::of_changed(bitting, number);
            let answer = |key: &ApiKey| Answer::new(200, &figures.view(key));
            let keep = keep(turn, &answer);
            let reason = reason.as_deref();
            let key = match whole {
                true => bitting.revoke_line(id.0, reason, &principal, keep)?,
                false => bitting.revoke_key(id.0, reason, &principal, keep)?,
            };
            Ok(answer(&key))
        })
    });
    respond::carried_out(ended.await?)
}

/// Refuses a key in a filter before anything is said of the filter itself.
fn refuse_keys_in_filter(bitting: &Bitting, body: &Map<String, Value>) -> domain::Result<()> {
    let filter = body.get("filter").and_then(Value::as_object).into_iter().flatten();
    let texts: Vec<_> = filter
        .filter_map(|(name, value)| Some((format!("filter.{name}"), value.as_str()?)))
        .collect();
    let texts = texts.iter().map(|(name, text)| (name.as_str(), *text));
    Ok(bitting.refuse_keys(texts, KEY_IN_FILTER)?)
}

/// `POST /v1/keys/revoke`: revokes several keys, once for each `Idempotency-Key`.
pub async fn revoke_many(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    idempotency: Idempotency,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let ended = state.run(move |bitting| {
        bitting.once(idempotency.attempt(&body.0), manager.credential(), |turn| {
            refuse_keys_in_filter(bitting, &body.0)?;
            let mut reader = FieldReader::new(&body.0);
            let request = RevokeMany::read(&mut reader, &bitting.catalog);
            let request = reader.finish(request)?;
            let answer = |done: &RevokedKeys| Answer::new(200, done);
            let principal = manager.principal(bitting)?;
            let done = bitting.revoke_keys(&request, &principal, keep(turn, &answer))?;
            Ok(answer(&done))
        })
    });
    respond::carried_out(ended.await?)
}

/// `GET /v1/keys/{id}/errors`: a key's last requests that were refused or failed.
pub async fn errors(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<KeyId>,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let found = state.run(move |bitting| {
        let key = bitting.find_key(&manager.principal(bitting)?, id.0)?;
        bitting.errors_of_key(key.number)
    });
    Ok(HttpResponse::Ok().json(KeyErrors { data: found.await? }))
}

/// `GET /v1/keys/{id}/usage`: a key's requests by outcome, resource, access and time.
pub async fn usage(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<KeyId>,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let found = state.run(move |bitting| {
        let key = bitting.find_key(&manager.principal(bitting)?, id.0)?;
        bitting.usage_breakdown(KeySelection::Only(&[key.number]))
    });
    Ok(HttpResponse::Ok().json(found.await?))
}
