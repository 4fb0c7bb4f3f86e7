//! Managing keys by program, with an admin token.

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};

use super::origin::Manager;
use crate::domain::{self, Bitting};
use crate::http::error::Problem;
use crate::http::extract::{Id, JsonObject, OptionalJsonObject, QueryReader};
use crate::http::state::State;
use crate::model::id::KeyId;
use crate::model::key::{ApiKey, KeyFilter, NewKey, RevokeRequest};
use crate::model::time::Moment;
use crate::model::usage::{Source, Usage};
use crate::model::view::{KeyDetailView, KeyView, NewKeyView};

/// A key with everything that is shown of it.
struct Shown {
    key: ApiKey,
    usage: Usage,
    addresses: Vec<Source>,
    now: Moment,
}

impl Shown {
    fn of(bitting: &Bitting, key: ApiKey) -> domain::Result<Self> {
        let usage = bitting.usage_of_key(key.number)?;
        let addresses = bitting.addresses_of_key(key.number)?;
        Ok(Self { key, usage, addresses, now: bitting.time.now() })
    }

    fn view(&self) -> KeyDetailView<'_> {
        let key = KeyView::new(&self.key, &self.usage, self.now);
        KeyDetailView { key, addresses: &self.addresses }
    }
}

/// Reads the parameters that choose among keys.
pub fn read_filter(query: &mut QueryReader) -> KeyFilter {
    KeyFilter { status: query.choice("status"), text: query.text("q"), owner: query.text("owner") }
}

/// Lists keys.
pub async fn list(
    manager: Manager,
    state: web::Data<State>,
    mut query: QueryReader,
) -> Result<HttpResponse, Problem> {
    let filter = read_filter(&mut query);
    let request = query.page();
    query.finish()?;
    let found = state.run(move |bitting| {
        let page = bitting.list_keys(&manager.principal(bitting)?, &filter, &request)?;
        let numbers: Vec<_> = page.items.iter().map(|key| key.number).collect();
        Ok((page, bitting.usage_of(&numbers)?, bitting.time.now()))
    });
    let (page, mut usage, now) = found.await?;
    let page = page.map(|key| (usage.remove(&key.number).unwrap_or_default(), key));
    let views = page.items.iter().map(|(usage, key)| KeyView::new(key, usage, now)).collect();
    let views = crate::model::page::Page { items: views, limit: page.limit, next: page.next };
    Ok(HttpResponse::Ok().json(views))
}

/// Makes a key; this answer alone holds it.
pub async fn create(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let made = state.run(move |bitting| {
        let now = bitting.time.now();
        let new = NewKey::from_object(&body.0, now)?;
        let issued = bitting.issue_key(new, &manager.principal(bitting)?)?;
        Ok((issued, now))
    });
    let (issued, now) = made.await?;
    let usage = Usage::default();
    let view = KeyView::new(&issued.key, &usage, now);
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/v1/keys/{}", issued.key.id)))
        .json(NewKeyView::new(view, &issued.secret)))
}

/// Shows a key.
pub async fn find(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<KeyId>,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let shown = state.run(move |bitting| {
        let principal = manager.principal(bitting)?;
        Shown::of(bitting, bitting.find_key(&principal, id.0)?)
    });
    Ok(HttpResponse::Ok().json(shown.await?.view()))
}

/// Changes a key's name, description or owner.
pub async fn update(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<KeyId>,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let shown = state.run(move |bitting| {
        let principal = manager.principal(bitting)?;
        Shown::of(bitting, bitting.relabel_key(id.0, body.0, &principal)?)
    });
    Ok(HttpResponse::Ok().json(shown.await?.view()))
}

/// Ends a key.
pub async fn revoke(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<KeyId>,
    body: OptionalJsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let reason = RevokeRequest::from_object(&body.0)?.reason;
    let shown = state.run(move |bitting| {
        let principal = manager.principal(bitting)?;
        Shown::of(bitting, bitting.revoke_key(id.0, reason.as_deref(), &principal)?)
    });
    Ok(HttpResponse::Ok().json(shown.await?.view()))
}

/// A key's requests by outcome, resource, access and time.
pub async fn usage(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<KeyId>,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let found = state.run(move |bitting| {
        let key = bitting.find_key(&manager.principal(bitting)?, id.0)?;
        bitting.usage_breakdown(key.number)
    });
    Ok(HttpResponse::Ok().json(found.await?))
}
