//! The guard inside somebody else's actix-web application: the verdicts of the doors, in the
//! application's own process.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use actix_web::dev::{ServerHandle, Service as _, ServiceRequest};
use actix_web::web::{Payload, ReqData};
use actix_web::{App, Error, HttpResponse, HttpServer, ResponseError, error, web};
use bitting::config::{Options, Settings};
use bitting::gate::identities::KeyIdentity;
use bitting::server;
use bitting::server::guard::Guard;
use bitting::store::database::migrate::Missing;
use serde_json::{Value, json};

use super::{TEAM, server_with};
use crate::support::client::Client;
use crate::support::server::MadeKey;
use crate::support::{Answer, TestServer, eventually, on_both};

/// A team's own application with two workers, behind the guard. It is stopped when it is dropped.
struct Guarded {
    client: Client,
    handle: Option<ServerHandle>,
    thread: Option<JoinHandle<()>>,
}

/// Which thread answers, and who is calling.
async fn whoami(key: ReqData<Arc<KeyIdentity>>) -> HttpResponse {
    let thread = format!("{:?}", std::thread::current().id());
    HttpResponse::Ok().json(json!({
        "id": key.id, "name": key.label.name, "scopes": key.scopes, "thread": thread,
    }))
}

/// Whether a key is calling.
async fn anybody(key: Option<ReqData<Arc<KeyIdentity>>>) -> HttpResponse {
    HttpResponse::Ok().body(key.is_some().to_string())
}

async fn panics() -> HttpResponse {
    panic!("on purpose")
}

async fn teapot() -> Result<HttpResponse, Error> {
    Err(error::ErrorImATeapot("short and stout"))
}

async fn away() -> HttpResponse {
    HttpResponse::ServiceUnavailable().finish()
}

/// Sends the body back as it comes.
async fn echo(body: Payload) -> HttpResponse {
    HttpResponse::Ok().streaming(body)
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/orders/panic", web::get().to(panics))
        .route("/orders/echo", web::post().to(echo))
        .route("/orders/teapot", web::get().to(teapot))
        .route("/orders/away", web::get().to(away))
        .route("/orders/search", web::post().to(whoami))
        .route("/orders/options", web::route().to(anybody))
        .route("/orders/{id}", web::route().to(whoami))
        .route("/orders/{id}/{part}", web::route().to(whoami))
        .route("/orders", web::route().to(whoami));
}

/// What a middleware of the application's own ends a request with, if it does: an error and no response.
fn failure(request: &ServiceRequest) -> Option<Error> {
    match request.path() {
        "/orders/failing" => Some(error::ErrorBadGateway("no response")),
        "/orders/denied" => Some(Denied.into()),
        _ => None,
    }
}

/// An error that says what it is in its response alone.
#[derive(Debug)]
struct Denied;

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("denied")
    }
}

impl ResponseError for Denied {
    fn error_response(&self) -> HttpResponse {
        HttpResponse::Forbidden().body("not you")
    }
}

impl Guarded {
    /// An application on the database, the file and the clock of a server.
    fn beside(server: &TestServer, file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bitting.toml");
        std::fs::write(&path, file).unwrap();
        let settings = server::settings(Options {
            config: Some(path.display().to_string()),
            database_url: Some(server.database.url.clone()),
            ..Options::default()
        });
        let (settings, clock) = (settings.unwrap(), server.clock.clone());
        let (started, start) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let bitting = server::open(&settings, clock, Missing::Refuse).unwrap();
            server::block_on(serve(bitting, settings, &started));
        });
        let (address, handle): (SocketAddr, _) = start.recv().expect("it did not start");
        let client = Client::new(&format!("http://{address}"));
        Self { client, handle: Some(handle), thread: Some(thread) }
    }

    fn call(&self, key: &MadeKey, method: &str, path: &str) -> Answer {
        self.client.with_key(&key.secret, method, path, None)
    }

    /// Stops it, after which its last counts are written.
    fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(handle) = self.handle.take() {
            server::block_on(handle.stop(true));
        }
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking(), "the application panicked");
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.end();
    }
}

async fn serve(
    bitting: bitting::domain::Bitting,
    settings: Settings,
    started: &mpsc::Sender<(SocketAddr, ServerHandle)>,
) {
    let guard = Guard::on(bitting, &settings).unwrap();
    let protect = guard.middleware();
    let app = move || {
        let protected = web::scope("")
            .configure(routes)
            .wrap_fn(|request, inner| {
                let failure = failure(&request);
                let answer = inner.call(request);
                async move {
                    match failure {
                        Some(error) => Err(error),
                        None => answer.await,
                    }
                }
            })
            .wrap(protect.clone());
        App::new().route("/public", web::get().to(anybody)).service(protected)
    };
    let server = HttpServer::new(app).workers(2).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    started.send((address, server.handle())).unwrap();
    server.await.unwrap();
    guard.close().await.unwrap();
}

