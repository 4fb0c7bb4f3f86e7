//! CallRail, version 3: `Token token="…"`, quoted or not; 401 without a word more for any other
//! credential; lists by page, and calls by offset with an absolute link to the next page.

use serde_json::{Value, json};

use super::{Reply, Vendor, header, parameter, path};
use crate::support::upstream::Seen;

/// The key that it accepts.
pub const KEY: &str = "ctrk_0123456789abcdef0123456789abcdef";
/// The account that the key sees.
pub const ACCOUNT: &str = "ACC8154748ae6bd4e278a7cddd38a662f4f";
/// How many calls the account has.
const CALLS: usize = 5;

pub fn start() -> Vendor {
    Vendor::start(answer)
}

fn answer(seen: &Seen, origin: &str) -> Reply {
    let form = header(seen, "authorization").and_then(|value| value.strip_prefix("Token token="));
    if form.map(|key| key.trim_matches('"')) != Some(KEY) {
        return Reply::json(401, &json!({"error": "HTTP Token: Access denied"}));
    }
    let account = format!("/v3/a/{ACCOUNT}");
    let below = path(seen).strip_prefix(&account);
    match (seen.method(), path(seen), below) {
        ("GET", "/v3/a.json", _) => {
            let accounts = json!([{"id": ACCOUNT, "name": "Widgets"}]);
            let list = json!({"page": 1, "per_page": 1, "total_pages": 1, "total_records": 1});
            Reply::json(200, &with(list, "accounts", accounts))
        }
        ("GET", _, Some("/calls.json")) => calls(seen, origin),
        ("GET", _, Some("/calls/CAL1.json")) => Reply::json(200, &call(1)),
        ("GET", _, Some("/calls/CAL1/recording.json")) => {
            let url = "https://app.callrail.com/calls/CAL1/recording?access_key=abc";
            Reply::json(200, &json!({"url": url}))
        }
        ("POST", _, Some("/calls.json")) => Reply::json(201, &call(99)),
        ("PUT", _, Some("/calls/CAL1.json")) => Reply::json(200, &call(1)),
        ("GET", _, Some("/companies.json" | "/tags.json")) => {
            Reply::json(200, &json!({"page": 1, "per_page": 100, "total_pages": 1}))
        }
        _ => Reply::json(404, &json!({"error": "The page you were looking for doesn't exist."})),
    }
}

fn call(number: usize) -> Value {
    let recording = format!("https://app.callrail.com/calls/CAL{number}/recording?access_key=abc");
    json!({"id": format!("CAL{number}"), "answered": true, "recording": recording})
}

fn with(mut list: Value, name: &str, items: Value) -> Value {
    list[name] = items;
    list
}

/// A page of calls.
fn calls(seen: &Seen, origin: &str) -> Reply {
    let number = |name| parameter(seen, name).and_then(|text| text.parse::<usize>().ok());
    let per_page = number("per_page").unwrap_or(100);
    if parameter(seen, "relative_pagination").as_deref() != Some("true") {
        let page = number("page").unwrap_or(1);
        let shown = (1..=CALLS).skip((page - 1) * per_page).take(per_page);
        let list = json!({
            "page": page, "per_page": per_page, "total_records": CALLS,
            "total_pages": CALLS.div_ceil(per_page),
        });
        return Reply::json(200, &with(list, "calls", shown.map(call).collect()));
    }
    let offset = number("offset").unwrap_or(0);
    let shown = (1..=CALLS).skip(offset).take(per_page);
    let more = offset + per_page < CALLS;
    let target = format!("{origin}{}", path(seen));
    let next = format!(
        "{target}?relative_pagination=true&per_page={per_page}&offset={}",
        offset + per_page
    );
    let list =
        json!({"per_page": per_page, "has_next_page": more, "next_page": more.then_some(&next)});
    let reply = Reply::json(200, &with(list, "calls", shown.map(call).collect()));
    if more { reply.with("Link", format!("<{next}>; rel=\"next\"")) } else { reply }
}
