//! What can go wrong between the program and its database.

/// The result of everything in this layer.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the database, never of the input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection could be had in time.
    #[error("no database connection: {0}")]
    Connection(#[from] r2d2::Error),
    /// A statement failed.
    #[error("database: {0}")]
    Statement(#[from] diesel::result::Error),
    /// A row holds what this program never wrote.
    #[error("the database holds something unreadable: {0}")]
    Unreadable(String),
    /// The URL selects no database that can be used.
    #[error("{0}")]
    Url(String),
    /// The database is not one to work with; the text says which, why, and what to do.
    #[error("{0}")]
    Refused(String),
    /// The brand was fixed when the database was made.
    #[error(
        "--brand is {given}, but this database was made with {stored}, and it stays so for good; \
         leave --brand out"
    )]
    Brand {
        /// What was asked for.
        given: String,
        /// What the database has.
        stored: String,
    },
}
