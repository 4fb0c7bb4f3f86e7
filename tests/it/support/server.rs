//! The real application on a port of its own, inside this process, with a clock that tests set.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use bitting::clock::ManualClock;
use bitting::config::{ListenAddress, Options, Settings};
use bitting::domain::Bitting;
use bitting::domain::principal::Principal;
use bitting::domain::users::passwords::Hasher;
use bitting::model::actor::ClientInfo;
use bitting::model::id::{PublicId, SessionId};
use bitting::model::password::Password;
use bitting::model::random_secret::RandomSecret;
use bitting::model::secret::{Secret, SecretKind};
use bitting::model::session::Session;
use bitting::model::time::{Moment, parse_rfc3339};
use bitting::model::token::NewToken;
use bitting::model::user::{NewUser, User};
use bitting::server::{Ports, Server};
use bitting::store::users::{self, sessions};
use serde_json::{Value, json};

use super::browser::{Browser, PASSWORD};
use super::client::{Answer, Client};
use super::database::{Backend, TestDatabase};
use super::{log_watch, rounds};

/// Whoever has the database, as commands do.
pub fn operator() -> Principal {
    Principal::command_line("test")
}

/// When every test begins.
pub fn start_of_time() -> Moment {
    parse_rfc3339("2026-11-21T12:00:00Z").unwrap()
}

/// A key as its maker knows it.
#[derive(Debug, Clone)]
pub struct MadeKey {
    pub id: String,
    pub secret: String,
}

impl MadeKey {
    /// The same with another last character: its checksum is wrong.
    pub fn mistyped(&self) -> String {
        let (rest, last) = self.secret.split_at(self.secret.len() - 1);
        format!("{rest}{}", if last == "x" { "y" } else { "x" })
    }
}

/// A running server. It is stopped, and its counts are written, when it is dropped.
pub struct TestServer {
    pub address: SocketAddr,
    pub metrics: Option<SocketAddr>,
    gateway: Option<SocketAddr>,
    pub client: Client,
    pub bitting: Arc<Bitting>,
    pub clock: Arc<ManualClock>,
    pub database: Arc<TestDatabase>,
    /// An admin token that may do everything.
    pub admin: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    /// A server on a database without anything in it.
    pub fn start(backend: Backend) -> Self {
        Self::on(Arc::new(TestDatabase::migrated(backend)), Options::default())
    }

    /// One more server on a database that may have others, with settings of its own.
    pub fn on(database: Arc<TestDatabase>, options: Options) -> Self {
        Self::with_clock(database, options, Arc::new(ManualClock::at(start_of_time())))
    }

    /// The same, with a clock that others may share.
    pub fn with_clock(
        database: Arc<TestDatabase>,
        options: Options,
        clock: Arc<ManualClock>,
    ) -> Self {
        Self::build(database, options, clock, |_| {})
    }

    /// A server on a database, with settings that are no options.
    pub fn with_settings(
        database: Arc<TestDatabase>,
        options: Options,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::build(database, options, Arc::new(ManualClock::at(start_of_time())), change)
    }

