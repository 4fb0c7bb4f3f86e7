//! `bitting key …`

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::application::{catalog_for, now, open, principal};
use super::failure::Failure;
use super::find_key::find;
use super::key_changes::{Limits, Rotate, Set, read_expiry, rotate, set};
use super::key_filters::Filters;
use super::key_revoke;
use super::key_revoke::Revoke;
use super::key_shown::{
    in_a_sentence, list, not_found, parse_id, show_changed_key, show_key, show_new_key,
};
use super::output::{say, show};
use super::transfer;
use super::transfer::{Export, Import};
use crate::config::Settings;
use crate::domain;
use crate::model::key::NewKey;
use crate::store::database::migrate::Missing;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key; it is printed once, alone on standard output
    #[command(after_help = "\
Examples:
  bitting key create --name ci --scope calls:read
  bitting key create --name sync --scope leads:read --scope leads:write --expires 1y
  bitting key create --name door --scope calls:read --expires never
  bitting key create --name sync --scope calls:read --rate-limit 600/minute --quota 50000/day
  KEY=$(bitting key create --name shell --scope calls:read)

Write does not include read: give both where both are needed.")]
    Create(Create),
    /// List keys, newest first
    #[command(after_help = "\
Examples:
  bitting key list --status active
  bitting key list --unused-for 90d
  bitting key list --over-scoped --scope leads:write

