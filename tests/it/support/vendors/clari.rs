//! Clari Revenue, version 4: `apikey`; 401 both for a wrong token and for a forecast that its user may
//! not see; exports are jobs that are polled.

use serde_json::json;

use super::{Reply, Vendor, header, path};
use crate::support::upstream::Seen;

/// The token that it accepts.
pub const TOKEN: &str = "clr-aa11bb22cc33dd44ee55ff6677889900";

pub fn start() -> Vendor {
    Vendor::start(answer)
}

fn answer(seen: &Seen, origin: &str) -> Reply {
    let unauthorized = || {
        let body =
            json!({"statusCode": 401, "reasonPhrase": "Unauthorized", "message": "", "errors": []});
        Reply::json(401, &body)
    };
    if header(seen, "apikey") != Some(TOKEN) {
        return unauthorized();
    }
    match (seen.method(), path(seen)) {
        ("GET", "/v4/admin/limits") => Reply::json(
            200,
            &json!({"jobs": {"concurrentLimit": 2, "monthlyQuota": 100, "running": []}}),
        ),
        ("POST", "/v4/export/forecast/secret") => unauthorized(),
        ("POST", "/v4/export/forecast/net_new") => Reply::json(202, &json!({"jobId": "job-1"})),
        ("GET", "/v4/export/jobs/job-1") => {
            Reply::json(200, &json!({"job": {"jobId": "job-1", "status": "DONE"}}))
        }
        ("GET", "/v4/export/jobs/job-1/results") => Reply::json(200, &json!({"entries": []})),
        ("GET", "/v4/audit/events") => {
            let next = format!("{origin}/v4/audit/events?cursor=2");
            Reply::json(200, &json!({"events": [], "nextLink": next}))
        }
        _ => Reply::json(404, &json!({"message": "no Route matched", "request_id": "abc"})),
    }
}