    /// A server with a clock that others may share, and settings that are no options.
    pub fn build(
        database: Arc<TestDatabase>,
        options: Options,
        clock: Arc<ManualClock>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        // Each worker compiles the table of paths, which costs more than most tests do.
        let workers = rounds(2, 1).to_string();
        let settings = Options {
            listen: [vec!["127.0.0.1:0".to_owned()], options.listen.clone()].concat(),
            database_url: Some(database.url.clone()),
            workers: Some(options.workers.clone().unwrap_or(workers)),
            ..options
        };
        let mut settings = bitting::server::settings(settings).unwrap();
        change(&mut settings);
        log_watch::listen();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (started, start) = mpsc::channel();
        let server_clock = clock.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let ports = Ports::take(&settings).unwrap();
                let opened = ports.open_database(&settings, server_clock, pending(), || {}).await;
                let server = Server::on(ports, opened.unwrap().unwrap(), &settings).unwrap();
                let tcp = |places: &[ListenAddress]| places.iter().find_map(ListenAddress::tcp);
                let address = tcp(&server.addresses).unwrap();
                let others = (server.metrics_address, tcp(&server.gateway_addresses));
                started.send((address, others, server.bitting.clone())).unwrap();
                let stop = async move {
                    let _ = stopped.await;
                };
                server.run(stop).await.unwrap();
            });
        });
        let (address, (metrics, gateway), bitting) =
            start.recv().expect("the server did not start");
        let client = Client::new(&format!("http://{address}"));
        let admin = db_token(&bitting, &json!({"name": "test", "access": "write"}));
        Self {
            address,
            metrics,
            gateway,
            client,
            bitting,
            clock,
            database,
            admin,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where it forwards requests.
    pub fn gateway(&self) -> SocketAddr {
        self.gateway.expect("there is no gateway")
    }

    /// The page of metrics.
    pub fn metrics(&self) -> String {
        let base = format!("http://{}", self.metrics.expect("metrics are off"));
        let answer = Client::new(&base).send("GET", "/metrics", &[], None);
        assert_eq!(answer.status, 200);
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(answer.header("content-type"), content_type);
        answer.body
    }

    /// Stops gracefully and waits for the end; the database stays.
    pub fn stop(mut self) -> Arc<TestDatabase> {
        self.end();
        self.database.clone()
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking(), "the server panicked");
        }
    }

    /// Lets time pass, and the server notice it.
    pub fn pass(&self, time: Duration) {
        self.clock.pass(time);
        self.db_settle();
    }

    /// Sets the time of day, and lets the server notice it.
    pub fn set_time(&self, at: Moment) {
        // Where it goes ahead, time has passed: what only jumps is not believed.
        let ahead = (at - self.bitting.time.now()).to_std();
        ahead.map_or_else(|_| self.clock.set_wall(at), |ahead| self.clock.pass(ahead));
        self.db_settle();
    }

    fn db_settle(&self) {
        self.bitting.time.tick();
        self.bitting.read_feed().unwrap();
    }

    /// Brings what has been counted to the database.
    pub fn db_flush(&self) {
        while self.bitting.flush_usage().unwrap() {}
    }

    /// Makes a key with these scopes (`"calls:read calls:write"`) over HTTP.
    pub fn key(&self, scopes: &str) -> MadeKey {
        self.key_with(scopes, json!({}))
    }

    /// The same with other members beside name and scopes.
    pub fn key_with(&self, scopes: &str, other: Value) -> MadeKey {
        let scopes: Vec<&str> = scopes.split_whitespace().collect();
        let mut body = json!({"name": "test", "scopes": scopes});
        body.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        let made = self.manage("POST", "/v1/keys", Some(&body)).ok();
        MadeKey { id: text(&made["id"]), secret: text(&made["key"]) }
    }

    /// Makes an admin token from `name`, `access` and perhaps `may_grant`.
    pub fn db_token(&self, body: &Value) -> String {
        db_token(&self.bitting, body)
    }

    /// A well-formed key or token that nobody has made.
    pub fn made_up(&self, kind: SecretKind) -> String {
        Secret::generate(&self.bitting.brand, kind).unwrap().expose().to_owned()
    }

    /// Adds a user with the usual password; `more` may hold `role` and `may_grant`. It is hashed once for
    /// all tests, since a hash is made to be dear.
    pub fn db_user(&self, email: &str, more: Value) -> User {
        static HASH: LazyLock<String> = LazyLock::new(|| {
            let email = "ada@example.com".parse().unwrap();
            Hasher::default().hash(&Password::choose(PASSWORD, &email).unwrap()).unwrap()
        });
        let mut object = more.as_object().unwrap().clone();
        object.insert("email".to_owned(), json!(email));
        let new = NewUser::from_object(&object, &self.bitting.catalog).unwrap();
        let user = self.bitting.add_user(&Principal::command_line("test"), &new, None).unwrap();
        let hash = LazyLock::force(&HASH);
        let set = format!("UPDATE users SET password = '{hash}' WHERE id = '{}'", user.id);
        self.database.db_execute(&set);
        user
    }

    /// A browser that a user has signed in with, as far as its session goes: the password that it takes
    /// to begin one is made to be dear.
    pub fn db_browser(&self, email: &str) -> Browser {
        let (secret, now) = (RandomSecret::generate().unwrap(), self.bitting.time.believed());
        let signed_in = self.bitting.database.write(|connection| {
            let user = users::find_by_email(connection, &email.parse().unwrap())?.unwrap().id;
            let session = Session {
                id: SessionId::from_number(uuid::Uuid::now_v7().as_u128()),
                user,
                created_at: now,
                last_seen_at: now,
                address: Some("127.0.0.1".to_owned()),
                user_agent: None,
            };
            sessions::insert(connection, &session, &secret.digest())?;
            users::set_last_login(connection, user, now)
        });
        signed_in.unwrap();
        let browser = Browser::new(&self.client.base);
        browser.plant_session(&secret.expose());
        browser
    }

    /// A user as who asks for something, with the rights they have now.
    pub fn db_principal(&self, user: &User) -> Principal {
        let user = self.bitting.find_user(&Principal::command_line("test"), user.id).unwrap();
        Principal::user(user, &ClientInfo::default())
    }

    /// Sends a request with the admin token.
    pub fn manage(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.client.with_key(&self.admin, method, path, body)
    }

    /// Sends a request with a key.
    pub fn call(&self, key: &MadeKey, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.client.with_key(&key.secret, method, path, body)
    }

    /// Revokes a key over HTTP.
    pub fn revoke(&self, key: &MadeKey) -> Value {
        self.manage("POST", &format!("/v1/keys/{}/revoke", key.id), None).ok()
    }

    /// A key as the administrator sees it.
    pub fn shown(&self, key: &MadeKey) -> Value {
        self.manage("GET", &format!("/v1/keys/{}", key.id), None).ok()
    }

    /// The newest hundred events of one kind, the newest first.
    pub fn events(&self, action: &str) -> Vec<Value> {
        let found = self.manage("GET", &format!("/v1/audit?limit=100&action={action}"), None).ok();
        found["data"].as_array().unwrap().clone()
    }

    /// A key's figures in one window, such as `24h`, as the administrator sees them.
    pub fn usage(&self, key: &MadeKey, window: &str) -> Value {
        self.shown(key)["usage"][window].clone()
    }

    /// How often a key was used in the last 24 hours.
    pub fn total(&self, key: &MadeKey) -> i64 {
        self.usage(key, "24h")["total"].as_i64().unwrap()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.end();
        if !std::thread::panicking() {
            log_watch::assert_none_found();
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn db_token(bitting: &Bitting, body: &Value) -> String {
    let now = bitting.time.now();
    let mut body = body.as_object().unwrap().clone();
    let expires_at = bitting::model::time::format(now + chrono::Duration::days(365));
    body.entry("expires_at").or_insert(json!(expires_at));
    let new = NewToken::from_object(&body, &bitting.catalog, now).unwrap();
    bitting.issue_token(new, &Principal::command_line("test")).unwrap().secret.expose().to_owned()
}