Use is known here within two minutes, and which scopes were used within about an hour.")]
    List {
        #[command(flatten)]
        filters: Filters,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Change a key's owner and limits, or take away from its scopes and its life
    #[command(after_help = "\
Examples:
  bitting key set key_01… --rate-limit 600/minute --quota 50000/day
  bitting key set key_01… --allow-network 10.0.0.0/8 --allow-network 203.0.113.9
  bitting key set key_01… --rate-limit none
  bitting key set key_01… --scope calls:read --expires 30d

What is not given stays as it is; none removes a limit. Networks and scopes that are given replace
all others. Scopes and life only ever shrink: what a key has lost it never gets back. Every running
server follows within a second.")]
    Set(Set),
    /// Put a new key in the place of one; the new key is printed once, alone on standard output
    #[command(after_help = "\
Examples:
  bitting key rotate key_01…
  bitting key rotate key_01… --overlap 30d --expires 1y
  KEY=$(bitting key rotate key_01… --overlap 0)

The new key has the name, owner, description, scopes and limits of the old one, which goes on working
for the overlap, or until its own expiry if that comes before.")]
    Rotate(Rotate),
    /// Make a user responsible for a key, or nobody
    #[command(after_help = "\
Examples:
  bitting key assign key_01… --to ada@example.com
  bitting key assign key_01… --to none

A member sees, edits and revokes the keys they hold. Who made a key stays on record.")]
    Assign {
        /// The key's id, key_…
        id: String,
        /// The e-mail address of a user who is neither disabled nor an auditor, or none
        #[arg(long, value_name = "EMAIL|none")]
        to: String,
        /// Print the key as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show one key with its usage
    Show {
        /// The key's id, key_…
        id: String,
        /// Print the key as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Find a key by the key itself, which is read from standard input
    #[command(after_help = "\
Examples:
  bitting key find - < found.txt
  bitting key find -                 # at a terminal, the key is asked for and not shown

A key that was revoked or has expired is found too.")]
    Find {
        /// - for standard input: arguments are seen by others and kept by shells
        source: String,
        /// Print the key as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Revoke keys permanently; every running server refuses them within a second
    #[command(after_help = "\
Examples:
  bitting key revoke key_01… --reason \"leaked in a log\"
  bitting key revoke --unused-for 1y --confirm 0

Several ids may be given. Filters find active keys unless --status says otherwise. At a terminal they are listed, and you are
asked; otherwise --confirm says how many there must be. If there is no key with one of the ids, or
another number of keys, nothing is revoked.")]
    Revoke(Revoke),
    /// Import keys made elsewhere by their SHA-256, so that nobody needs a new key
    #[command(after_help = "\
Examples:
  bitting key import keys.csv --dry-run
  bitting key import - --format jsonl < keys.jsonl
  bitting key import keys.csv --json > report.jsonl

Columns (or members): name, scopes, sha256, and optionally description, owner, expires_at, display,
rate_limit (600/minute), quota (50000/day), allowed_networks (with a space between);
the columns of `key export` work too. Cells are separated by commas, semicolons or tabs, scopes
in one cell by spaces, commas or semicolons; in JSON they are a list.
Invalid lines are reported and skipped, and the others are imported; the exit code is then 1.
Importing a file again changes nothing.

Only keys made of at least 128 random bits are safe to import: of a password that can be guessed,
a SHA-256 is no protection.")]
    Import(Import),
    /// Write every key to standard output, never with its secret
    #[command(after_help = "\
Examples:
  bitting key export > keys.csv
  bitting key export --status active --with-digests --format jsonl > keys.jsonl")]
    Export(Export),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A name for people, 1 to 100 characters
    #[arg(long)]
    name: String,
    /// A scope, such as calls:read; repeat the option for more
    #[arg(long, required = true, value_name = "SCOPE")]
    scope: Vec<String>,
    /// A time from now (90d, 1y), a date (2027-01-31, its end), an RFC 3339 time, or never
    #[arg(long, default_value = "90d", value_name = "WHEN")]
    expires: String,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Whose it is: a customer or a team of yours; has no effect on what the key may do
    #[arg(long)]
    owner: Option<String>,
    #[command(flatten)]
    limits: Limits,
    /// Print a JSON object that holds the key
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: KeyCommand, settings: &Settings) -> Result<(), Failure> {
    match command {
        KeyCommand::Create(arguments) => create(arguments, settings),
        KeyCommand::Import(arguments) => transfer::import(&arguments, settings),
        KeyCommand::Export(arguments) => transfer::export(&arguments, settings),
        KeyCommand::List { filters, json } => {
            let bitting = open(settings, Missing::Refuse)?;
            list(&bitting, &filters.read(&bitting)?, json)
        }
        KeyCommand::Show { id, json } => {
            let id = parse_id(&id)?;
            let bitting = open(settings, Missing::Refuse)?;
            let key = bitting.find_key(&principal(), id).map_err(|why| not_found(why, id))?;
            show_key(&bitting, &key, json)
        }
        KeyCommand::Set(arguments) => set(&arguments, settings),
        KeyCommand::Rotate(arguments) => rotate(&arguments, settings),
        KeyCommand::Find { source, json } => find(&source, json, settings),
        KeyCommand::Assign { id, to, json } => {
            let id = parse_id(&id)?;
            let bitting = open(settings, Missing::Refuse)?;
            let holder = if to == "none" { Value::Null } else { json!(to) };
            let patch = Map::from_iter([("holder".to_owned(), holder)]);
            let edited = bitting.edit_key(id, patch, &principal());
            let key = edited.map_err(|why| match why {
                domain::Error::Invalid(errors) => {
                    Failure::Usage(errors.summary_naming(|_| "--to".to_owned()))
                }
                other => not_found(other, id),
            })?;
            if json {
                return show_changed_key(&bitting, &key, true);
            }
            match &key.holder {
                Some(holder) => show(format_args!("{id} is held by {holder}")),
                None => show(format_args!("{id} is held by nobody")),
            }
        }
        KeyCommand::Revoke(arguments) => key_revoke::run(&arguments, settings),
    }
}

fn create(arguments: Create, settings: &Settings) -> Result<(), Failure> {
    let expires_at = read_expiry(&arguments.expires)?;
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(arguments.name));
    object.insert("scopes".to_owned(), json!(arguments.scope));
    object.insert("description".to_owned(), json!(arguments.description));
    object.insert("owner".to_owned(), json!(arguments.owner));
    object.insert("expires_at".to_owned(), json!(expires_at));
    object.extend(arguments.limits.fields());
    let catalog = catalog_for(&arguments.scope, settings)?;
    let new = NewKey::from_object(&object, &catalog, now())?;

    let bitting = open(settings, Missing::Create)?;
    let issued = bitting.issue_key(new, &principal(), None)?;
    if !arguments.json {
        say(format_args!("{}. The key is shown only once:", in_a_sentence(&issued.key)));
    }
    show_new_key(&issued.key, &issued.secret, &bitting, arguments.json)
}
