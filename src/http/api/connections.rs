//! Connections over HTTP: which there are, and testing one. Nobody can make or change one here: an
//! admin token manages keys and nothing else.

use actix_web::{HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;

use super::origin::Manager;
use crate::http::error::Problem;
use crate::http::extract::{Id, QueryReader};
use crate::http::state::State;
use crate::model::connections::{Connection, ConnectionState, ConnectionView, Handle};

/// Every connection.
#[derive(Serialize, JsonSchema)]
pub struct ConnectionList<'a> {
    /// The connections, by handle.
    pub items: Vec<ConnectionView<'a>>,
}

/// `GET /v1/connections`
pub async fn list(
    manager: Manager,
    state: web::Data<State>,
    query: QueryReader,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let read = state.run(move |bitting| {
        let all = bitting.list_connections(&manager.principal(bitting)?)?;
        let with_state = |each: Connection| (bitting.state_of(&each), each);
        Ok(all.into_iter().map(with_state).collect::<Vec<_>>())
    });
    let all = read.await?;
    let items = all.iter().map(|(state, each)| ConnectionView::new(each, state.clone())).collect();
    Ok(HttpResponse::Ok().json(ConnectionList { items }))
}

/// `GET /v1/connections/{id}`
pub async fn find(
    manager: Manager,
    state: web::Data<State>,
    handle: Id<Handle>,
    query: QueryReader,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let read = state.run(move |bitting| {
        let found = bitting.find_connection(&manager.principal(bitting)?, &handle.0)?;
        Ok((bitting.state_of(&found), found))
    });
    Ok(shown(read.await?))
}

/// `POST /v1/connections/{id}/test`
pub async fn test(
    manager: Manager,
    state: web::Data<State>,
    handle: Id<Handle>,
    query: QueryReader,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let tested = state.run_with_vendor(move |bitting| {
        let tested = bitting.test_connection(&manager.principal(bitting)?, &handle.0)?;
        Ok((bitting.state_of(&tested), tested))
    });
    Ok(shown(tested.await?))
}

fn shown((state, connection): ((ConnectionState, Option<String>), Connection)) -> HttpResponse {
    HttpResponse::Ok().json(ConnectionView::new(&connection, state))
}
