//! Fetching GitHub's public keys: at the start, once a day, and soon after a report that names one
//! which is not known.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http::Request;
use http::header::{ACCEPT, USER_AGENT};
use url::Url;

use super::health::Health;
use crate::config::{GithubKeySource, Settings};
use crate::domain::keys::github_keys::KnownGithubKeys;
use crate::model::github_keys::GithubKeys;
use crate::outbound::{Connector, ask, plain_body, written_out};

/// How long keys are used before they are fetched again.
const EVERY: Duration = Duration::from_secs(24 * 3600);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look whether keys were missed.
const LOOK: Duration = Duration::from_millis(500);

/// The keys that are known before any are fetched.
pub(super) fn known(source: &GithubKeySource) -> KnownGithubKeys {
    match source {
        GithubKeySource::File(keys) => KnownGithubKeys::of(keys.clone()),
        GithubKeySource::Url { .. } => KnownGithubKeys::default(),
    }
}

/// Who lists the keys, and the way there.
pub(super) struct Listing {
    url: Url,
    connector: Connector,
    again_after: Duration,
}

impl Listing {
    /// Where the settings say, if they name an address.
    pub(super) fn of(settings: &Settings) -> io::Result<Option<Self>> {
        let Some(GithubKeySource::Url { url, again_after }) = &settings.github_keys else {
            return Ok(None);
        };
        let authorities = &settings.warnings.authorities;
        let connector = Connector::new(&written_out(url), authorities).map_err(io::Error::other)?;
        Ok(Some(Self { url: url.clone(), connector, again_after: *again_after }))
    }

    fn fetch(&self) -> Result<GithubKeys, String> {
        let request = Request::get(self.url.as_str())
            .header(USER_AGENT, concat!("bitting/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json")
            .body(String::new())
            .map_err(|why| why.to_string())?;
        let answer = ask(&self.connector, request, PATIENCE).map_err(|why| why.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("the answer is {}", answer.status()));
        }
        let body = plain_body(&answer).map_err(|why| why.to_string())?;
        let text = std::str::from_utf8(&body).map_err(|why| why.to_string())?;
        GithubKeys::parse(text).map_err(|why| format!("the answer {why}"))
    }
}

/// Keeps the keys as they are listed, until the server stops.
pub(super) fn run(known: &KnownGithubKeys, listing: &Listing, stopping: &AtomicBool) {
    let mut health = Health::of("fetching GitHub's public keys");
    while !stopping.load(Ordering::Acquire) {
        let keys = health.note(listing.fetch());
        let fetched = Instant::now();
        let enough = if keys.is_some() { EVERY } else { listing.again_after };
        if let Some(keys) = keys {
            known.replace(keys);
        }
        // Made-up names must not become a flood of requests.
        let wait = || if known.were_missed() { listing.again_after } else { enough };
        while !stopping.load(Ordering::Acquire) && fetched.elapsed() < wait() {
            thread::sleep(LOOK);
        }
    }
}
