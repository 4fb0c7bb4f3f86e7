//! What a kind of connection offers, as each of the tables says it.

use super::super::table::Table;

/// What a kind offers, and what is known of its answers.
pub struct Offered {
    /// Its requests.
    pub table: &'static Table,
    /// The table as it is written, with a row a line.
    pub text: &'static str,
    /// The request that tells whether a credential is accepted.
    pub test: &'static str,
    /// Fields whose values are secrets, hidden in rows that are marked so.
    pub secrets: &'static [&'static str],
    /// Fields whose values are links that open by themselves, hidden in rows that are marked so
    /// where a connection does not offer recordings.
    pub links: &'static [&'static str],
}

/// Reads a table. A line that cannot be read offers nothing; the tests see to it that there is none.
pub(super) fn read(text: &str) -> Table {
    text.lines().filter(|line| !line.is_empty()).filter_map(|line| line.parse().ok()).collect()
}
