//! `--github-keys`: where the public keys come from by which GitHub's reports of leaks are known.

use std::time::Duration;

use url::Url;

use super::warnings::is_near;
use crate::model::github_keys::GithubKeys;

/// How GitHub's reports of leaks are known.
#[derive(Debug, Clone)]
pub struct GithubKeySettings {
    /// Where the public keys come from.
    pub source: GithubKeySource,
    /// How soon keys are fetched again where that failed, or a report names one that is not known.
    pub fetch_again_after: Duration,
}

/// Where GitHub's public keys come from.
#[derive(Debug, Clone)]
pub enum GithubKeySource {
    /// A file, which was read.
    File(GithubKeys),
    /// GitHub itself, which is asked.
    Url(Url),
}

/// Reads the file with this path, or the address.
pub(super) fn read(text: &str) -> Result<GithubKeySettings, String> {
    let source = if text.starts_with("http://") || text.starts_with("https://") {
        GithubKeySource::Url(parse_url(text)?)
    } else {
        let text = std::fs::read_to_string(text).map_err(|why| format!("cannot be read: {why}"))?;
        GithubKeySource::File(GithubKeys::parse(&text)?)
    };
    Ok(GithubKeySettings { source, fetch_again_after: Duration::from_secs(60) })
}

fn parse_url(text: &str) -> Result<Url, String> {
    let expected = "must be a file, or an address such as \
                    https://api.github.com/meta/public_keys/secret_scanning";
    let url = Url::parse(text).map_err(|_| expected)?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("must hold no user, no password and no #".to_owned());
    }
    if url.scheme() == "http" && !is_near(url.host()) {
        return Err("must begin with https://: whoever can change these keys can report any key \
                    as leaked"
            .to_owned());
    }
    Ok(url)
}
