//! Commands that make and change connections.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::application::{open, principal};
use super::super::confirm::{confirm, somebody_is_there};
use super::super::failure::Failure;
use super::super::output::{plain, say, show, show_json};
use super::arguments::{Add, One, Profile, Set};
use super::credential;
use super::shown::{find, parse_handle, tell_state, view};
use crate::config::Settings;
use crate::domain::Bitting;
use crate::domain::connections::adding::Added;
use crate::model::connections::{Handle, NewConnection};
use crate::store::database::migrate::Missing;

impl Profile {
    /// The options that are given, as the JSON that is read elsewhere; `none` stands for null.
    fn into_object(self) -> Result<Map<String, Value>, Failure> {
        let text = |text: Option<String>| {
            text.map(|text| if text == "none" { Value::Null } else { json!(text) })
        };
        let rules = match self.rules_file {
            Some(file) => Some(json!(read_rules(&file)?)),
            None if self.rules.is_empty() => None,
            None if self.rules == ["none"] => Some(Value::Null),
            None => Some(json!(self.rules)),
        };
        let given = [
            ("name", self.name.map(Value::from)),
            ("description", text(self.description)),
            ("account", text(self.account)),
            ("standing", self.standing.map(Value::from)),
            ("recordings", self.recordings.map(Value::from)),
            ("limit", text(self.limit)),
            ("key_limit", text(self.key_limit)),
            ("rules", rules),
            ("test_path", text(self.test_path)),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(given.collect())
    }
}

/// The rules in a file, without empty lines and those that begin with `#`.
fn read_rules(file: &Path) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|why| Failure::Failed(format!("{}: {why}", file.display())))?;
    let lines = text.lines().map(str::trim);
    Ok(lines.filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect())
}

pub(super) fn add(arguments: Add, settings: &Settings) -> Result<(), Failure> {
    let mut object = arguments.profile.into_object()?;
    object.insert("handle".to_owned(), json!(arguments.handle));
    object.insert("kind".to_owned(), json!(arguments.kind));
    for (name, value) in [("base_url", arguments.base_url), ("auth", arguments.auth)] {
        if let Some(value) = value {
            object.insert(name.to_owned(), json!(value));
        }
    }
    let new = NewConnection::from_object(&object)?;
    let bitting = open(settings, Missing::Create)?;
    // Before anybody types a secret.
    bitting.connections.keys.writer().map_err(|why| Failure::Failed(why.to_owned()))?;
    let credential = credential::ask(&new.kind.credential_fields(new.form.as_ref()))?;
    let added = bitting.add_connection(&principal(), new, &credential, arguments.untested)?;
    tell_accounts(&added);
    if arguments.json {
        return show_json(&view(&bitting, &added.connection));
    }
    tell_state(&bitting, &added.connection)
}

/// What else a credential opens than one may think.
fn tell_accounts(added: &Added) {
    let Added { connection, accounts } = added;
    if connection.profile.account.is_none() && accounts.len() > 1 {
        let (handle, accounts) = (&connection.handle, plain(&accounts.join(", ")));
        say(format_args!(
            "its credential sees {accounts}; `bitting connection set {handle} --account ACCOUNT` \
             limits it to one"
        ));
    }
}

pub(super) fn set(arguments: Set, settings: &Settings) -> Result<(), Failure> {
    let patch = arguments.profile.into_object()?;
    if patch.is_empty() {
        return Err(Failure::Usage("give what is to be changed; see --help".to_owned()));
    }
    let (bitting, handle) = (open(settings, Missing::Refuse)?, parse_handle(&arguments.handle)?);
    find(&bitting, &handle)?;
    let changed = bitting.edit_connection(&principal(), &handle, patch)?;
    if arguments.json {
        return show_json(&view(&bitting, &changed));
    }
    show(format_args!("{handle} changed"))
}

pub(super) fn set_credential(
    handle: &str,
    untested: bool,
    settings: &Settings,
) -> Result<(), Failure> {
    let (bitting, handle) = (open(settings, Missing::Refuse)?, parse_handle(handle)?);
    let present = find(&bitting, &handle)?;
    bitting.connections.keys.writer().map_err(|why| Failure::Failed(why.to_owned()))?;
    let credential = credential::ask(&present.credential_fields())?;
    let added = bitting.set_connection_credential(&principal(), &handle, &credential, untested)?;
    tell_accounts(&added);
    tell_state(&bitting, &added.connection)
}

pub(super) fn switch(one: &One, on: bool, settings: &Settings) -> Result<(), Failure> {
    let (bitting, handle) = (open(settings, Missing::Refuse)?, parse_handle(&one.handle)?);
    find(&bitting, &handle)?;
    let changed = bitting.switch_connection(&principal(), &handle, on)?;
    if one.json {
        return show_json(&view(&bitting, &changed));
    }
    tell_state(&bitting, &changed)
}

pub(super) fn remove(handle: &str, yes: bool, settings: &Settings) -> Result<(), Failure> {
    let (bitting, handle) = (open(settings, Missing::Refuse)?, parse_handle(handle)?);
    find(&bitting, &handle)?;
    let reach = keys_in_words(&bitting, &handle)?;
    say(format_args!(
        "Removing {handle} erases its credential, and the handle is never given again. {reach}"
    ));
    if !yes && somebody_is_there() {
        confirm(format_args!("Type yes to continue:"))?;
    }
    bitting.remove_connection(&principal(), &handle)?;
    show(format_args!("{handle} removed"))
}

/// Which keys reach it.
fn keys_in_words(bitting: &Bitting, handle: &Handle) -> Result<String, Failure> {
    let keys = bitting.keys_that_reach(&principal(), handle)?;
    if keys.is_empty() {
        return Ok("No key reaches it.".to_owned());
    }
    let named = keys.iter().map(|(id, name)| format!("{id} ({})", plain(name)));
    let named = named.collect::<Vec<_>>().join(", ");
    Ok(format!("These keys keep their scopes at it, which open nothing then: {named}."))
}

pub(super) fn rekey(settings: &Settings) -> Result<(), Failure> {
    let bitting = open(settings, Missing::Refuse)?;
    let sealed = bitting.rekey_connections(&principal())?;
    let keys = &bitting.connections.keys;
    let key = keys.writer().map_err(|why| Failure::Failed(why.to_owned()))?.id();
    show(format_args!("{sealed} sealed with the master key {key}"))
}
