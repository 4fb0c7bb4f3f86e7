//! What every request can reach: the application, its worker's door, and the settings.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::HOST;
use actix_web::{HttpRequest, web};

use super::constant::Constant;
use super::document::Document;
use super::error::Problem;
use super::giving_way::give_way_to_workers;
use super::turns::{Effort, Turns};
use super::via::at_once::AtOnce;
use super::via::client::VendorClient;
use super::watch::Watch;
use super::watch::requests::{NO_ROUTE, Requests, WorkerRequests};
use crate::config::{Patience, TrustedProxies, ViaSettings};
use crate::domain;
use crate::domain::Bitting;
use crate::domain::keys::github_keys::KnownGithubKeys;
use crate::gate::admission::Door;
use crate::gate::caller::KeyCaller;
use crate::model::scope::Access;
use crate::outbound;

/// How long a request waits for the database, all in all.
const LONGEST: Duration = Duration::from_millis(9500);
/// How long a request waits for the database and a vendor, who may take 10 s for each form of a
/// credential.
const LONGEST_WITH_VENDOR: Duration = Duration::from_secs(60);

/// What all workers share: the settings of the HTTP side, and the server's counters.
#[derive(Default)]
pub struct HttpSettings {
    /// Whose `X-Forwarded-For` or `Forwarded` is believed.
    pub trusted_proxies: TrustedProxies,
    /// The address people reach the server at, if it is configured.
    pub public_url: Option<String>,
    /// How long slow clients are waited for.
    pub patience: Patience,
    /// Whether the built-in API is served.
    pub builtin_api: bool,
    /// The counters behind the metrics and the log.
    pub watch: Watch,
    /// The API document, made once a process.
    pub document: Document,
    /// The turns in which requests with API keys use the database.
    pub turns: Turns,
    /// How requests to vendors are forwarded.
    pub via: ViaSettings,
    /// The requests that are at vendors.
    pub at_once: Arc<AtOnce>,
    /// The public keys that GitHub signs its reports of leaks with, if those are taken.
    pub github_keys: Option<Arc<KnownGithubKeys>>,
    /// Whether the threads of this process are the server's own.
    pub owns_threads: bool,
}

impl HttpSettings {
    /// Whether browsers reach the server by https.
    pub fn is_encrypted(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }

    /// The address people reach the server at: the configured one, or the one this request came to, if
    /// that can be put into a command or a link as it is.
    pub fn address(&self, request: &HttpRequest) -> Option<String> {
        let used = || {
            let host = request.headers().get(HOST)?.to_str().ok()?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
            (!host.is_empty() && host.bytes().all(plain)).then(|| format!("http://{host}"))
        };
        self.public_url.clone().or_else(used)
    }
}

/// Shared by all requests of one worker.
pub struct State {
    /// The application behind every front door.
    pub bitting: Arc<Bitting>,
    /// This worker's way through the gate.
    pub door: Rc<Door>,
    /// The settings and counters that all workers share.
    pub settings: Arc<HttpSettings>,
    /// Set when the server is stopping: connections are then closed after their answer.
    pub stopping: Arc<AtomicBool>,
    pub(super) requests: Option<Arc<WorkerRequests>>,
    request_ids: RequestIds,
    vendors: OnceCell<VendorClient>,
}

/// The state as each request of its worker holds it: they are all on one thread, so that the
/// holders are counted without atomics.
pub type SharedState = Rc<web::Data<State>>;

impl State {
    /// The state of one more worker.
    pub fn new(
        bitting: Arc<Bitting>,
        settings: Arc<HttpSettings>,
        stopping: Arc<AtomicBool>,
    ) -> Self {
        let door = Rc::new(Door::new(bitting.gate.clone(), bitting.meter.worker()));
        let requests = settings.watch.requests().map(Requests::worker);
        let request_ids = RequestIds::default();
        let vendors = OnceCell::new();
        Self { bitting, door, settings, stopping, requests, request_ids, vendors }
    }

