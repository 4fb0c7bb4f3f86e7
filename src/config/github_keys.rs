//! `--github-keys`: the file with the public keys by which GitHub's reports of leaks are known.

use crate::model::github_keys::GithubKeys;

/// Reads the file with this path.
pub(super) fn read(path: &str) -> Result<GithubKeys, String> {
    if path.starts_with("http://") || path.starts_with("https://") {
        return Err(format!("must be a file; fetch it with curl -o github-keys.json {path}"));
    }
    let text = std::fs::read_to_string(path).map_err(|why| format!("cannot be read: {why}"))?;
    GithubKeys::parse(&text)
}
