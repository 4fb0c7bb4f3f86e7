//! What can go wrong behind the gateway, as it is told to clients and to whoever runs it.

use std::error::Error;
use std::fmt::Display;

use hyper_util::client::legacy;

use crate::http::error::{Code, Problem};
use crate::http::state::State;

/// Why there is no whole answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is no connection; the request was not sent.
    Unreachable(legacy::Error),
    /// The connection ended before an answer.
    NoAnswer(legacy::Error),
    /// The upstream said nothing before its answer was due.
    Silent,
    /// What it said is not an answer in HTTP.
    Invalid(String),
    /// Its answer ended before its end.
    BrokeOff(hyper::Error),
    /// It began an answer, and then said nothing for too long.
    StoppedSending,
}

impl From<legacy::Error> for Fault {
    fn from(error: legacy::Error) -> Self {
        let cause = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
        match cause {
            _ if error.is_connect() => Self::Unreachable(error),
            Some(cause) if cause.is_canceled() => Self::Unreachable(error),
            Some(cause) if cause.is_parse() => Self::Invalid(chain(&error)),
            _ => Self::NoAnswer(error),
        }
    }
}

impl Fault {
    /// As it is told to the client, while it has no answer yet.
    pub(super) fn problem(&self) -> Problem {
        let (code, detail) = match self {
            Self::Unreachable(_) => (
                Code::UpstreamUnreachable,
                "The API behind this gateway cannot be reached, and the request was not sent to \
                 it. Try again shortly.",
            ),
            Self::NoAnswer(_) | Self::Invalid(_) | Self::BrokeOff(_) => (
                Code::UpstreamInvalid,
                "The API behind this gateway did not give a valid answer. What the request asks \
                 for may have been done all the same.",
            ),
            Self::Silent | Self::StoppedSending => (
                Code::UpstreamTimeout,
                "The API behind this gateway did not answer in time. What the request asks for \
                 may have been done all the same.",
            ),
        };
        Problem::new(code, detail)
    }

    /// Tells whoever runs the server, at most once a minute: when an upstream is away, every request
    /// finds that out.
    pub(super) fn tell(&self, state: &State) {
        let Some(untold) = state.settings.watch.upstream_faults.admit() else { return };
        tracing::warn!(untold, "a request could not be answered: {self}");
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(why) => {
                write!(f, "the upstream cannot be reached: {}", chain(why))
            }
            Self::NoAnswer(why) => {
                write!(f, "the upstream ended its connection without an answer: {}", chain(why))
            }
            Self::Silent => f.write_str("the upstream did not answer within --upstream-timeout"),
            Self::Invalid(why) => write!(f, "the upstream's answer is not valid: {why}"),
            Self::BrokeOff(why) => {
                write!(f, "the upstream's answer broke off: {}", chain(why))
            }
            Self::StoppedSending => f.write_str(
                "the upstream sent nothing more of its answer for as long as --upstream-timeout",
            ),
        }
    }
}

/// An error and all that caused it.
fn chain(error: &dyn Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", chain(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}
