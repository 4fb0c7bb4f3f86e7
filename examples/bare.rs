//! A bare actix-web server that checks nothing: what the cost of a key is measured against.

use actix_web::{App, HttpResponse, HttpServer, web};

async fn ping() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(r#"{"ping":"pong"}"#)
}

/// Listens on the port given as the only argument, with one worker.
#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    HttpServer::new(|| App::new().route("/v1/ping", web::get().to(ping)))
        .workers(1)
        .bind(("127.0.0.1", port))?
        .run()
        .await
}
