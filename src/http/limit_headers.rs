//! What every answer to a limited key says of its limits: `RateLimit-Policy` and `RateLimit`, as
//! draft-ietf-httpapi-ratelimit-headers has them.

use std::fmt::Write as _;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::state::State;
use crate::gate::key_use::Left;
use crate::gate::limiter::Standing;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit");

/// Adds both headers, where the key has limits on its requests.
pub(super) fn announce(headers: &mut HeaderMap, standing: Option<Standing>, state: &State) {
    let Some(Standing { limits, remaining, .. }) = standing else { return };
    let mut left = String::with_capacity(64);
    for (name, limit) in [("rate", remaining.rate), ("quota", remaining.quota)] {
        let Some(Left { requests, reset }) = limit else { continue };
        let separator = if left.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(left, "{separator}\"{name}\";r={requests};t={reset}");
    }
    let Some(policy) = state.bitting.gate.index.limiter.policy(limits) else { return };
    let policy = HeaderValue::from_maybe_shared(policy.clone());
    if let (Ok(policy), Ok(left)) = (policy, HeaderValue::try_from(left)) {
        headers.append(POLICY, policy);
        headers.append(REMAINING, left);
    }
}
