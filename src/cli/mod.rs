//! The command line: what people and scripts type, and what they read back.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 it could
//! not be done, 2 it was asked for wrongly and nothing was touched.

mod application;
mod bounded;
mod confirm;
mod connections;
mod failure;
mod file_start;
mod find_key;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod key_changes;
mod key_filters;
mod key_revoke;
mod key_shown;
mod keys;
mod notify;
mod operate;
mod output;
mod resources;
mod revoke_as_in;
mod serve;
mod tokens;
mod transfer;
mod transfer_lines;
mod users;
mod word;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{Options, Settings};
use crate::http::openapi;
use crate::model::secret::mask;
use crate::server;
use crate::store::database::migrate::Missing;

use application::open;
use failure::Failure;
use output::{plain, say, show};

const EXAMPLES: &str = "\
Examples:
  bitting                                            serve on 127.0.0.1:8080, in ./bitting.db
  bitting key create --name ci --scope calls:read    make a key; it is printed once
  bitting key list --status active                   list the keys in use
  bitting key revoke key_01… --reason leaked         every server refuses it within a second
  bitting token create --name deploy --access write --expires 90d
                                                     manage keys by program
  bitting user list                                  who may sign in to the pages

Every setting is also a variable and a key of bitting.toml: --log-level is BITTING_LOG_LEVEL and
log_level, and so on.

Exit codes: 0 success, 1 failure, 2 wrong usage.";

/// Issues API keys, enforces what each may read or write, and counts every use.
#[derive(Debug, Parser)]
#[command(name = "bitting", version, after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (the default); the first start makes the database
    Serve {
        /// Fill an empty database with sample data and 30 days of use
        #[arg(long)]
        demo: bool,
    },
    /// Make the database or bring it up to date, and exit
    Migrate,
    /// List the resources that scopes are granted over, or say what a request would need
    #[command(after_help = "\
Examples:
  bitting resources
  bitting resources match \"POST /orders/search\"

Resources of your own stand in bitting.toml. No database is needed.")]
    Resources {
        #[command(subcommand)]
        command: Option<resources::ResourceCommand>,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Print the OpenAPI document of the API; needs no database
    Openapi,
    /// Make, list, show, revoke, import and export API keys
    #[command(subcommand)]
    Key(keys::KeyCommand),
    /// Make, list and revoke admin tokens, for managing keys by program
    #[command(subcommand)]
    Token(tokens::TokenCommand),
    /// Add, list, change, disable and enable the users of the pages
    #[command(subcommand)]
    User(users::UserCommand),
    /// Make, list, test, change and remove connections to vendors' APIs, and draw their master keys
    #[command(subcommand)]
    Connection(connections::ConnectionCommand),
    /// Check settings, database and clock, read every database page, and report problems
    #[command(after_help = "\
Without --reset-clock and --repair it changes nothing and works while a server runs. Exit codes: 0 no problem found, 1 problems found.")]
    Check {
        /// Forget the highest time seen, and what goes by it, after a clock ran far ahead; every server must be stopped
        #[arg(long)]
        reset_clock: bool,
        /// Set PostgreSQL's sequences on, after a move that has left them behind
        #[arg(long)]
        repair: bool,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Copy the SQLite database into a new file, even while a server is writing
    Backup {
        /// The file to write; an existing file is never overwritten
        file: PathBuf,
    },
    /// Take away again what had been taken away since a backup: after restoring it
    #[command(after_help = "\
Example, with the earlier database kept as old.db:
  bitting revoke-as-in sqlite://old.db --dry-run

Revokes keys and admin tokens that are revoked there, disables users, narrows roles and limits, and
forgets passwords that were changed since. Every session and one-time link ends.")]
    RevokeAsIn {
        /// The other database, sqlite://FILE or postgres://…
        url: String,
        /// Only report what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Try the webhook and the mail server that warnings about keys are sent by
    #[command(subcommand)]
    Notify(notify::NotifyCommand),
    /// Ask the server that listens on --listen whether it is ready
    Healthcheck,
    /// Print the completions for a shell
    #[command(after_help = "\
Example:
  bitting completions bash > ~/.local/share/bash-completion/completions/bitting")]
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  bitting man > ~/.local/share/man/man1/bitting.1")]
    Man,
}

/// The whole command line, for whoever describes it.
pub fn describe() -> clap::Command {
    Arguments::command()
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let Err(failure) = parse().and_then(run) else { return ExitCode::SUCCESS };
    if !matches!(failure, Failure::Logged(_) | Failure::ReaderGone) {
        say(format_args!("error: {}", mask(&failure.to_string())));
    }
    failure.exit_code()
}

/// Reads the command line. Help is printed as clap does it, a mistake as one line.
fn parse() -> Result<Arguments, Failure> {
    Arguments::try_parse().map_err(|why| {
        if !why.use_stderr() || why.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            why.exit();
        }
        let text = why.render().to_string();
        let said = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let said = said.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For "));
        let said = said.collect::<Vec<_>>().join("; ").replace(":; ", ": ");
        let said = said.strip_prefix("error: ").unwrap_or(&said);
        Failure::Usage(format!("{}; see --help", plain(said)))
    })
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { command, options } = arguments;
    let settings = || server::settings_of_program(options);
    match command.unwrap_or(Command::Serve { demo: false }) {
        Command::Serve { demo } => {
            let settings = settings()?;
            settings.warnings.demand_complete()?;
            serve::run(&Settings { demo, ..settings })
        }
        Command::Migrate => {
            let settings = settings()?;
            open(&settings, Missing::Create)?;
            show(format_args!("{} is ready", settings.database))
        }
        Command::Resources { command, json } => resources::run(command, json, &settings()?),
        Command::Openapi => {
            let settings = settings()?;
            let url = settings.public_url.as_deref();
            let document = openapi::document(
                &server::endpoints(settings.builtin_api),
                &server::catalog(&settings),
                url,
            );
            show(format_args!("{}", document.trim_end()))
        }
        Command::Key(command) => keys::run(command, &settings()?),
        Command::Token(command) => tokens::run(command, &settings()?),
        Command::User(command) => users::run(command, &settings()?),
        Command::Connection(command) => connections::run(command, settings),
        Command::Check { reset_clock, repair, json } => {
            let settings = settings()?;
            if reset_clock {
                operate::reset_clock(&settings)?;
            }
            if repair {
                operate::repair(&settings)?;
            }
            operate::check(&settings, json)
        }
        Command::Backup { file } => operate::back_up(&settings()?, &file),
        Command::RevokeAsIn { url, dry_run } => revoke_as_in::run(&settings()?, &url, dry_run),
        Command::Notify(command) => notify::run(command, &settings()?),
        Command::Healthcheck => operate::ask_health(&settings()?),
        Command::Completions { shell } => operate::completions(shell, describe()),
        Command::Man => operate::manual(describe()),
    }
}
