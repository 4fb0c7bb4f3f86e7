//! The command line: what people and scripts type, and what they read back.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 it could
//! not be done, 2 it was asked for wrongly and nothing was touched.

mod keys;
mod operate;
mod output;
mod revoke_as_in;
mod tokens;
mod transfer;
mod transfer_lines;
mod users;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::clock::{Clock, SystemClock};
use crate::config::{BadSetting, LogFormat, Options, Settings};
use crate::domain::principal::Principal;
use crate::domain::{self, Bitting};
use crate::http::{openapi, routes};
use crate::model::FieldErrors;
use crate::model::key::KeyFilter;
use crate::model::page::PageRequest;
use crate::model::secret::mask;
use crate::server::{self, Server, StartError};
use crate::store;
use crate::store::Target;
use crate::store::migrate::Missing;

use output::{plain, say, show};

const EXAMPLES: &str = "\
Examples:
  bitting                                            serve on 127.0.0.1:8080, in ./bitting.db
  bitting key create --name ci --scope calls:read    make a key; it is printed once
  bitting key list --status active                   what is in use
  bitting key revoke key_01… --reason leaked         refuse it everywhere within a second
  bitting token create --name deploy --access write --expires 90d
                                                     manage keys by program
  bitting user list                                  who may sign in to the pages

Exit codes: 0 done, 1 it could not be done, 2 it was asked for wrongly.";

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
        /// Fill an empty database with a made-up practice and 30 days of use, to look at
        #[arg(long)]
        demo: bool,
    },
    /// Make the database or bring it up to date, and exit
    Migrate,
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
    /// Look settings, database and clock over, read every page, and say what is wrong
    #[command(after_help = "\
Without --reset-clock it changes nothing and works while a server runs. Exit codes: 0 nothing is wrong, 1 something is.")]
    Check {
        /// Forget a highest time that was seen by a clock far ahead; every server must be stopped
        #[arg(long)]
        reset_clock: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Copy the SQLite database into a new file, also while a server writes
    Backup {
        /// The file to make; one that exists is left as it is
        file: PathBuf,
    },
    /// Take away again what had been taken away since a backup: after restoring it
    #[command(after_help = "\
Example, with the database from before set aside as old.db:
  bitting revoke-as-in sqlite://old.db --dry-run

Revokes keys and admin tokens that are revoked there, disables users, narrows roles and limits, and
forgets passwords that were changed since. Every session and one-time link ends.")]
    RevokeAsIn {
        /// The other database, sqlite://FILE or postgres://…
        url: String,
        /// Only say what it would do
        #[arg(long)]
        dry_run: bool,
    },
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

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// It was asked for wrongly.
    #[error("{0}")]
    Usage(String),
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
    /// Whoever read the output has seen enough, as `head` does after a few lines.
    #[error("nobody reads the output")]
    ReaderGone,
}

impl From<BadSetting> for Failure {
    fn from(bad: BadSetting) -> Self {
        Self::Usage(bad.to_string())
    }
}

