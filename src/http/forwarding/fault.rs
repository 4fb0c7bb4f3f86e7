//! What can go wrong with an answer of somebody else's, as it is told to whoever runs the server.

use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;

use hyper_util::client::legacy;

use crate::http::request_id::RequestId;
use crate::http::state::State;
use crate::model::connections::Connection;
use crate::model::connections::table::Row;
use crate::outbound::chain;

/// What was asked, as the log has it.
#[derive(Clone)]
pub(in crate::http) struct Asked {
    pub(in crate::http) id: RequestId,
    /// The connection and the row of its table; none at the gateway.
    pub(in crate::http) at: Option<(Arc<Connection>, Arc<Row>)>,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(in crate::http) enum Fault {
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
    /// Tells whoever runs the server, at most once a minute of the upstream and of each connection: when
    /// one is away, every request finds that out.
    pub(in crate::http) fn tell(&self, asked: &Asked, state: &State) {
        let watch = &state.settings.watch;
        let Some(untold) = watch.faults_at(asked.at.as_ref().map(|(at, _)| at.number)).admit()
        else {
            return;
        };
        let request_id = asked.id.as_str();
        match &asked.at {
            None => tracing::warn!(
                request_id,
                untold,
                "a request could not be answered: the upstream {self}"
            ),
            Some((connection, row)) => tracing::warn!(
                request_id,
                connection = connection.handle.as_str(),
                row = %row,
                untold,
                "a request could not be answered: the vendor {self}"
            ),
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(why) => {
                write!(f, "cannot be reached: {}", chain(why))
            }
            Self::NoAnswer(why) => {
                write!(f, "ended its connection without an answer: {}", chain(why))
            }
            Self::Silent => f.write_str("did not answer in time"),
            Self::Invalid(why) => write!(f, "did not give a valid answer: {why}"),
            Self::BrokeOff(why) => {
                write!(f, "broke off its answer: {}", chain(why))
            }
            Self::StoppedSending => f.write_str("stopped sending its answer"),
        }
    }
}
