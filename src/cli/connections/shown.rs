//! Commands that look at connections and test them.

use super::super::application::{open, principal};
use super::super::failure::Failure;
use super::super::output::{plain, show, show_json, show_table};
use super::arguments::One;
use crate::config::Settings;
use crate::domain::{Bitting, Error};
use crate::model::connections::{Connection, ConnectionView, Handle};
use crate::model::time::format as format_time;
use crate::model::words::Word;
use crate::store::database::migrate::Missing;

pub(super) fn parse_handle(text: &str) -> Result<Handle, Failure> {
    text.parse().map_err(|why| Failure::Usage(format!("the handle {:?} {why}", plain(text))))
}

/// The connection with this handle, or a word about where to find those there are.
pub(super) fn find(bitting: &Bitting, handle: &Handle) -> Result<Connection, Failure> {
    bitting.find_connection(&principal(), handle).map_err(|why| match why {
        Error::NotFound => Failure::Failed(format!(
            "there is no connection {handle}; `bitting connection list` shows them"
        )),
        other => other.into(),
    })
}

pub(super) fn view<'a>(bitting: &Bitting, connection: &'a Connection) -> ConnectionView<'a> {
    ConnectionView::new(connection, bitting.state_of(connection))
}

/// Prints a connection's state in a line.
pub(super) fn tell_state(bitting: &Bitting, connection: &Connection) -> Result<(), Failure> {
    let (state, why) = bitting.state_of(connection);
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    show(format_args!("{} {}{}", connection.handle, state.as_str(), plain(&why)))
}

pub(super) fn list(json: bool, settings: &Settings) -> Result<(), Failure> {
    let bitting = open(settings, Missing::Refuse)?;
    let all = bitting.list_connections(&principal())?;
    if json {
        return all.iter().try_for_each(|connection| show_json(&view(&bitting, connection)));
    }
    let row = |connection: &Connection| {
        let tested = connection.test.as_ref().map(|test| format_time(test.at));
        [
            connection.handle.to_string(),
            connection.kind.as_str().to_owned(),
            bitting.state_of(connection).0.as_str().to_owned(),
            tested.unwrap_or_else(|| "never".to_owned()),
            plain(&connection.profile.name),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    show_table(["HANDLE", "KIND", "STATE", "TESTED", "NAME"], &rows)
}

pub(super) fn show_one(one: &One, settings: &Settings) -> Result<(), Failure> {
    let (bitting, handle) = (open(settings, Missing::Refuse)?, parse_handle(&one.handle)?);
    let connection = find(&bitting, &handle)?;
    if one.json {
        return show_json(&view(&bitting, &connection));
    }
    tell_state(&bitting, &connection)?;
    let profile = &connection.profile;
    let yes = |yes: bool| (if yes { "yes" } else { "no" }).to_owned();
    let limit = |limit: Option<String>| limit.unwrap_or_else(|| "none".to_owned());
    let test = connection
        .test
        .as_ref()
        .map(|test| format!("{} by {}, {} ms", format_time(test.at), test.by, test.milliseconds));
    let ends = connection.hint.as_ref().map(|end| format!("…{end}"));
    for (name, value) in [
        ("id", connection.id.to_string()),
        ("name", profile.name.clone()),
        ("description", profile.description.clone().unwrap_or_default()),
        ("kind", connection.kind.as_str().to_owned()),
        ("base url", connection.origin.to_string()),
        ("auth", connection.form.to_string()),
        ("credential", ends.unwrap_or_else(|| "not shown".to_owned())),
        ("tested", test.unwrap_or_else(|| "never".to_owned())),
        ("account", profile.account.clone().unwrap_or_else(|| "any".to_owned())),
        ("standing calls", yes(profile.standing)),
        ("recordings", yes(profile.recordings)),
        ("limit", limit(profile.limit.map(|limit| limit.to_string()))),
        ("limit of a key", limit(profile.key_limit.map(|limit| limit.to_string()))),
    ] {
        show(format_args!("  {name:<15} {}", plain(&value)))?;
    }
    if connection.kind.offered().is_none() {
        let path = profile.test_path.as_deref().unwrap_or("nothing");
        show(format_args!("  {:<15} {path}", "tested with"))?;
        show(format_args!("  {:<15} {}", "rules", profile.rules.rows().len()))?;
        profile.rules.rows().iter().try_for_each(|rule| show(format_args!("    {rule}")))?;
    }
    let keys = bitting.keys_that_reach(&principal(), &handle)?;
    show(format_args!("  {:<15} {}", "keys", keys.len()))?;
    keys.iter().try_for_each(|(id, name)| show(format_args!("    {id}  {}", plain(name))))
}

pub(super) fn rules(handle: &str, settings: &Settings) -> Result<(), Failure> {
    let (bitting, handle) = (open(settings, Missing::Refuse)?, parse_handle(handle)?);
    let connection = find(&bitting, &handle)?;
    connection.table().rows().iter().try_for_each(|row| show(format_args!("{row}")))
}

pub(super) fn test(one: &One, settings: &Settings) -> Result<(), Failure> {
    let (bitting, handle) = (open(settings, Missing::Refuse)?, parse_handle(&one.handle)?);
    find(&bitting, &handle)?;
    let tested = bitting.test_connection(&principal(), &handle)?;
    if one.json {
        show_json(&view(&bitting, &tested))?;
    }
    let result = tested.test.as_ref().filter(|test| test.detail.is_some());
    match result {
        Some(test) => Err(Failure::Failed(format!(
            "{handle} {}: {}",
            test.result.as_str(),
            plain(test.detail.as_deref().unwrap_or_default())
        ))),
        None if one.json => Ok(()),
        None => tell_state(&bitting, &tested),
    }
}
