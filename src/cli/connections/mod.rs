//! `bitting connection`: vendors' APIs that keys reach through Bitting.

mod arguments;
mod change;
mod credential;
mod kinds;
mod shown;

use clap::Subcommand;

use super::failure::Failure;
use crate::config::{BadSetting, Settings};
use arguments::{Add, One, Set};

/// What can be done with connections.
#[derive(Debug, Subcommand)]
pub(super) enum ConnectionCommand {
    /// List the kinds of connections, or what one of them offers, and by which scopes
    #[command(after_help = "\
Examples:
  bitting connection kinds
  bitting connection kinds callrail

No database is needed.")]
    Kinds {
        /// callrail, aircall, customerly, clari or http
        kind: Option<String>,
    },
    /// Make a connection; the vendor's credential is asked for, or read from standard input
    #[command(after_help = "\
Examples:
  bitting connection add callrail --kind callrail
  bitting connection add phones --kind aircall < credential
  bitting connection add crm --kind http --base-url https://crm.example --auth 'X-Api-Key: {api_key}' \
      --rule 'GET /v1/things/{id} things:read' --test-path /v1/me

The credential is tested, and nothing is saved unless the vendor accepts it. On standard input it is
one field a line (aircall: the id, then the token) or a JSON object. It is never an argument, which
everybody on the machine could read. `bitting connection new-key` draws the master key it needs.")]
    Add(Add),
    /// List connections and the state of each
    List {
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show one connection and the keys that reach it
    Show(One),
    /// Ask the vendor now whether it accepts the credential; exits with 1 if it does not
    Test(One),
    /// Change a connection's name, account, limits, rules and what it offers
    #[command(after_help = "\
Examples:
  bitting connection set callrail --limit 600/minute --key-limit 60/minute
  bitting connection set callrail --account none
  bitting connection rules crm > rules; $EDITOR rules; bitting connection set crm --rules rules

Its kind, address and handle never change: another address is another connection.")]
    Set(Set),
    /// Print what a connection offers, one rule a line, as --rules reads it
    Rules {
        /// The connection
        handle: String,
    },
    /// Replace a connection's credential, which is tested first; keys and scopes stay
    SetCredential {
        /// The connection
        handle: String,
        /// Save it without a test
        #[arg(long)]
        untested: bool,
    },
    /// Switch a connection off; its requests are refused until it is enabled
    Disable(One),
    /// Switch a connection on again
    Enable(One),
    /// Remove a connection and erase its credential; the handle is never given again
    Remove {
        /// The connection
        handle: String,
        /// Do not ask for confirmation; without a terminal on standard input, nothing is asked anyway
        #[arg(long)]
        yes: bool,
    },
    /// Draw a master key; it is printed once, alone on standard output
    #[command(after_help = "\
Example, for a server that runs as the user bitting; a file that is there already is not replaced:
  sudo sh -Cc 'umask 077; bitting connection new-key > /etc/bitting/connections.key'
  sudo chown bitting: /etc/bitting/connections.key
and in bitting.toml:
  connections_key_file = \"/etc/bitting/connections.key\"

Whoever has the key and the database has the vendors' credentials: keep them apart, and keep a copy
of the key, since a backup of the database does not hold it. No database is needed.")]
    NewKey,
    /// Seal every credential with the first master key
    #[command(after_help = "\
To change the master key:
  1. put a new key before the old one, on a line of its own, and restart the servers
  2. bitting connection rekey
  3. take the old key out, and restart the servers")]
    Rekey,
}

pub(super) fn run(
    command: ConnectionCommand,
    settings: impl FnOnce() -> Result<Settings, BadSetting>,
) -> Result<(), Failure> {
    match command {
        ConnectionCommand::Kinds { kind } => kinds::run(kind.as_deref()),
        ConnectionCommand::NewKey => credential::new_key(),
        ConnectionCommand::Rekey => change::rekey(&settings()?),
        ConnectionCommand::Add(add) => change::add(add, &settings()?),
        ConnectionCommand::Set(set) => change::set(set, &settings()?),
        ConnectionCommand::SetCredential { handle, untested } => {
            change::set_credential(&handle, untested, &settings()?)
        }
        ConnectionCommand::Disable(one) => change::switch(&one, false, &settings()?),
        ConnectionCommand::Enable(one) => change::switch(&one, true, &settings()?),
        ConnectionCommand::Remove { handle, yes } => change::remove(&handle, yes, &settings()?),
        ConnectionCommand::List { json } => shown::list(json, &settings()?),
        ConnectionCommand::Rules { handle } => shown::rules(&handle, &settings()?),
        ConnectionCommand::Show(one) => shown::show_one(&one, &settings()?),
        ConnectionCommand::Test(one) => shown::test(&one, &settings()?),
    }
}
