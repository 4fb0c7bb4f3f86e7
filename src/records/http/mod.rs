//! Records over HTTP: the same five operations for every kind.
//!
//! A kind's own file reads its filters; everything else about it is in `model` and `store`.

pub mod agents;
pub mod analytics;
pub mod calls;
pub mod contacts;
pub mod describe;
pub mod integrations;
pub mod knowledge_base;
pub mod leads;
pub mod routes;

use actix_web::http::header::ETAG;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;

use super::domain::RecordKind;
use super::model::{Record, RecordId, WriterFilter, resources};
use crate::domain;
use crate::domain::idempotency::{Idempotent, keep};
use crate::gate::caller::KeyCaller;
use crate::http::api::{listing, respond};
use crate::http::error::Problem;
use crate::http::extract::{Id, Idempotency, JsonObject, QueryReader};
use crate::http::state::State;
use crate::http::turns::Effort;
use crate::model::idempotency::Answer;
use crate::model::precondition::{Preconditions, Verdict};
use crate::model::scope::Access;

/// A kind that can be listed, and what the API document says of it.
pub trait Listed: RecordKind {
    /// One record, in words: `a call`.
    const ONE: &'static str;
    /// Several records, in words: `calls`.
    const MANY: &'static str;
    /// The body of a request that makes one, with every field that needs no other record.
    fn example() -> Value;
    /// Whether finding the records may take reading the whole table.
    fn is_search(_filter: &Self::Filter) -> bool {
        false
    }
    /// Reads the query parameters that filter the list.
    fn read_filter(query: &mut QueryReader) -> Self::Filter;
}

/// Reads the query parameters that choose records by the keys that wrote them.
pub fn read_writers(query: &mut QueryReader) -> WriterFilter {
    let (created_by, updated_by) = (query.key_id("created_by"), query.key_id("updated_by"));
    WriterFilter { created_by, updated_by }
}

/// Lists records of one kind.
pub async fn list<F: Listed>(
    caller: KeyCaller,
    state: web::Data<State>,
    request: HttpRequest,
    mut query: QueryReader,
) -> Result<HttpResponse, Problem> {
    let filter = F::read_filter(&mut query);
    let writers = read_writers(&mut query);
    let wanted = query.page();
    query.finish()?;
    let effort = if F::is_search(&filter) { Effort::Search } else { Effort::Little };
    let found =
        state.run_for(&caller, effort, move |bitting| F::list(bitting, &filter, &writers, &wanted));
    let page = found.await?;
    Ok(listing::answer(&request, &page))
}

/// Makes a record, once for each `Idempotency-Key`.
pub async fn create<F: RecordKind>(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
    idempotency: Idempotency,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let readable = caller.may_read(&state.bitting.catalog, F::RESOURCE);
    let answer = move |record: &Record<F>| {
        let location = format!("{}/{}", resources::path(F::RESOURCE), record.stamp.id);
        Ok(written(201, readable, record)?.with_location(location))
    };
    let made = state.run_for(&caller, Effort::Change, move |bitting| {
        bitting.once(idempotency.attempt(&body.0), caller.credential(), |turn| {
            F::create(bitting, Some(caller.credential()), &body.0, keep(turn, &answer))
        })
    });
    match made.await? {
        Idempotent::Fresh(record) => respond::fresh(answer(&record)),
        Idempotent::Replayed(answer) => respond::replayed(&answer),
    }
}

/// Shows a record, unless the client has this version already.
pub async fn find<F: RecordKind>(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<RecordId<F>>,
    preconditions: Preconditions,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let found = state.run_for(&caller, Effort::Little, move |bitting| F::find(bitting, id.0));
    let record = found.await?;
    let tag = record.stamp.entity_tag();
    let etag = (ETAG, tag.to_string());
    match preconditions.judge(&tag, Access::Read) {
        Verdict::Proceed => Ok(HttpResponse::Ok().insert_header(etag).json(record)),
        Verdict::NotModified => Ok(HttpResponse::NotModified().insert_header(etag).finish()),
        Verdict::Failed => Err(domain::Error::PreconditionFailed.into()),
    }
}

/// Changes a record by a merge patch, if it is the version that is wanted.
pub async fn update<F: RecordKind>(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<RecordId<F>>,
    preconditions: Preconditions,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let readable = caller.may_read(&state.bitting.catalog, F::RESOURCE);
    let changed = state.run_for(&caller, Effort::Change, move |bitting| {
        F::update(bitting, Some(caller.credential()), id.0, &preconditions, body.0)
    });
    let record = changed.await?;
    respond::fresh(written(200, readable, &record))
}

/// Deletes a record, if it is the version that is wanted.
pub async fn delete<F: RecordKind>(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<RecordId<F>>,
    preconditions: Preconditions,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let deleted = state.run_for(&caller, Effort::Change, move |bitting| {
        F::delete(bitting, Some(caller.credential()), id.0, &preconditions)
    });
    deleted.await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The answer to a write. Write does not include read: whoever may not read gets the record's stamp
/// alone.
fn written<F: RecordKind>(
    status: u16,
    readable: bool,
    record: &Record<F>,
) -> serde_json::Result<Answer> {
    let answer =
        if readable { Answer::new(status, record) } else { Answer::new(status, &record.stamp) };
    Ok(answer?.with_etag(&record.stamp.entity_tag()))
}
