//! Records over HTTP: the same five operations for every kind.
//!
//! A kind's own file reads its filters; everything else about it is in `model` and `store`.

use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use super::listing;
use crate::auth::caller::KeyCaller;
use crate::domain;
use crate::domain::records::RecordKind;
use crate::http::error::Problem;
use crate::http::extract::{Id, JsonObject, QueryReader};
use crate::http::state::State;
use crate::model::precondition::{Preconditions, Verdict};
use crate::model::records::{Record, RecordId};
use crate::model::scope::Access;

/// A kind that can be listed.
pub trait Listed: RecordKind {
    /// Reads the query parameters that choose among its records.
    fn read_filter(query: &mut QueryReader) -> Self::Filter;
}

/// Lists records of one kind.
pub async fn list<F: Listed>(
    _caller: KeyCaller,
    state: web::Data<State>,
    request: HttpRequest,
    mut query: QueryReader,
) -> Result<HttpResponse, Problem> {
    let filter = F::read_filter(&mut query);
    let wanted = query.page();
    query.finish()?;
    let page = state.run(move |bitting| bitting.list_records::<F>(&filter, &wanted)).await?;
    Ok(listing::answer(&request, &page))
}

/// Makes a record.
pub async fn create<F: RecordKind>(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let record = state.run(move |bitting| bitting.create_record::<F>(&body.0)).await?;
    let location = format!("/v1/{}/{}", F::RESOURCE.as_str(), record.stamp.id);
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, location));
    Ok(answer_write(response, &caller, &record))
}

/// Shows a record, unless the client has this version already.
pub async fn find<F: RecordKind>(
    _caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<RecordId<F>>,
    preconditions: Preconditions,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let record = state.run(move |bitting| bitting.find_record::<F>(id.0)).await?;
    let tag = record.stamp.entity_tag();
    let etag = (ETAG, tag.to_string());
    match preconditions.judge(&tag, Access::Read) {
        Verdict::Proceed => Ok(HttpResponse::Ok().insert_header(etag).json(record)),
        Verdict::NotModified => Ok(HttpResponse::NotModified().insert_header(etag).finish()),
        Verdict::Failed => Err(domain::Error::PreconditionFailed.into()),
    }
}

/// Changes a record.
pub async fn update<F: RecordKind>(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<RecordId<F>>,
    preconditions: Preconditions,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let changed =
        state.run(move |bitting| bitting.update_record::<F>(id.0, &preconditions, body.0));
    let record = changed.await?;
    Ok(answer_write(HttpResponse::Ok(), &caller, &record))
}

/// Deletes a record.
pub async fn delete<F: RecordKind>(
    _caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<RecordId<F>>,
    preconditions: Preconditions,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    state.run(move |bitting| bitting.delete_record::<F>(id.0, &preconditions)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Write does not include read: who may not read learns only that it was done.
fn answer_write<F: RecordKind>(
    mut response: HttpResponseBuilder,
    caller: &KeyCaller,
    record: &Record<F>,
) -> HttpResponse {
    response.insert_header((ETAG, record.stamp.entity_tag().to_string()));
    if caller.may_read(F::RESOURCE) { response.json(record) } else { response.json(&record.stamp) }
}
