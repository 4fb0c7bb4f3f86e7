//! Keys as commands name them and show them.

use super::application::principal;
use super::failure::Failure;
use super::output::{plain, say, show, show_json, show_once, show_table};
use crate::domain;
use crate::domain::Bitting;
use crate::model::actor::Actor;
use crate::model::id::KeyId;
use crate::model::key::ApiKey;
use crate::model::key_filter::KeyFilter;
use crate::model::page::{Limit, PageRequest};
use crate::model::secret::{Secret, mask};
use crate::model::time::{format as format_time, last_day};
use crate::model::usage::{Outcome, Source, Tally, Usage};
use crate::model::view::{KeyDetailView, KeyView, NewKeyView};
use crate::model::words::Word;

/// What is said of a key that was given as an argument.
pub(super) const KEY_IN_ARGUMENT: &str = "arguments are seen by others and kept by shells, so regard \
     a key that was one as leaked; `bitting key find -` reads it from standard input";

/// The id of a key as it was typed.
pub(super) fn parse_id(text: &str) -> Result<KeyId, Failure> {
    if mask(text) != text {
        return Err(Failure::Usage(format!(
            "a key stands where its id belongs, and {KEY_IN_ARGUMENT}"
        )));
    }
    text.trim().parse().map_err(|_| {
        Failure::Usage(format!(
            "{:?} is not the id of a key, which is key_ followed by 26 characters",
            plain(text)
        ))
    })
}

/// Says how to find an id where there is no such key.
pub(super) fn not_found(error: domain::Error, id: KeyId) -> Failure {
    match error {
        domain::Error::NotFound => {
            Failure::Failed(format!("there is no key {id}; `bitting key list` shows the ids"))
        }
        other => other.into(),
    }
}

/// What a new key may do, and until when.
pub(super) fn in_a_sentence(key: &ApiKey) -> String {
    let until = key
        .expires_at
        .map_or("never expires".to_owned(), |at| format!("expires {}", format_time(at)));
    format!("{} may {}, {until}", key.id, key.scopes)
}

/// Prints a new key, this once: alone, or in a JSON object.
pub(super) fn show_new_key(
    key: &ApiKey,
    secret: &Secret,
    bitting: &Bitting,
    json: bool,
) -> Result<(), Failure> {
    if !json {
        return show_once(key.id, format_args!("{}", secret.expose()));
    }
    let usage = Usage::default();
    let view = KeyView::new(key, &usage, bitting.time.now(), &bitting.catalog);
    let json = serde_json::to_string(&NewKeyView::new(view, secret))?;
    show_once(key.id, format_args!("{json}"))
}

/// Prints a table of keys, or an object for each.
pub(super) fn list(bitting: &Bitting, filter: &KeyFilter, json: bool) -> Result<(), Failure> {
    let limit = Limit::parse("100").map_err(Failure::Failed)?;
    let mut request = PageRequest { limit, cursor: None };
    let mut rows = Vec::new();
    loop {
        let page = bitting.list_keys(&principal(), filter, &request)?;
        let numbers: Vec<_> = page.items.iter().map(|key| key.number).collect();
        let usage = bitting.usage_of(&numbers)?;
        for key in &page.items {
            let usage = usage.get(&key.number).cloned().unwrap_or_default();
            if json {
                show_json(&KeyView::new(key, &usage, bitting.time.now(), &bitting.catalog))?;
            } else {
                rows.push(row(bitting, key, &usage));
            }
        }
        match page.next {
            Some(next) => request.cursor = Some(next),
            None => break,
        }
    }
    if json {
        return Ok(());
    }
    if rows.is_empty() {
        say(format_args!("No keys found. `bitting key create --help` explains how to make one."));
    }
    show_table(
        ["ID", "NAME", "KEY", "STATUS", "SCOPES", "EXPIRES", "LAST USED", "24H", "30D", "HOLDER"],
        &rows,
    )
}

fn row(bitting: &Bitting, key: &ApiKey, usage: &Usage) -> [String; 10] {
    let day = |at: Option<_>, none: &str| {
        at.map_or(none.to_owned(), |at| format_time(at)[..10].to_owned())
    };
    let leaked = key.leaked_at.map(|_| ",leaked");
    [
        key.id.to_string(),
        plain(&key.label.name),
        key.display.clone(),
        format!("{}{}", key.status(bitting.time.now()).as_str(), leaked.unwrap_or_default()),
        bitting.catalog.marked(&key.scopes, ","),
        day(key.expires_at.map(last_day), "never"),
        day(usage.last_used_at(), "never"),
        usage.windows.day.total().to_string(),
        usage.windows.month.total().to_string(),
        key.holder.as_ref().map(ToString::to_string).unwrap_or_default(),
    ]
}

