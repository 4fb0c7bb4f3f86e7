//! Aircall's public API: Basic of id and token, or Bearer; 401 without a credential and 403 with a
//! wrong one; absolute links between pages; webhooks that show their tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Reply, Vendor, header, parameter, path};
use crate::support::upstream::Seen;

/// The id and the token that it accepts, and the partner's access token.
pub const API_ID: &str = "1f6a0cd2a2f44b0e8c5d6a7b8c9d0e1f";
pub const API_TOKEN: &str = "9e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b";
pub const ACCESS_TOKEN: &str = "partner-0a1b2c3d4e5f60718293a4b5c6d7e8f9";
/// What a webhook shows in clear.
pub const WEBHOOK_TOKEN: &str = "45XXYYZZa08";
/// How many calls there are.
const CALLS: usize = 45;

pub fn start() -> Vendor {
    Vendor::start(answer)
}

fn is_accepted(credential: &str) -> bool {
    let pair = STANDARD.encode(format!("{API_ID}:{API_TOKEN}"));
    credential == format!("Basic {pair}") || credential == format!("Bearer {ACCESS_TOKEN}")
}

fn answer(seen: &Seen, origin: &str) -> Reply {
    match header(seen, "authorization") {
        None => return Reply::json(401, &json!({"message": "Unauthorized"})),
        Some(credential) if !is_accepted(credential) => {
            return Reply::json(403, &json!({"message": "Forbidden"}));
        }
        Some(_) => {}
    }
    match (seen.method(), path(seen)) {
        ("GET", "/v1/ping") => Reply::json(200, &json!({"ping": "pong"})),
        ("GET", "/v1/calls") => calls(seen, origin),
        ("GET", "/v1/webhooks") => {
            let webhook = json!({
                "webhook_id": "b5ee2ff1", "direct_link": format!("{origin}/v1/webhooks/b5ee2ff1"),
                "token": WEBHOOK_TOKEN, "active": true,
            });
            Reply::json(200, &json!({"webhooks": [webhook]}))
        }
        ("POST", "/v1/contacts/123") => Reply::json(200, &json!({"contact": {"id": 123}})),
        ("POST", "/v1/users/7/calls") => Reply { status: 204, headers: vec![], body: vec![] },
        _ => Reply::json(404, &json!({"error": "Not Found", "troubleshoot": "..."})),
    }
}

/// A page of calls.
fn calls(seen: &Seen, origin: &str) -> Reply {
    let number = |name| parameter(seen, name).and_then(|text| text.parse::<usize>().ok());
    let (page, per_page) = (number("page").unwrap_or(1), number("per_page").unwrap_or(20));
    let shown: Vec<usize> = (1..=CALLS).skip((page - 1) * per_page).take(per_page).collect();
    let link = |page: usize| format!("{origin}/v1/calls?page={page}&per_page={per_page}");
    let call = |id: &usize| {
        let recording = format!("https://recordings.example/{id}.mp3?X-Amz-Signature=abc");
        json!({"id": id, "direct_link": format!("{origin}/v1/calls/{id}"), "recording": recording})
    };
    let more = page * per_page < CALLS;
    let meta = json!({
        "count": shown.len(), "total": CALLS, "current_page": page, "per_page": per_page,
        "next_page_link": more.then(|| link(page + 1)),
        "previous_page_link": (page > 1).then(|| link(page - 1)),
    });
    Reply::json(200, &json!({"meta": meta, "calls": shown.iter().map(call).collect::<Vec<_>>()}))
}
