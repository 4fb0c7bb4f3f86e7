//! Requests of keys that were refused or failed: the last ones of each key are kept, so that a figure
//! of errors leads to what went wrong.

use schemars::JsonSchema;
use serde::Serialize;

use super::time;
use super::time::Moment;

/// How many failed requests are kept per key.
pub const KEPT: usize = 20;

/// A request that was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FailedRequest {
    /// When it came.
    #[serde(with = "time::rfc3339")]
    #[schemars(with = "Moment")]
    pub at: Moment,
    /// Its method; `OTHER` for one that no path offers.
    pub method: String,
    /// The path as the API's documentation has it, such as `/v1/calls/{id}`; null where there is
    /// none.
    pub route: Option<String>,
    /// The HTTP status of the answer.
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    /// The code of the answer.
    pub code: String,
    /// The client's address.
    pub address: Option<String>,
}

/// The last requests of a key that were refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeyErrors {
    /// At most 20 of them, the newest first.
    pub data: Vec<FailedRequest>,
}