/// Prints a key with its usage, as JSON or for people.
pub(super) fn show_key(bitting: &Bitting, key: &ApiKey, json: bool) -> Result<(), Failure> {
    show_used_key(bitting, key, Some(&bitting.use_of_key(key.number)?), json)
}

/// Prints a key that has just been changed, with its usage if that can be read.
pub(super) fn show_changed_key(bitting: &Bitting, key: &ApiKey, json: bool) -> Result<(), Failure> {
    let usage = bitting.use_of_key(key.number);
    if let Err(why) = &usage {
        say(format_args!("{} is changed; how it was used cannot be read: {why}", key.id));
    }
    show_used_key(bitting, key, usage.ok().as_ref(), json)
}

fn show_used_key(
    bitting: &Bitting,
    key: &ApiKey,
    usage: Option<&(Usage, Vec<Source>)>,
    json: bool,
) -> Result<(), Failure> {
    let addresses = usage.map(|(_, addresses)| &addresses[..]);
    let usage = usage.map(|(usage, _)| usage);
    if json {
        let key = KeyView::new(key, usage, bitting.time.now(), &bitting.catalog);
        return show_json(&KeyDetailView::new(key, addresses));
    }
    let used = usage.map(lines_about_use).into_iter().flatten();
    for (name, value) in lines_about(key, bitting).into_iter().chain(used) {
        show(format_args!("{name:<13} {}", plain(&value)))?;
    }
    for source in addresses.unwrap_or_default() {
        let agent = source.user_agent.as_deref().unwrap_or("no user agent");
        let at = format_time(source.at);
        show(format_args!("{:<13} {} at {at}, {}", "used from", source.address, plain(agent)))?;
    }
    Ok(())
}

/// What is known of a key, as people read it; what is not known is left out.
fn lines_about(key: &ApiKey, bitting: &Bitting) -> Vec<(&'static str, String)> {
    let by = |actor: &Actor| format!("{} ({})", actor.name, actor.kind.as_str());
    let made = if key.imported { "imported" } else { "created" };
    let mut lines = vec![
        ("id", key.id.to_string()),
        ("name", key.label.name.clone()),
        ("key", key.display.clone()),
        ("status", key.status(bitting.time.now()).as_str().to_owned()),
        (
            "leaked",
            key.leaked_at.map(|at| format!("reported {}", format_time(at))).unwrap_or_default(),
        ),
        ("scopes", bitting.catalog.marked(&key.scopes, " ")),
        ("owner", key.label.owner.clone().unwrap_or_default()),
        ("holder", key.holder.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("description", key.label.description.clone().unwrap_or_default()),
        (made, format!("{} by {}", format_time(key.created_at), by(&key.created_by))),
        ("expires", key.expires_at.map_or("never".to_owned(), format_time)),
        ("rate limit", key.limits.rate_limit.map(|limit| limit.to_string()).unwrap_or_default()),
        ("quota", key.limits.quota.map(|quota| quota.to_string()).unwrap_or_default()),
        (
            "allowed from",
            key.limits.allowed_networks.as_ref().map(ToString::to_string).unwrap_or_default(),
        ),
    ];
    let id = |id: Option<KeyId>| id.map(|id| id.to_string()).unwrap_or_default();
    lines.extend([("replaces", id(key.replaces)), ("replaced by", id(key.replaced_by))]);
    if let Some(revocation) = &key.revocation {
        let why = revocation.reason.as_ref().map(|reason| format!(": {reason}"));
        let (at, by) = (format_time(revocation.at), by(&revocation.by));
        lines.push(("revoked", format!("{at} by {by}{}", why.unwrap_or_default())));
    }
    lines.retain(|(_, value)| !value.is_empty());
    lines
}

/// How much a key was used, as people read it.
fn lines_about_use(usage: &Usage) -> [(&'static str, String); 5] {
    let windows = &usage.windows;
    [
        ("last used", usage.last_used_at().map_or("never".to_owned(), format_time)),
        ("last 24 hours", in_words(&windows.day)),
        ("last 7 days", in_words(&windows.week)),
        ("last 30 days", in_words(&windows.month)),
        ("ever", in_words(&usage.lifetime)),
    ]
}

/// `12 requests: 10 ok, 2 forbidden`
fn in_words(tally: &Tally) -> String {
    let outcomes = Outcome::ALL.iter().filter(|outcome| tally.of(**outcome) > 0);
    let parts: Vec<String> =
        outcomes.map(|o| format!("{} {}", tally.of(*o), o.as_str().replace('_', " "))).collect();
    let separator = if parts.is_empty() { "" } else { ": " };
    let requests = if tally.total() == 1 { "request" } else { "requests" };
    format!("{} {requests}{separator}{}", tally.total(), parts.join(", "))
}
