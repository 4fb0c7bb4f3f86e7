//! Why a command was not carried out, and with which status the program then ends.

use std::io;
use std::process::ExitCode;

use crate::config::BadSetting;
use crate::domain;
use crate::model::FieldErrors;
use crate::server::StartError;
use crate::store;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The command was used wrongly.
    #[error("{0}")]
    Usage(String),
    /// The command could not be carried out.
    #[error("{0}")]
    Failed(String),
    /// A failure that has been logged already, and is not printed again.
    #[error("{0}")]
    Logged(Box<Failure>),
    /// Whoever read the output has seen enough, as `head` does after a few lines.
    #[error("nobody reads the output")]
    ReaderGone,
}

impl Failure {
    /// 0, 1 or 2.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::ReaderGone => ExitCode::SUCCESS,
            Self::Failed(_) => ExitCode::FAILURE,
            Self::Usage(_) => ExitCode::from(2),
            Self::Logged(failure) => failure.exit_code(),
        }
    }
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
            "allowed_networks" => "--allow-network".to_owned(),
            "credential" | "filter" | "handle" | "ids" => format!("the {field}"),
            "rules" => "--rule:".to_owned(),
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
