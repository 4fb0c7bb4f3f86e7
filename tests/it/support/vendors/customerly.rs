//! Customerly, version 1: nobody knows which header it takes today, so a test says; everything but
//! the right credential is a server error with a message about the token; pages count from 0.

use serde_json::json;

use super::{Reply, Vendor, header, parameter, path};
use crate::support::upstream::Seen;

/// The token that it accepts.
pub const TOKEN: &str = "cly-5f4dcc3b5aa765d61d8327deb882cf99";
/// How many users the project has.
const USERS: usize = 120;

/// A Customerly that takes the token in this header, and there in this form, such as `Bearer {}`.
pub fn taking(name: &'static str, form: &'static str) -> Vendor {
    let expected = form.replace("{}", TOKEN);
    Vendor::start(move |seen, _| {
        if header(seen, name) != Some(&expected) {
            let error = json!({"message": "The access token is invalid or expired", "code": 500});
            return Reply::json(500, &json!({"error": error}));
        }
        answer(seen)
    })
}

/// As its help centre says.
pub fn start() -> Vendor {
    taking("authentication", "AccessToken: {}")
}

fn answer(seen: &Seen) -> Reply {
    match (seen.method(), path(seen)) {
        ("GET", "/v1/tags") => Reply::json(200, &json!({"data": [{"name": "vip"}]})),
        ("GET", "/v1/users/list") => {
            let number = |name, usual| {
                parameter(seen, name).and_then(|text| text.parse::<usize>().ok()).unwrap_or(usual)
            };
            let (page, per_page) = (number("page", 0), number("per_page", 50));
            let shown = (0..USERS).skip(page * per_page).take(per_page);
            let users: Vec<_> = shown.map(|id| json!({"user_id": id})).collect();
            Reply::json(200, &json!({"data": {"users": users}}))
        }
        ("POST", "/v1/users") => Reply::json(200, &json!({"data": {"status": true}})),
        _ => Reply::json(404, &json!({"error": {"message": "Not found", "code": 404}})),
    }
}
