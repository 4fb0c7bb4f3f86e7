//! `bitting user …`

use std::io::{self, BufRead, IsTerminal};

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::application::{catalog_for, open, principal};
use super::confirm::{confirm, somebody_is_there};
use super::failure::Failure;
use super::output::{plain, say, show, show_json, show_table};
use crate::config::Settings;
use crate::domain::users::disabling::CredentialCounts;
use crate::domain::users::passwords::choose_password;
use crate::domain::{Bitting, Error};
use crate::model::catalog::Catalog;
use crate::model::email::Email;
use crate::model::password::Password;
use crate::model::time::format as format_time;
use crate::model::user::{NewUser, User, UserChange};
use crate::model::view::UserView;
use crate::model::words::Word;
use crate::store::database::migrate::Missing;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a user; the password is asked for, or read from standard input
    #[command(after_help = "\
Examples:
  bitting user add ada@example.com
  bitting user add bo@example.com --role member --may-grant calls:read --may-grant calls:write

The first user is an administrator. A member may grant only the scopes that are given.")]
    Add {
        /// What they sign in with
        email: String,
        /// admin, member or auditor [default: member; for the first user, admin]
        #[arg(long)]
        role: Option<String>,
        /// A scope they may give to keys as a member; repeat the option for more
        #[arg(long, value_name = "SCOPE", num_args = 1..)]
        may_grant: Vec<String>,
        /// Print the user as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// List users, newest first
    List {
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Change what a user may do, as of their next request; their keys are not affected
    Set {
        /// Whom to change
        email: String,
        /// admin, member or auditor
        #[arg(long)]
        role: Option<String>,
        /// The scopes they may give to keys as a member, or none
        #[arg(long, value_name = "SCOPE|none", num_args = 1..)]
        may_grant: Vec<String>,
        /// Print the user as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Set a user's password and end their sessions; it is asked for, or read from standard input
    SetPassword {
        /// Whose password to set
        email: String,
    },
    /// Disable a user, and revoke their keys and admin tokens or hand them to another user
    Disable {
        /// Whom to disable
        email: String,
        /// Hand the keys and admin tokens to this user instead of revoking them
        #[arg(long, value_name = "EMAIL")]
        transfer_to: Option<String>,
        /// Do not ask for confirmation; without a terminal on standard input, nothing is asked anyway
        #[arg(long)]
        yes: bool,
    },
    /// Let a disabled user sign in again; what was revoked stays revoked
    Enable {
        /// Whom to enable
        email: String,
    },
}

pub(super) fn run(command: UserCommand, settings: &Settings) -> Result<(), Failure> {
    match command {
        UserCommand::Add { email, role, may_grant, json } => {
            let mut object = rights(role, &may_grant);
            object.insert("email".to_owned(), json!(email));
            let catalog = catalog_for(&may_grant, settings)?;
            let new = NewUser::from_object(&object, &catalog)?;
            let password = ask_password(&new.email)?;
            let bitting = open(settings, Missing::Create)?;
            let user = bitting.add_user(&principal(), &new, Some(&password))?;
            tell(&user, &bitting, "added", json)
        }
        UserCommand::List { json } => list(json, settings),
        UserCommand::Set { email, role, may_grant, json } => {
            if role.is_none() && may_grant.is_empty() {
                return Err(Failure::Usage("give --role or --may-grant".to_owned()));
            }
            let catalog = catalog_for(&may_grant, settings)?;
            let change = UserChange::from_object(&rights(role, &may_grant), &catalog)?;
            let (bitting, user) = find(settings, &email)?;
            let before = (user.role, user.may_grant.clone());
            let user = bitting.change_user(&principal(), user.id, &change)?;
            if before == (user.role, user.may_grant.clone()) {
                say_unchanged();
            }
            tell(&user, &bitting, "changed", json)
        }
        UserCommand::SetPassword { email } => {
            let password = ask_password(&parse_email(&email)?)?;
            let (bitting, user) = find(settings, &email)?;
            bitting.set_password(&principal(), user.id, &password)?;
            tell(&user, &bitting, "has a new password; all their sessions have ended", false)
        }
        UserCommand::Disable { email, transfer_to, yes } => {
            disable(settings, &email, transfer_to.as_deref(), yes)
        }
        UserCommand::Enable { email } => {
            let (bitting, user) = find(settings, &email)?;
            if user.disabled_at.is_none() {
                say_unchanged();
            }
            let user = bitting.enable_user(&principal(), user.id)?;
            tell(&user, &bitting, "enabled", false)
        }
    }
}

/// The options about rights, as the JSON that is read elsewhere; `none` stands for no scope.
fn rights(role: Option<String>, may_grant: &[String]) -> Map<String, Value> {
    let mut object = Map::new();
    if let Some(role) = role {
        object.insert("role".to_owned(), json!(role));
    }
    match may_grant {
        [] => None,
        [none] if none == "none" => object.insert("may_grant".to_owned(), json!([])),
        scopes => object.insert("may_grant".to_owned(), json!(scopes)),
    };
    object
}

fn parse_email(text: &str) -> Result<Email, Failure> {
    text.parse().map_err(|why| Failure::Usage(format!("{:?} {why}", plain(text))))
}

fn find(settings: &Settings, email: &str) -> Result<(Bitting, User), Failure> {
    let email = parse_email(email)?;
    let bitting = open(settings, Missing::Refuse)?;
    let user = find_in(&bitting, &email)?;
    Ok((bitting, user))
}

fn find_in(bitting: &Bitting, email: &Email) -> Result<User, Failure> {
    bitting.find_user_by_email(&principal(), email).map_err(|why| match why {
        Error::NotFound => {
            Failure::Failed(format!("there is no user {email}; `bitting user list` shows them"))
        }
        other => other.into(),
    })
}

/// Asks for a password: at a prompt without echo, twice, or as the first line of standard input if
/// that is not a terminal.
fn ask_password(email: &Email) -> Result<Password, Failure> {
    let text = if io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Password, at least 15 characters: ")?;
        // What breaks a rule need not be typed twice.
        choose_password(&first, email)?;
        if rpassword::prompt_password("Repeat the password: ")? != first {
            return Err(Failure::Usage("the two passwords differ; try again".to_owned()));
        }
        first
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    Ok(choose_password(&text, email)?)
}

fn disable(
    settings: &Settings,
    email: &str,
    transfer_to: Option<&str>,
    yes: bool,
) -> Result<(), Failure> {
    let heir = transfer_to.map(parse_email).transpose()?;
    let (bitting, user) = find(settings, email)?;
    let heir = heir.map(|heir| find_in(&bitting, &heir)).transpose()?;
    let touched = in_words(bitting.holdings_of(&principal(), user.id)?);
    let email = &user.email;
    say(format_args!(
        "{}",
        match &heir {
            None => format!("Disabling {email} permanently revokes {touched}."),
            Some(heir) => format!("Disabling {email} hands {touched} to {}.", heir.email),
        }
    ));
    if !yes && somebody_is_there() {
        confirm(format_args!("Type yes to continue:"))?;
    }
    let heir_id = heir.as_ref().map(|heir| heir.id);
    let (user, had) = bitting.disable_user(&principal(), user.id, heir_id)?;
    let done = match &heir {
        None => "revoked".to_owned(),
        Some(heir) => format!("handed to {}", heir.email),
    };
    show(format_args!("{} disabled; {} {done}", user.email, in_words(had)))
}

/// `3 keys and 1 admin token`
fn in_words(holdings: CredentialCounts) -> String {
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let CredentialCounts { keys, tokens } = holdings;
    format!("{keys} key{} and {tokens} admin token{}", plural(keys), plural(tokens))
}

fn say_unchanged() {
    say(format_args!("so it was already; nothing was changed"));
}

fn tell(user: &User, bitting: &Bitting, what: &str, json: bool) -> Result<(), Failure> {
    if json {
        return show_json(&UserView::new(user, &user.grants(&bitting.catalog)));
    }
    show(format_args!("{} ({}) {what}", user.email, user.role.as_str()))
}

fn list(json: bool, settings: &Settings) -> Result<(), Failure> {
    let bitting = open(settings, Missing::Refuse)?;
    let (users, catalog) = (bitting.list_users(&principal())?, &bitting.catalog);
    if json {
        let show = |user| show_json(&UserView::new(user, &user.grants(catalog)));
        return users.iter().try_for_each(show);
    }
    let row = |user: &User| {
        [
            user.id.to_string(),
            plain(&user.email.to_string()),
            user.role.as_str().to_owned(),
            user.status().as_str().to_owned(),
            grants_in_words(user, catalog),
            user.last_login_at.map_or("never".to_owned(), format_time),
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    show_table(["ID", "E-MAIL", "ROLE", "STATUS", "MAY GRANT", "LAST LOGIN"], &rows)
}

/// What a user may grant, in a table's cell.
fn grants_in_words(user: &User, catalog: &Catalog) -> String {
    let grants = user.grants(catalog);
    if grants == catalog.scopes() { "everything".to_owned() } else { catalog.marked(&grants, ",") }
}
