//! Records over HTTP: the same five operations for every kind.
//!
//! A kind's own file reads its filters; everything else about it is in `model` and `store`.

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use schemars::JsonSchema;
use serde_json::Value;

use crate::auth::caller::KeyCaller;
use crate::domain::records::RecordKind;
use crate::http::error::Problem;
use crate::http::extract::{Id, JsonObject, QueryReader};
use crate::http::state::State;
use crate::model::records::{Record, RecordId};

/// A kind that can be listed, and what the API document says of it.
pub trait Listed: RecordKind<Filter: JsonSchema> {
    /// One of it, in words: `a call`.
    const ONE: &'static str;
    /// Several of it, in words: `calls`.
    const MANY: &'static str;
    /// The body of a request that makes one, with every field that needs no other record.
    fn example() -> Value;
    /// Reads the query parameters that choose among its records.
    fn read_filter(query: &mut QueryReader) -> Self::Filter;
}

/// Lists records of one kind.
pub async fn list<F: Listed>(
    _caller: KeyCaller,
    state: web::Data<State>,
    mut query: QueryReader,
) -> Result<HttpResponse, Problem> {
    let filter = F::read_filter(&mut query);
    let request = query.page();
    query.finish()?;
    let page = state.run(move |bitting| bitting.list_records::<F>(&filter, &request)).await?;
    Ok(HttpResponse::Ok().json(page))
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

/// Shows a record.
pub async fn find<F: RecordKind>(
    _caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<RecordId<F>>,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let record = state.run(move |bitting| bitting.find_record::<F>(id.0)).await?;
    Ok(HttpResponse::Ok().json(record))
}

/// Changes a record.
pub async fn update<F: RecordKind>(
    caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<RecordId<F>>,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let record = state.run(move |bitting| bitting.update_record::<F>(id.0, body.0)).await?;
    Ok(answer_write(HttpResponse::Ok(), &caller, &record))
}

/// Deletes a record.
pub async fn delete<F: RecordKind>(
    _caller: KeyCaller,
    state: web::Data<State>,
    query: QueryReader,
    id: Id<RecordId<F>>,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    state.run(move |bitting| bitting.delete_record::<F>(id.0)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Write does not include read: who may not read learns only that it was done.
fn answer_write<F: RecordKind>(
    mut response: HttpResponseBuilder,
    caller: &KeyCaller,
    record: &Record<F>,
) -> HttpResponse {
    if caller.may_read(F::RESOURCE) { response.json(record) } else { response.json(&record.stamp) }
}
