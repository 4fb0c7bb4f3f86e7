//! `bitting key revoke`: one key, several, or all that the filters find.

use clap::Args;

use super::application::{open, principal};
use super::confirm::{confirm, somebody_is_there};
use super::failure::Failure;
use super::key_filters::Filters;
use super::key_shown::{not_found, parse_id, show_changed_key};
use super::output::{plain, say, show, show_json};
use crate::config::Settings;
use crate::domain::Bitting;
use crate::model::id::KeyId;
use crate::model::key::ApiKey;
use crate::model::key_choice::{KeyChoice, RevokeMany, counted_keys};
use crate::model::key_filter::{KeyFilter, KeyOrder, KeySort};
use crate::model::time::format as format_time;
use crate::store::database::migrate::Missing;

/// How many keys are listed before somebody is asked.
const NAMED: usize = 50;

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The keys' ids, key_…
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    filters: Filters,
    /// How many keys the filters must find; without a terminal to ask at, this is needed
    #[arg(long, value_name = "NUMBER")]
    confirm: Option<usize>,
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
    /// Revoke its whole line: also what it has replaced, and what has replaced it
    #[arg(long)]
    lineage: bool,
    /// Print the key as a JSON object; of several keys, their ids
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Revoke, settings: &Settings) -> Result<(), Failure> {
    let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
    let ids = arguments.ids.iter().map(|id| parse_id(id)).collect::<Result<Vec<_>, _>>()?;
    match (ids.as_slice(), arguments.filters.is_empty()) {
        ([], true) => {
            usage("no keys are named; give their ids, or filters such as --unused-for 90d")
        }
        ([_, ..], false) => usage("give either ids or filters"),
        (ids, _) if arguments.lineage && ids.len() != 1 => usage("--lineage goes with one id"),
        ([_, ..], true) if arguments.confirm.is_some() => usage("--confirm goes with filters"),
        ([id], true) => one(*id, arguments, settings),
        (_, true) => several(KeyChoice::Ids(ids), arguments, &open(settings, Missing::Refuse)?),
        ([], false) => {
            let bitting = open(settings, Missing::Refuse)?;
            let filter = KeyChoice::to_revoke(arguments.filters.read(&bitting)?);
            let confirm = match arguments.confirm {
                Some(confirm) => confirm,
                None => ask(&bitting, &filter)?,
            };
            several(KeyChoice::Found { filter, confirm }, arguments, &bitting)
        }
    }
}

fn one(id: KeyId, arguments: &Revoke, settings: &Settings) -> Result<(), Failure> {
    let bitting = open(settings, Missing::Refuse)?;
    let before = bitting.find_key(&principal(), id).map_err(|why| not_found(why, id))?;
    let (reason, principal) = (arguments.reason.as_deref(), principal());
    let line = match arguments.lineage {
        true => bitting.line_of_key(&principal, &before)?,
        false => Vec::new(),
    };
    let key = match arguments.lineage {
        true => bitting.revoke_line(id, reason, &principal, None)?,
        false => bitting.revoke_key(id, reason, &principal, None)?,
    };
    if before.revocation.is_some() && !arguments.lineage {
        say(format_args!("it was already revoked; nothing was changed"));
    }
    if arguments.json {
        return show_changed_key(&bitting, &key, true);
    }
    let at = key.revocation.as_ref().map(|revocation| format_time(revocation.at));
    show(format_args!("{id} revoked at {}", at.unwrap_or_default()))?;
    let goes_along = |other: &&ApiKey| other.id != id && other.revocation.is_none();
    for other in line.iter().filter(goes_along) {
        show(format_args!("{} revoked with it", other.id))?;
    }
    Ok(())
}

fn several(keys: KeyChoice, arguments: &Revoke, bitting: &Bitting) -> Result<(), Failure> {
    let request = RevokeMany { keys, reason: arguments.reason.clone() };
    let done = bitting.revoke_keys(&request, &principal(), None)?;
    if arguments.json {
        return show_json(&done);
    }
    for id in &done.already_revoked {
        show(format_args!("{id} was already revoked"))?;
    }
    for id in &done.revoked {
        show(format_args!("{id} revoked"))?;
    }
    say(format_args!("{} revoked, {} already", done.revoked.len(), done.already_revoked.len()));
    Ok(())
}

/// Lists what a filter finds, and asks whether to revoke it. Returns how many keys that are.
fn ask(bitting: &Bitting, filter: &KeyFilter) -> Result<usize, Failure> {
    let by_name = KeyOrder::by(KeySort::Name);
    let numbers = bitting.numbers_of_keys(&principal(), filter, by_name)?;
    let found = numbers.len();
    if !somebody_is_there() {
        let keys = counted_keys(found);
        let said =
            format!("the filters find {keys}; give --confirm {found} to revoke what they find");
        return Err(Failure::Usage(said));
    }
    for key in bitting.keys_by_number(&numbers[..found.min(NAMED)])? {
        say(format_args!("{} {}", key.id, plain(&key.label.name)));
    }
    if found > NAMED {
        say(format_args!("and {} more", found - NAMED));
    }
    confirm(format_args!(
        "This revokes {} permanently. Type yes to continue:",
        counted_keys(found)
    ))?;
    Ok(found)
}
