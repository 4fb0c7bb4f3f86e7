//! What every answer to a limited key says of its limits: `RateLimit-Policy` and `RateLimit`, as
//! draft-ietf-httpapi-ratelimit-headers has them.

use actix_web::http::header::HeaderName;
use smallvec::SmallVec;

use super::fields::AnswerFields;
use super::state::State;
use crate::gate::key_use::Left;
use crate::gate::limiter::Standing;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit");

/// What the longest values of both limits take, in bytes.
const USUAL: usize = 80;

/// Adds both headers, where the key has limits on its requests.
pub(super) fn announce(fields: &mut impl AnswerFields, standing: Option<Standing>, state: &State) {
    let Some(Standing { limits, remaining, .. }) = standing else { return };
    let mut left: SmallVec<[u8; USUAL]> = SmallVec::new();
    for (name, limit) in [("\"rate\";r=", remaining.rate), ("\"quota\";r=", remaining.quota)] {
        let Some(Left { requests, reset }) = limit else { continue };
        let separator = if left.is_empty() { "" } else { ", " };
        let (mut digits, mut of_reset) = (itoa::Buffer::new(), itoa::Buffer::new());
        for part in [separator, name, digits.format(requests), ";t=", of_reset.format(reset)] {
            left.extend_from_slice(part.as_bytes());
        }
    }
    let Some(policy) = state.bitting.gate.index.limiter.policy(limits) else { return };
    fields.put(&POLICY, policy.as_bytes());
    fields.put(&REMAINING, &left);
}
