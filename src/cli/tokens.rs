//! `bitting token …`

use clap::{Args, Subcommand};
use serde_json::{Map, json};

use super::application::{catalog_for, now, open, principal};
use super::failure::Failure;
use super::output::{plain, say, show, show_json, show_once, show_table};
use crate::config::Settings;
use crate::domain::Error;
use crate::model::id::TokenId;
use crate::model::time::{format as format_time, last_day, parse_expiry};
use crate::model::token::NewToken;
use crate::model::view::{NewTokenView, TokenView};
use crate::model::words::Word;
use crate::store::database::migrate::Missing;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make an admin token; it is printed once, alone on standard output
    #[command(after_help = "\
Examples:
  bitting token create --name deploy --access write --expires 90d
  bitting token create --name crm --access write --may-grant leads:read --may-grant leads:write

An admin token manages keys and nothing else. For admin tokens, write includes read.")]
    Create(Create),
    /// List admin tokens, newest first
    List {
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Revoke an admin token permanently; the keys it made keep working
    Revoke {
        /// The token's id, token_…
        id: String,
        /// Why, for the record
        #[arg(long)]
        reason: Option<String>,
        /// Print the token as a JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A name for people, 1 to 100 characters
    #[arg(long)]
    name: String,
    /// What it may do with keys: read or write
    #[arg(long, value_name = "read|write")]
    access: String,
    /// A time from now (90d), a date (2027-01-31, its end) or an RFC 3339 time; at most a year (1y)
    #[arg(long, default_value = "90d", value_name = "WHEN")]
    expires: String,
    /// A scope it may give to keys; repeat the option for more [default: every scope]
    #[arg(long, value_name = "SCOPE", num_args = 1..)]
    may_grant: Vec<String>,
    /// Print a JSON object that holds the token
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: TokenCommand, settings: &Settings) -> Result<(), Failure> {
    match command {
        TokenCommand::Create(arguments) => create(arguments, settings),
        TokenCommand::List { json } => list(json, settings),
        TokenCommand::Revoke { id, reason, json } => {
            let refused = || {
                Failure::Usage(format!(
                    "{:?} is not the id of a token, which is token_ followed by 26 characters",
                    plain(&id)
                ))
            };
            let id: TokenId = id.trim().parse().map_err(|_| refused())?;
            let bitting = open(settings, Missing::Refuse)?;
            let before = bitting.find_token(&principal(), id);
            if before.is_ok_and(|token| token.revocation.is_some()) {
                say(format_args!("it was already revoked; nothing was changed"));
            }
            let token = match bitting.revoke_token(id, reason.as_deref(), &principal()) {
                Err(Error::NotFound) => {
                    return Err(Failure::Failed(format!(
                        "there is no token {id}; `bitting token list` shows the ids"
                    )));
                }
                other => other?,
            };
            if json {
                return show_json(&TokenView::new(&token, bitting.time.now()));
            }
            let at = token.revocation.as_ref().map(|revocation| format_time(revocation.at));
            show(format_args!("{id} revoked at {}", at.unwrap_or_default()))
        }
    }
}

fn create(arguments: Create, settings: &Settings) -> Result<(), Failure> {
    let now = now();
    let expires_at = parse_expiry(&arguments.expires, now)
        .and_then(|at| {
            at.ok_or(
                "an admin token always expires, after at most a year; give 1y or less".to_owned(),
            )
        })
        .map_err(|message| Failure::Usage(format!("--expires: {message}")))?;
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(arguments.name));
    object.insert("access".to_owned(), json!(arguments.access));
    object.insert("expires_at".to_owned(), json!(format_time(expires_at)));
    if !arguments.may_grant.is_empty() {
        object.insert("may_grant".to_owned(), json!(arguments.may_grant));
    }
    // Before the database is opened: a mistake must not make a new one.
    NewToken::from_object(&object, &*catalog_for(&arguments.may_grant, settings)?, now)?;
    let bitting = open(settings, Missing::Create)?;
    // Once more, since every scope means those at connections too, which the database knows.
    let new = NewToken::from_object(&object, &bitting.catalog, now)?;
    let issued = bitting.issue_token(new, &principal())?;
    if arguments.json {
        let view = TokenView::new(&issued.token, bitting.time.now());
        let json = serde_json::to_string(&NewTokenView::new(view, &issued.secret))?;
        return show_once(issued.token.id, format_args!("{json}"));
    }
    say(format_args!(
        "{} may {} keys, expires {}. The token is shown only once:",
        issued.token.id,
        issued.token.access.as_str(),
        format_time(issued.token.expires_at)
    ));
    show_once(issued.token.id, format_args!("{}", issued.secret.expose()))
}

fn list(json: bool, settings: &Settings) -> Result<(), Failure> {
    let bitting = open(settings, Missing::Refuse)?;
    let tokens = bitting.list_tokens(&principal())?;
    let now = bitting.time.now();
    if json {
        return tokens.iter().try_for_each(|token| show_json(&TokenView::new(token, now)));
    }
    let row = |token: &crate::model::token::AdminToken| {
        let last = token.last_used_at.map_or("never".to_owned(), format_time);
        [
            token.id.to_string(),
            plain(&token.name),
            token.display.clone(),
            token.status(now).as_str().to_owned(),
            token.access.as_str().to_owned(),
            format_time(last_day(token.expires_at))[..10].to_owned(),
            last,
        ]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    show_table(["ID", "NAME", "TOKEN", "STATUS", "ACCESS", "EXPIRES", "LAST USED"], &rows)
}
