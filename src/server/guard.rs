//! Bitting inside somebody else's actix-web application: keys are judged and counted there, by the
//! database that `bitting` manages, without a server of its own in between.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use actix_web::web::ReqData;
//! use actix_web::{App, HttpServer, get};
//! use bitting::config::Options;
//! use bitting::gate::identities::KeyIdentity;
//! use bitting::server::guard::Guard;
//!
//! /// Needs `orders:read`, since `bitting.toml` has a resource `orders` at this path.
//! #[get("/orders")]
//! async fn orders(key: ReqData<Arc<KeyIdentity>>) -> String {
//!     format!("the orders of {}", key.label.name)
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let guard = Guard::open(&bitting::server::settings(Options::default())?)?;
//!     let protect = guard.middleware();
//!     let app = move || App::new().service(orders).wrap(protect.clone());
//!     HttpServer::new(app).bind("127.0.0.1:3000")?.run().await?;
//!     Ok(guard.close().await?)
//! }
//! ```

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::background::Background;
use super::opening::open_patiently;
use super::{STOP_LIMIT, StartError, load};
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::domain::Bitting;
use crate::http::authz::protect::Protect;
use crate::http::state::HttpSettings;

/// An open database with every key in memory, and the threads that read its changes and write the
/// counts.
///
/// It does what a server does beside answering: a key that is made, changed or revoked elsewhere
/// counts here within about 200 ms, and while the database cannot be reached, keys that were used in
/// this process are accepted for `--max-staleness` more and then refused with a 503.
#[must_use = "a guard that is dropped accepts no key any more, and its last counts may be lost"]
pub struct Guard {
    bitting: Arc<Bitting>,
    shared: Arc<HttpSettings>,
    background: Background,
}

impl Guard {
    /// Opens the database of these settings, waits for it as long as they say, and makes it or brings it
    /// up to date where necessary. What the settings say of a server (where to listen, with how many
    /// workers, how to log) is the application's own business and has no effect.
    ///
    /// # Errors
    /// [`StartError`] with one sentence for people.
    pub fn open(settings: &Settings) -> Result<Self, StartError> {
        Self::on(open_patiently(settings, Arc::new(SystemClock))?, settings)
    }

    /// Loads every key of an open database, and starts the threads.
    ///
    /// # Errors
    /// [`StartError`] with one sentence for people.
    pub fn on(bitting: Bitting, settings: &Settings) -> Result<Self, StartError> {
        let bitting = Arc::new(bitting);
        load(&bitting)?;
        let shared = Arc::new(HttpSettings {
            trusted_proxies: settings.trusted_proxies.clone(),
            public_url: settings.public_url.clone(),
            ..HttpSettings::default()
        });
        let background = Background::start(bitting.clone(), shared.clone(), settings)?;
        Ok(Self { bitting, shared, background })
    }

    /// What `wrap` takes, on the application, a scope or a resource. Clone it for each worker.
    pub fn middleware(&self) -> Protect {
        Protect::new(self.bitting.clone(), self.shared.clone())
    }

    /// Writes the last counts. To be called when the application no longer answers: what has been
    /// counted within the last `--usage-flush` is lost without it. No key is accepted any more.
    ///
    /// # Errors
    /// When the counts could not be written.
    pub async fn close(self) -> io::Result<()> {
        let (background, deadline) = (self.background, Instant::now() + STOP_LIMIT);
        let closing = move || background.stop(deadline);
        actix_web::rt::task::spawn_blocking(closing).await.map_err(io::Error::other)?
    }
}