/// How a key's requests ended in the last 24 hours, and for which resources.
fn figures(server: &TestServer, key: &MadeKey) -> Value {
    let usage = server.manage("GET", &format!("/v1/keys/{}/usage", key.id), None).ok();
    usage["24h"].clone()
}

on_both! {
    fn each_request_is_judged_and_counted_once_by_its_resource(backend) {
        let server = server_with(backend, TEAM);
        let app = Guarded::beside(&server, TEAM);
        let key = server.key_with("orders:read", json!({"owner": "Zoë"}));
        let who = app.call(&key, "GET", "/orders/7?x=1").ok();
        assert_eq!((&who["id"], &who["name"]), (&json!(key.id), &json!("test")));
        assert_eq!(who["scopes"], json!(["orders:read"]));
        app.call(&key, "POST", "/orders/search").ok();
        let refused = app.call(&key, "POST", "/orders");
        let problem = refused.expect(403, "insufficient_scope").json();
        assert_eq!((&problem["required"], &problem["granted"]), (&json!("orders:write"), &json!(["orders:read"])));
        assert_eq!(problem["request_id"], refused.header("x-request-id"));
        assert_eq!(refused.header("content-type"), "application/problem+json");
        assert!(refused.header("www-authenticate").contains("scope=\"orders:write\""));
        for path in ["/nothing", "/orders/../x", "/orders%2f7", "/orders?_method=PUT"] {
            let answer = app.call(&key, "GET", path);
            assert_eq!(answer.status, 403, "{answer:?}");
        }
        app.client.send("GET", "/orders", &[], None).expect(401, "missing_key");
        app.client.with_key(&server.admin, "GET", "/orders", None).expect(403, "wrong_credential");
        let twice = [("x-api-key", key.secret.as_str()), ("apikey", key.secret.as_str())];
        app.client.send("GET", "/orders", &twice, None).expect(400, "multiple_credentials");
        let other = server.key("calls:read");
        app.call(&other, "GET", "/orders/status").ok();
        app.call(&other, "GET", "/orders/statuses").expect(403, "insufficient_scope");
        assert_eq!(app.call(&key, "GET", "/public").body, "false");
        app.stop();

        let counted = figures(&server, &key);
        assert_eq!(counted["by_resource"]["orders"], json!({"read": 2, "write": 1}), "{counted}");
        assert_eq!((&counted["ok"], &counted["forbidden"], &counted["total"]), (&json!(2), &json!(5), &json!(7)));
        let counted = figures(&server, &other);
        assert_eq!(counted["by_resource"], json!({"orders": {"read": 2, "write": 0}}));
        assert_eq!((&counted["ok"], &counted["forbidden"]), (&json!(1), &json!(1)));
    }
}

on_both! {
    fn what_is_changed_elsewhere_counts_inside_with_the_feed(backend) {
        let server = server_with(backend, TEAM);
        let app = Guarded::beside(&server, TEAM);
        let key = server.key("orders:read");
        app.call(&key, "GET", "/orders").ok();
        server.revoke(&key);
        eventually("the revoked key is refused", || app.call(&key, "GET", "/orders").status == 401);
        app.call(&key, "GET", "/orders").expect(401, "key_revoked");
        let next = server.key("orders:write");
        app.call(&next, "POST", "/orders").ok();
    }
}

on_both! {
    fn the_limits_of_a_key_hold_and_are_told(backend) {
        let server = server_with(backend, TEAM);
        let app = Guarded::beside(&server, TEAM);
        let limits = json!({"rate_limit": {"requests": 2, "per": "hour"}});
        let key = server.key_with("orders:read", limits);
        for remaining in [1, 0] {
            let answer = app.call(&key, "GET", "/orders");
            assert!(answer.header("ratelimit").starts_with(&format!("\"rate\";r={remaining};")), "{answer:?}");
        }
        let refused = app.call(&key, "GET", "/orders");
        refused.expect(429, "rate_limited");
        assert!(!refused.header("retry-after").is_empty() && !refused.header("ratelimit").is_empty());
        let key = server.key_with("orders:read", json!({"rate_limit": {"requests": 9, "per": "hour"}}));
        for path in ["panic", "failing", "denied", "teapot", "away"] {
            let answer = app.call(&key, "GET", &format!("/orders/{path}"));
            assert!(!answer.header("ratelimit").is_empty(), "{path}: {answer:?}");
        }
        let elsewhere = server.key_with("orders:read", json!({"allowed_networks": ["10.0.0.0/8"]}));
        app.call(&elsewhere, "GET", "/orders").expect(403, "address_not_allowed");
    }
}

