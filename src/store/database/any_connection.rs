//! One connection type for both databases.

mod any {
    #![allow(missing_docs, reason = "the derive makes public items without documentation")]

    use diesel::{PgConnection, SqliteConnection};

    /// A connection to either database.
    #[derive(diesel::MultiConnection)]
    pub enum AnyConnection {
        /// A connection to an SQLite file.
        Sqlite(SqliteConnection),
        /// A connection to a PostgreSQL server.
        Postgres(PgConnection),
    }
}
pub use any::AnyConnection;
pub(in crate::store) use any::MultiBackend;
pub(in crate::store) type AnyRawValue<'a> =
    <MultiBackend as diesel::backend::Backend>::RawValue<'a>;

/// Writes a statement once for both databases, where diesel cannot go through the enum:
/// `on_either!(connection => statement.execute(connection))`.
macro_rules! on_either {
    ($connection:ident => $body:expr) => {
        match $connection {
            $crate::store::database::any_connection::AnyConnection::Sqlite($connection) => $body,
            $crate::store::database::any_connection::AnyConnection::Postgres($connection) => $body,
        }
    };
}
pub(in crate::store) use on_either;
