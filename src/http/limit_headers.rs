//! What every answer to a limited key says of its limits: `RateLimit-Policy` and `RateLimit`, as
//! draft-ietf-httpapi-ratelimit-headers has them.

use std::io::Write as _;

use actix_web::http::header::HeaderName;

use super::fields::AnswerFields;
use super::state::State;
use crate::gate::budget::Left;
use crate::gate::limiter::Standing;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit");

/// What the longest values of both limits take, in bytes.
const LONGEST: usize = 80;

/// Adds both headers, where the key has limits on its requests.
pub(super) fn announce(fields: &mut impl AnswerFields, standing: Option<Standing>, state: &State) {
    let Some(Standing { account, remaining, .. }) = standing else { return };
    let mut left = [0; LONGEST];
    let mut room = &mut left[..];
    let mut separator = "";
    for (name, limit) in [("\"rate\";r=", remaining.rate), ("\"quota\";r=", remaining.quota)] {
        let Some(Left { requests, reset }) = limit else { continue };
        let (mut digits, mut of_reset) = (itoa::Buffer::new(), itoa::Buffer::new());
        for part in [separator, name, digits.format(requests), ";t=", of_reset.format(reset)] {
            // There is room for every part.
            let _ = room.write_all(part.as_bytes());
        }
        separator = ", ";
    }
    let free = room.len();
    let Some(policy) = state.bitting.gate.index.limiter.policy(account.limits) else { return };
    fields.put(&POLICY, policy.as_bytes());
    fields.put(&REMAINING, &left[..LONGEST - free]);
}