on_both! {
    fn an_answer_is_counted_by_its_status_whoever_gives_it(backend) {
        let server = server_with(backend, TEAM);
        let app = Guarded::beside(&server, TEAM);
        let key = server.key("orders:read");
        let panicked = app.call(&key, "GET", "/orders/panic");
        assert_eq!(panicked.expect(500, "internal").json()["request_id"], panicked.header("x-request-id"));
        assert!(!panicked.body.contains("panic"), "{panicked:?}");
        for (path, status) in [("teapot", 418), ("failing", 502), ("away", 503), ("denied", 403), ("7", 200)] {
            assert_eq!(app.call(&key, "GET", &format!("/orders/{path}")).status, status);
        }
        assert_eq!(app.call(&key, "GET", "/orders/denied").body, "not you");
        app.stop();
        let counted = figures(&server, &key);
        let outcomes = ["ok", "client_error", "forbidden", "server_error", "total"].map(|name| counted[name].as_i64().unwrap());
        // The application's own 503 is one of its answers.
        assert_eq!(outcomes, [1, 1, 2, 3, 7], "{counted}");
        let errors = server.manage("GET", &format!("/v1/keys/{}/errors", key.id), None).ok();
        let kept: Vec<_> = errors["data"].as_array().unwrap().iter().map(|error| (error["status"].clone(), error["route"].clone())).collect();
        assert_eq!(kept, [403, 403, 503, 502, 418, 500].map(|status| (json!(status), json!("/orders"))));
    }
}

on_both! {
    fn bodies_pass_piece_by_piece(backend) {
        let server = server_with(backend, TEAM);
        let app = Guarded::beside(&server, TEAM);
        let key = server.key("orders:write");
        let bearer = format!("Bearer {}", key.secret);
        let body = "0123456789abcdef".repeat(1 << 16);
        let answer = app.client.send("POST", "/orders/echo", &[("authorization", &bearer)], Some(&body));
        assert_eq!((answer.status, answer.body.len()), (200, body.len()));
        assert!(answer.body == body && answer.header("content-length").is_empty());
        pieces(&app.client.base, &bearer);
        app.stop();
        assert_eq!(figures(&server, &key)["ok"], 2);
    }
}

/// Sends a body of which the second piece follows only when the first has come back.
fn pieces(base: &str, bearer: &str) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(base.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /orders/echo HTTP/1.1\r\nhost: a\r\nauthorization: {bearer}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nfirst\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"first\r\n") {
        let mut piece = [0; 1024];
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend(&piece[..length]);
    }
    stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").unwrap();
    stream.read_to_end(&mut seen).unwrap();
    assert!(seen.ends_with(b"6\r\nsecond\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&seen));
}

on_both! {
    fn two_workers_count_every_request(backend) {
        let server = server_with(backend, TEAM);
        let app = Guarded::beside(&server, TEAM);
        let key = server.key("orders:read");
        let threads = std::sync::Mutex::new(std::collections::HashSet::new());
        std::thread::scope(|scope| {
            for _client in 0..8 {
                scope.spawn(|| {
                    // A connection of its own, which actix gives to one of the workers.
                    let client = Client::new(&app.client.base);
                    for _request in 0..10 {
                        let answer = client.with_key(&key.secret, "GET", "/orders", None).ok();
                        threads.lock().unwrap().insert(answer["thread"].to_string());
                    }
                });
            }
        });
        assert_eq!(threads.lock().unwrap().len(), 2);
        app.stop();
        assert_eq!(figures(&server, &key)["ok"], 80);
    }
}

on_both! {
    fn a_preflight_needs_a_key_unless_the_file_allows_it(backend) {
        let server = server_with(backend, TEAM);
        let app = Guarded::beside(&server, TEAM);
        app.client.send("OPTIONS", "/orders/options", &[], None).expect(401, "missing_key");
        let key = server.key("orders:read");
        assert_eq!(app.call(&key, "OPTIONS", "/orders/options").body, "true");
        app.stop();
        let allowing = format!("preflight = \"allow\"\n{TEAM}");
        let app = Guarded::beside(&server, &allowing);
        assert_eq!(app.client.send("OPTIONS", "/orders/options", &[], None).body, "false");
        app.client.send("OPTIONS", "/nothing", &[], None).expect(401, "missing_key");
        app.client.send("GET", "/orders", &[], None).expect(401, "missing_key");
    }
}
