//! Somebody's own actix-web application: every request is judged and counted by Bitting, inside it.
//!
//! ```sh
//! export BITTING_CONFIG=examples/orders.toml
//! KEY=$(bitting key create --name shop --scope orders:read)
//! cargo run --example guarded &
//! curl -i -H "Authorization: Bearer $KEY" http://127.0.0.1:3000/orders
//! ```

use std::error::Error;
use std::sync::Arc;

use actix_web::web::{Json, ReqData};
use actix_web::{App, HttpServer, get, post};
use bitting::config::Options;
use bitting::gate::identities::KeyIdentity;
use bitting::server::guard::Guard;
use serde_json::{Value, json};

/// Needs a key with `orders:read`.
#[get("/orders")]
async fn list(key: ReqData<Arc<KeyIdentity>>) -> Json<Value> {
    Json(json!({"orders": [{"id": 1, "item": "a door"}], "asked_by": key.label.name}))
}

/// Needs a key with `orders:write`.
#[post("/orders")]
async fn create(order: Json<Value>, key: ReqData<Arc<KeyIdentity>>) -> Json<Value> {
    Json(json!({"order": order.0, "made_by": key.label.name, "owner": key.label.owner}))
}

/// Listens on port 3000 of this machine, or on `$PORT`.
#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let guard = Guard::open(&bitting::server::settings(Options::default())?)?;
    let protect = guard.middleware();
    let app = move || App::new().service(list).service(create).wrap(protect.clone());
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned()).parse()?;
    HttpServer::new(app).bind(("127.0.0.1", port))?.run().await?;
    Ok(guard.close().await?)
}
