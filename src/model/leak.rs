//! Reports that a key was found where it does not belong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::FieldErrors;
use super::fields::FieldReader;
use super::find_request::FindRequest;
use super::secret::mask;

/// The longest text about where a key was found, in characters.
const LONGEST_SOURCE: usize = 500;

/// A key that GitHub has found, as far as it matters here.
#[derive(Deserialize)]
struct GithubMatch {
    token: String,
    url: Option<String>,
}

/// A report that a key was found somewhere. It does not print: it holds a secret.
#[derive(JsonSchema)]
pub struct LeakReport {
    /// The whole key; white space around it is dropped.
    pub key: String,
    /// Where it was found: an address or a few words, at most 500 characters.
    pub source: Option<String>,
}

impl LeakReport {
    /// Reads the key and where it was found.
    pub fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let found = FindRequest::read(reader);
        let is_alone = |found: &FindRequest| found.key.bytes().all(|byte| byte.is_ascii_graphic());
        // Whoever reports is told nothing of the key: what cannot be one must not pass for one.
        if !found.as_ref().is_none_or(is_alone) {
            reader.complain("key", "must be the key alone, without words around it");
        }
        let source = reader.line("source", LONGEST_SOURCE).filter(|source| !source.is_empty());
        Some(Self { key: found?.key, source })
    }

    /// Reads an object that may hold nothing else.
    ///
    /// # Errors
    /// Every error that was found.
    pub fn from_object(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::new(object);
        let report = Self::read(&mut reader);
        reader.finish(report)
    }

    /// The reports in the body of a message from GitHub.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn of_github(body: &[u8]) -> Result<Vec<Self>, serde_json::Error> {
        let found: Vec<GithubMatch> = serde_json::from_slice(body)?;
        let report = |GithubMatch { token, url }: GithubMatch| {
            let place: String = url.unwrap_or_default().chars().take(LONGEST_SOURCE).collect();
            let source = Some(format!("GitHub {place}").trim_end().to_owned());
            Self { key: token, source }
        };
        Ok(found.into_iter().map(report).collect())
    }

    /// Where it was found, without the key and whatever else looks like one.
    pub fn source_without_keys(&self) -> Option<String> {
        let source = self.source.as_ref()?.replace(&self.key, "…");
        Some(mask(&source).into_owned())
    }
}

/// The answer to every report, whatever becomes of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LeakReceipt {
    /// Always `received`.
    pub status: &'static str,
}

impl LeakReceipt {
    /// The one answer that there is.
    pub const RECEIVED: Self = Self { status: "received" };
}