    /// The state of the application that a request came to.
    ///
    /// # Errors
    /// 500 where the application has none, which no request of a real server meets.
    pub fn of(request: &HttpRequest) -> Result<&Self, Problem> {
        let state = request.app_data::<web::Data<Self>>();
        state.map(|state| state.get_ref()).ok_or_else(|| Problem::internal("no state"))
    }

    /// The API document.
    pub fn document(&self) -> &Constant {
        self.settings.document.get()
    }

    /// This worker's connections to vendors.
    pub(super) fn vendors(&self) -> &VendorClient {
        self.vendors.get_or_init(|| outbound::pool(self.bitting.connections.connector.clone()))
    }

    /// Counts an accepted credential, where there are metrics.
    pub(super) fn note_accepted(&self) {
        if let Some(requests) = &self.requests {
            requests.accepted();
        }
    }

    /// Counts a request that matches no route, where there are metrics.
    pub(super) fn note_unknown_path(&self) {
        if let (Some(worker), Some(requests)) = (&self.requests, self.settings.watch.requests()) {
            let (route, status) = (requests.number_of(NO_ROUTE), StatusCode::NOT_FOUND);
            worker.answered(route, Access::Read, status.as_u16(), Duration::ZERO);
        }
    }

    /// An id for a request that brought none of its own.
    pub fn next_request_id(&self) -> [u8; 32] {
        self.request_ids.next()
    }

    /// Runs a use case off the worker's thread, since it asks the database.
    ///
    /// # Errors
    /// The use case's error, as clients are answered.
    pub async fn run<T: Send + 'static>(
        &self,
        use_case: impl FnOnce(&Bitting) -> domain::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        self.run_within(LONGEST, use_case).await
    }

    /// Runs a use case that asks a vendor too.
    ///
    /// # Errors
    /// The use case's error, as clients are answered.
    pub async fn run_with_vendor<T: Send + 'static>(
        &self,
        use_case: impl FnOnce(&Bitting) -> domain::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        self.run_within(LONGEST_WITH_VENDOR, use_case).await
    }

    async fn run_within<T: Send + 'static>(
        &self,
        limit: Duration,
        use_case: impl FnOnce(&Bitting) -> domain::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let bitting = self.bitting.clone();
        let owns_thread = self.settings.owns_threads;
        let in_time = move || {
            if owns_thread {
                give_way_to_workers();
            }
            bitting.within(limit, use_case)
        };
        match web::block(in_time).await {
            Ok(result) => result.map_err(Problem::from),
            Err(_) => Err(Problem::internal("a use case was cut off")),
        }
    }

    /// Runs a use case on behalf of a key, when its turn has come.
    ///
    /// # Errors
    /// The use case's error, as clients are answered, or 503 when its turn does not come in time.
    pub async fn run_for<T: Send + 'static>(
        &self,
        key: &KeyCaller,
        effort: Effort,
        use_case: impl FnOnce(&Bitting) -> domain::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.settings.turns.take(key.number(), effort).await?;
        // It ends with the use case, also where the client has gone before.
        let in_turn = move |bitting: &Bitting| {
            let result = use_case(bitting);
            drop(turn);
            result
        };
        self.run(in_turn).await
    }
}

/// Ids that no other worker gives: a UUID's first half, and its second half counted up.
struct RequestIds {
    first: [u8; 16],
    second: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        let (first, second) = uuid::Uuid::now_v7().as_u64_pair();
        Self { first: hexadecimal(first), second: AtomicU64::new(second) }
    }
}

impl RequestIds {
    fn next(&self) -> [u8; 32] {
        let mut text = [0; 32];
        text[..16].copy_from_slice(&self.first);
        text[16..].copy_from_slice(&hexadecimal(self.second.fetch_add(1, Ordering::Relaxed)));
        text
    }
}

fn hexadecimal(number: u64) -> [u8; 16] {
    std::array::from_fn(|place| b"0123456789abcdef"[(number >> (60 - 4 * place) & 15) as usize])
}
