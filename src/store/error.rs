//! What can go wrong between the program and its database.

use diesel::result::Error as Failed;
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind};

use super::database::libpq;

/// The result of reading or writing. Each function fails when the database does; only other failures
/// are listed with it.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the database, never of the input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection could be had in time.
    #[error("no database connection: {0}")]
    Connection(#[from] r2d2::Error),
    /// Too many were writing already.
    #[error("no database connection: all that may write are in use")]
    Busy,
    /// The database did not answer as long as it was waited for.
    #[error("the database did not answer in time; the connection was ended")]
    TooSlow,
    /// A statement failed, or its connection broke.
    #[error("{}", said_by_the_database(.0))]
    Statement(#[from] Failed),
    /// A row holds what this program never wrote.
    #[error("the database holds something unreadable: {0}")]
    Unreadable(String),
    /// The URL selects no database that can be used.
    #[error("{0}")]
    Url(String),
    /// The database is not one to work with; the text says which, why, and what to do.
    #[error("{0}")]
    Refused(String),
    /// The database server cannot be reached now, but may be later; the text says which and why.
    #[error("{0}")]
    Away(String),
    /// The database was set back, so that nothing is written to it before it has been read anew.
    #[error("the database was set back; its keys are read anew first")]
    SetBack,
    /// The connection broke, or was ended, before the database confirmed a change.
    #[error("the database has not confirmed the change, which may have been made or not")]
    OutcomeUnknown,
    /// A newer program has made the database unfit for this one, which may write nothing more.
    #[error("this database needs a newer Bitting by now; update this server")]
    TooOld,
    /// The brand was fixed when the database was made.
    #[error(
        "--brand is {given}, but this database was made with {stored}, which cannot be changed; leave out --brand"
    )]
    Brand {
        /// The brand that was asked for.
        given: String,
        /// The brand the database was made with.
        stored: String,
    },
}

impl Error {
    /// Whether a change may have been made although it failed.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown)
    }

    /// Whether a newer program has made the database unfit for this one.
    pub fn is_too_old(&self) -> bool {
        matches!(self, Self::TooOld)
    }

    /// Whether a transaction was ended because of another one at the same time, and would now succeed.
    pub fn is_collision(&self) -> bool {
        let Some((kind, said)) = self.said() else { return false };
        // Diesel does not know of deadlocks, and PostgreSQL tells of them in any language: what else it
        // explains and gives a hint about, beside what diesel knows, is rare and may be tried again.
        let is_deadlock = said.message().contains("deadlock detected")
            || (said.details().is_some() && said.hint().is_some());
        match kind {
            DatabaseErrorKind::SerializationFailure => true,
            DatabaseErrorKind::Unknown => is_deadlock,
            _ => false,
        }
    }

    /// Whether a statement was ended because it took too long.
    pub fn is_timeout(&self) -> bool {
        self.said().is_some_and(|(_, said)| said.message().contains("statement timeout"))
    }

    /// Whether PostgreSQL gave out a number that is taken: its sequence was left behind its column.
    pub fn is_number_taken(&self) -> bool {
        self.said().is_some_and(|(_, said)| is_of_taken_number(said))
    }

    /// Whether waiting may mend it: the database is away, or too busy.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Away(_)
            | Self::Connection(_)
            | Self::Busy
            | Self::TooSlow
            | Self::OutcomeUnknown => true,
            _ => self.said().is_some_and(|(kind, said)| {
                let is_lost = matches!(kind, DatabaseErrorKind::ClosedConnection);
                is_lost && libpq::is_passing(said.message())
            }),
        }
    }

    /// What the database itself has said.
    fn said(&self) -> Option<(&DatabaseErrorKind, &dyn DatabaseErrorInformation)> {
        match self {
            Self::Statement(Failed::DatabaseError(kind, said)) => Some((kind, &**said)),
            _ => None,
        }
    }
}

/// The keys of the tables whose numbers PostgreSQL gives out.
const NUMBERED: [&str; 4] =
    ["admin_tokens_pkey", "api_keys_pkey", "audit_events_pkey", "key_errors_pkey"];

fn is_of_taken_number(said: &dyn DatabaseErrorInformation) -> bool {
    said.constraint_name().is_some_and(|name| NUMBERED.contains(&name))
}

/// Prefixes a message with `database:`, unless it names the database itself, like `database is
/// locked`.
fn said_by_the_database(error: &Failed) -> String {
    if let Failed::DatabaseError(_, said) = error
        && is_of_taken_number(&**said)
    {
        return format!("{}: {}", libpq::BEHIND, said.message());
    }
    let text = libpq::with_advice(&with_causes(error));
    if text.starts_with("database ") { text } else { format!("database: {text}") }
}

/// What went wrong and why: a row that cannot be read names its column first, and the text in it as
/// the cause.
fn with_causes(error: &Failed) -> String {
    let mut text = error.to_string();
    let inner = match error {
        Failed::DeserializationError(inner) => inner.source(),
        other => std::error::Error::source(other),
    };
    let mut cause = inner;
    while let Some(why) = cause {
        text.push_str(": ");
        text.push_str(&why.to_string());
        cause = why.source();
    }
    text
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_deadlock_is_a_collision_and_a_lost_connection_is_none() {
        let is_collision = |kind, text: &str| {
            Error::from(Failed::DatabaseError(kind, Box::new(text.to_owned()))).is_collision()
        };
        assert!(is_collision(DatabaseErrorKind::Unknown, "deadlock detected"));
        assert!(is_collision(
            DatabaseErrorKind::SerializationFailure,
            "could not serialize access"
        ));
        assert!(!is_collision(DatabaseErrorKind::ClosedConnection, "server closed the connection"));
    }

    /// A deadlock as a PostgreSQL that speaks German tells of it.
    struct Verklemmung;

    impl DatabaseErrorInformation for Verklemmung {
        fn message(&self) -> &str {
            "Verklemmung (Deadlock) entdeckt"
        }

        fn details(&self) -> Option<&str> {
            Some("Prozess 7 wartet auf ShareLock-Sperre; blockiert von Prozess 8.")
        }

        fn hint(&self) -> Option<&str> {
            Some("Einzelheiten zur Anfrage finden Sie im Serverlog.")
        }

        fn table_name(&self) -> Option<&str> {
            None
        }

        fn column_name(&self) -> Option<&str> {
            None
        }

        fn constraint_name(&self) -> Option<&str> {
            None
        }

        fn statement_position(&self) -> Option<i32> {
            None
        }
    }

    #[test]
    fn a_deadlock_is_known_in_any_language() {
        let told = |kind| Error::from(Failed::DatabaseError(kind, Box::new(Verklemmung)));
        assert!(told(DatabaseErrorKind::Unknown).is_collision());
        assert!(!told(DatabaseErrorKind::CheckViolation).is_collision());
    }

    #[test]
    fn no_word_is_said_twice() {
        let said = |text: &str| {
            let kind = DatabaseErrorKind::Unknown;
            Error::from(Failed::DatabaseError(kind, Box::new(text.to_owned()))).to_string()
        };
        assert_eq!(said("database is locked"), "database is locked");
        assert_eq!(said("disk I/O error"), "database: disk I/O error");
    }
}
