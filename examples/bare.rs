//! A bare actix-web server that checks nothing: what the cost of a key is measured against. It says
//! yes at every path, so that it can be what a proxy asks, and the API behind one.

use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::{App, HttpResponse, HttpServer, web};

const PONG: &str = r#"{"ping":"pong"}"#;

async fn ping() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(PONG)
}

/// The same answer with the headers that Bitting's has, so that their cost can be told from that of
/// judging and counting.
async fn ping_with_headers() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("x-request-id", "01978f3a4be27c6d9a40000000000001"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(PONG)
}

/// What Bitting tells a proxy of a key, likewise.
async fn yes_with_headers() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("x-bitting-key-id", "key_01k5rwq9p8e4t9v6c2m3n4b5x6"))
        .insert_header(("x-bitting-key-name", "key%201234"))
        .insert_header(("x-bitting-owner", "customer%20234"))
        .insert_header(("x-bitting-scopes", "calls:read calls:write"))
        .insert_header(("x-request-id", "01978f3a4be27c6d9a40000000000001"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish()
}

/// Listens with one worker on the port given first; a second argument asks for the headers.
#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let with_headers = arguments.next().is_some();
    HttpServer::new(move || {
        let (ping, yes) = if with_headers {
            (web::get().to(ping_with_headers), web::to(yes_with_headers))
        } else {
            (web::get().to(ping), web::to(HttpResponse::Ok))
        };
        App::new().route("/v1/ping", ping).default_service(yes)
    })
    .workers(1)
    .bind(("127.0.0.1", port))?
    .run()
    .await
}
