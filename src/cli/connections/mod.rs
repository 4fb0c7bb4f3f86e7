//! `bitting connection`: vendors' APIs that keys reach through Bitting.

mod kinds;

use clap::Subcommand;

use super::failure::Failure;

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
}

pub(super) fn run(command: ConnectionCommand) -> Result<(), Failure> {
    match command {
        ConnectionCommand::Kinds { kind } => kinds::run(kind.as_deref()),
    }
}
