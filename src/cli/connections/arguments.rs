//! The arguments that several commands of connections share.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// One connection.
#[derive(Debug, Args)]
pub(in crate::cli) struct One {
    /// The connection
    pub(super) handle: String,
    /// Print it as a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    /// Its name in scopes and URLs, fixed: 2 to 40 lower-case letters, digits and hyphens
    pub(super) handle: String,
    /// callrail, aircall, customerly, clari or http
    #[arg(long)]
    pub(super) kind: String,
    #[command(flatten)]
    pub(super) profile: Profile,
    /// Another address than the vendor's own, one of --connections-hosts; http needs one
    #[arg(long, value_name = "ORIGIN")]
    pub(super) base_url: Option<String>,
    /// How the credential is sent: a form of the kind, or for http also headers, such as
    /// 'X-Api-Key: {api_key}' or header:X-Api-Key [default: found by the test]
    #[arg(long, value_name = "FORM")]
    pub(super) auth: Option<String>,
    /// Save it without a test
    #[arg(long)]
    pub(super) untested: bool,
    /// Print it as a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Set {
    /// The connection
    pub(super) handle: String,
    #[command(flatten)]
    pub(super) profile: Profile,
    /// Print it as a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// What may be changed of a connection.
#[derive(Debug, Args)]
pub(in crate::cli) struct Profile {
    /// A name for people, 1 to 100 characters [default: the handle]
    #[arg(long)]
    pub(super) name: Option<String>,
    /// What it is for, at most 500 characters, or none
    #[arg(long, value_name = "TEXT|none")]
    pub(super) description: Option<String>,
    /// The only account that requests may be about (callrail), or none
    #[arg(long, value_name = "ACCOUNT|none")]
    pub(super) account: Option<String>,
    /// Whether calls are offered that outlive a key, such as making a webhook [default: false]
    #[arg(long, value_name = "true|false")]
    pub(super) standing: Option<bool>,
    /// Whether answers may hold links to recordings [default: true]
    #[arg(long, value_name = "true|false")]
    pub(super) recordings: Option<bool>,
    /// How fast all keys together may use it, such as 600/minute, or none
    #[arg(long, value_name = "REQUESTS/TIME|none")]
    pub(super) limit: Option<String>,
    /// How fast each key may use it, such as 60/minute, or none
    #[arg(long, value_name = "REQUESTS/TIME|none")]
    pub(super) key_limit: Option<String>,
    /// What it offers (http), such as 'GET /v1/things/{id} things:read', or none; may be repeated, and
    /// replaces all rules
    #[arg(long = "rule", value_name = "RULE|none")]
    pub(super) rules: Vec<String>,
    /// A file with what it offers (http), one rule a line; replaces all rules
    #[arg(long = "rules", value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "rules")]
    pub(super) rules_file: Option<PathBuf>,
    /// A path that answers whoever has the credential (http), which it is tested with, or none
    #[arg(long, value_name = "PATH|none")]
    pub(super) test_path: Option<String>,
}