/// Fields are named by the options they come from.
impl From<FieldErrors> for Failure {
    fn from(errors: FieldErrors) -> Self {
        let option = |field: &str| match field {
            "scopes" => "--scope".to_owned(),
            "expires_at" => "--expires".to_owned(),
            "email" => "the e-mail address".to_owned(),
            "password" => "the password".to_owned(),
            other => format!("--{}", other.replace('_', "-")),
        };
        Self::Usage(errors.summary_naming(option))
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(store::Error::Brand { .. }) => Self::Usage(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<domain::Error> for Failure {
    fn from(error: domain::Error) -> Self {
        match error {
            domain::Error::Invalid(errors) => errors.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let (failure, code) = match parse().and_then(run) {
        Ok(()) | Err(Failure::ReaderGone) => return ExitCode::SUCCESS,
        Err(failure @ Failure::Failed(_)) => (failure, ExitCode::FAILURE),
        Err(failure @ Failure::Usage(_)) => (failure, ExitCode::from(2)),
    };
    say(format_args!("error: {}", mask(&failure.to_string())));
    code
}

/// Reads the command line. Help is printed as clap does it, a mistake is told on one line.
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
        Failure::Usage(format!("{}; --help says more", plain(said)))
    })
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { command, options } = arguments;
    let settings = || options.resolve();
    match command.unwrap_or(Command::Serve { demo: false }) {
        Command::Serve { demo } => serve(&Settings { demo, ..settings()? }),
        Command::Migrate => {
            let settings = settings()?;
            open(&settings, Missing::Create)?;
            show(format_args!("{} is ready", settings.database))
        }
        Command::Openapi => {
            let settings = settings()?;
            let url = settings.public_url.as_deref();
            let document = openapi::document(&routes::endpoints(), url);
            show(format_args!("{}", document.trim_end()))
        }
        Command::Key(command) => keys::run(command, &settings()?),
        Command::Token(command) => tokens::run(command, &settings()?),
        Command::User(command) => users::run(command, &settings()?),
        Command::Check { reset_clock, json } => operate::check(&settings()?, reset_clock, json),
        Command::Backup { file } => operate::back_up(&settings()?, &file),
        Command::RevokeAsIn { url, dry_run } => revoke_as_in::run(&settings()?, &url, dry_run),
        Command::Healthcheck => operate::ask_health(&settings()?),
        Command::Completions { shell } => operate::completions(shell),
        Command::Man => operate::manual(),
    }
}

/// Opens the database for one command, and says so when that made a new one: a key in the wrong
/// database is good for nothing.
fn open(settings: &Settings, missing: Missing) -> Result<Bitting, Failure> {
    let made = matches!(&settings.database, Target::Sqlite(path) if !path.exists());
    let bitting = server::open(settings, Arc::new(SystemClock), missing)?;
    if made {
        say(format_args!("made a new database: {}", settings.database));
    }
    Ok(bitting)
}

/// Whoever has the database may do everything; the operating system's user name is noted.
fn principal() -> Principal {
    let name = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "command line".to_owned());
    Principal::command_line(name)
}

fn start_logging(settings: &Settings) {
    let level = settings.log_level;
    let filter = EnvFilter::new(format!("warn,bitting={level}"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let lines = lines.with_ansi(io::stderr().is_terminal());
    // Fails only where logging has been started before.
    let _ = match settings.log_format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

fn serve(settings: &Settings) -> Result<(), Failure> {
    start_logging(settings);
    server::block_on(async {
        let stop = server::stop_signal()?;
        let server = Server::start(settings, Arc::new(SystemClock))?;
        present(&server, settings);
        invite(&server, settings);
        // It serves whether or not somebody reads this.
        let _ = show(format_args!("listening on http://{}", server.address));
        if settings.keys_may_be_overheard() {
            tracing::warn!(
                "listening beyond this machine without an https --public-url: keys may cross the \
                 network in the clear"
            );
        }
        if let Some(address) = server.metrics_address {
            let _ = show(format_args!("metrics on http://{address}/metrics"));
        }
        let known = server.bitting.index.len();
        tracing::info!(database = %settings.database, credentials = known, "ready");
        if known == 0 {
            greet(&server.bitting)?;
        }
        Ok(server.run(stop).await?)
    })
}

/// Where pages are found.
fn address_of(server: &Server, settings: &Settings) -> String {
    settings.public_url.clone().unwrap_or_else(|| format!("http://{}", server.address))
}

/// What gets somebody into the demo that has just been made: told here, this once.
fn present(server: &Server, settings: &Settings) {
    if let Some(demo) = &server.demo {
        let url = address_of(server, settings);
        say(format_args!(
            "The database now holds a demo. Shown only now:\n  sign in at {url}/login\n  \
             e-mail    {}\n  password  {}\n  API key   {}",
            demo.email,
            demo.password,
            demo.key.secret.expose()
        ));
    }
}

/// While there is no user, a link by which the first administrator is made. It is for who started
/// the server, and not for the log.
fn invite(server: &Server, settings: &Settings) {
    match server.bitting.make_setup_link() {
        Ok(Some(link)) => {
            let url = address_of(server, settings);
            say(format_args!(
                "There is no user yet. Make the first administrator here, once and within an \
                 hour:\n  {url}/setup?token={}",
                link.expose()
            ));
        }
        Ok(None) => {}
        // What it serves without users goes on.
        Err(error) => tracing::warn!(%error, "whether there is a user could not be found out"),
    }
}

/// What to do next, for somebody who has just started it for the first time.
fn greet(bitting: &Bitting) -> Result<(), Failure> {
    let (filter, first) = (KeyFilter::default(), PageRequest::default());
    if bitting.list_keys(&principal(), &filter, &first)?.items.is_empty() {
        say(format_args!(
            "There is no key yet. In another terminal, on the same database ({}):\n  bitting key \
             create --name first --scope calls:read --expires 90d",
            bitting.database.target()
        ));
    }
    Ok(())
}

/// The time commands go by before the database is opened.
fn now() -> crate::model::time::Moment {
    SystemClock.wall()
}
