//! Keys that are pasted into forms: none is stored, and no answer repeats one. The fields are those
//! that the pages have, so that one that is added is tried, too.

use std::collections::BTreeSet;

use super::page_forms::{EMAIL, FORMS, Form, filled_in, furnished};
use crate::support::Browser;
use crate::support::html::attributes;

/// What has to be chosen for a field to count.
const CHOSEN: [(&str, (&str, &str)); 3] = [
    ("expires_on", ("expires", "date")),
    ("may_grant", ("bounds", "some")),
    ("transfer_to", ("holdings", "transfer")),
];

/// Fields in which any text does, beside those of a vendor's credential: passwords, ticks that any other
/// text leaves out, and what only tells forms and pages apart.
const TAKEN: [&str; 7] = ["next", "nonce", "password", "recordings", "shown", "standing", "try"];

/// Pastes a key into each field of a form, from this one on, as long as the form is refused. Returns
/// which field is to be next; none when each had its turn.
fn paste(form: Form, from: usize) -> Option<usize> {
    let (server, mut things) = furnished(form.1);
    let base = server.client.base.as_str();
    let browser = match form.1 {
        "/login" | "/setup" | "/password" => Browser::new(base),
        _ => Browser::signed_in(base, EMAIL),
    };
    let session = server.database.db_texts("SELECT id FROM sessions").pop();
    things.push(("session", session.unwrap_or_default()));
    let [page, path, typed] = [form.0, form.1, form.2].map(|text| filled_in(text, &things));
    let typed: Vec<_> = form_urlencoded::parse(typed.as_bytes()).into_owned().collect();
    let names = attributes(&browser.get(&page), &format!("form[action='{path}'] [name]"), "name");
    let names: BTreeSet<String> = names.into_iter().filter(|name| name != "form_token").collect();
    let pasted = server.key("calls:read").secret;
    let (_, body) = pasted.split_once('_').unwrap();
    let mut next = None;
    for (place, name) in names.iter().enumerate().skip(from) {
        let chosen = CHOSEN.iter().find(|(field, _)| field == name).map(|(_, chosen)| *chosen);
        let mut fields: Vec<(&str, &str)> = chosen.into_iter().collect();
        let others = typed.iter().map(|(name, value)| (&**name, &**value));
        let stays = |other: &str| other != name && chosen.is_none_or(|(chosen, _)| chosen != other);
        fields.extend(others.filter(|(other, _)| stays(other)));
        fields.push((name, &pasted));
        let answer = browser.submit(&page, &path, &fields);
        let shown = format!("{answer:?}");
        assert!(!shown.contains(&body[..20]), "{path} {name}: {shown}");
        let refused = (400..500).contains(&answer.status);
        let is_taken = TAKEN.contains(&&**name) || name.starts_with("credential_");
        assert!(refused || is_taken || path == "/keys/search", "{path} {name}: {shown}");
        if !refused {
            next = Some(place + 1);
            break;
        }
    }
    for file in ["test.db", "test.db-wal"] {
        let stored = std::fs::read(server.database.folder().join(file)).unwrap();
        let stored = String::from_utf8_lossy(&stored);
        assert!(!stored.contains(body), "{path}: {file} holds the key");
    }
    next
}

#[test]
fn no_form_keeps_a_key_or_is_shown_again_with_one() {
    for form in FORMS {
        let mut next = Some(0);
        // What was taken may have changed what the form is about.
        while let Some(field) = next {
            next = paste(form, field);
        }
    }
}

#[test]
fn the_key_that_a_form_makes_is_shown_this_once() {
    let (server, _) = furnished("/keys/new");
    let (browser, pasted) = (server.db_browser(EMAIL), server.key("calls:read").secret);
    let fields =
        [("name", "n8n"), ("expires", "7d"), ("scope", "calls:read"), ("remark", &*pasted)];
    let made = browser.submit("/keys/new", "/keys/new", &fields);
    assert!(made.status == 200 && made.body.contains(">btk_"), "{}", made.body);
}
