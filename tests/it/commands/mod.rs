//! The command line, as people and scripts type it.

pub mod cli;
mod cli_tokens;
mod cli_users;
mod said;
