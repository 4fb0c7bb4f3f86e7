//! `--github-keys`: where the public keys come from by which GitHub's reports of leaks are known.

use std::time::Duration;

use url::Url;

use super::address::{Refusals, parse_address};
use crate::model::github_keys::GithubKeys;

/// Where GitHub's public keys come from.
#[derive(Debug, Clone)]
pub enum GithubKeySource {
    /// A file, which was read.
    File(GithubKeys),
    /// GitHub itself, which is asked.
    Url {
        /// Where it lists them.
        url: Url,
        /// How soon it is asked again where that failed, or a report names a key that is not known.
        again_after: Duration,
    },
}

/// Reads the file with this path, or the address.
pub(super) fn read(text: &str) -> Result<GithubKeySource, String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        let again_after = Duration::from_secs(60);
        return Ok(GithubKeySource::Url { url: parse_url(text)?, again_after });
    }
    let text = std::fs::read_to_string(text).map_err(|why| format!("cannot be read: {why}"))?;
    GithubKeys::parse(&text).map(GithubKeySource::File)
}

fn parse_url(text: &str) -> Result<Url, &'static str> {
    let refusals = Refusals {
        malformed: "must be a file, or an address such as \
                    https://api.github.com/meta/public_keys/secret_scanning",
        overfull: "must hold no user, no password and no #",
        plain: "must begin with https://: whoever can change these keys can report any key as leaked",
    };
    parse_address(text, &refusals)
}
