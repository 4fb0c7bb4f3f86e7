//! Records in the database: what each kind must be able to do.

pub mod calls;

use super::connection::AnyConnection;
use super::error::Result;
use crate::model::FieldErrors;
use crate::model::page::Limit;
use crate::model::records::{Fields, Record, RecordId};

/// How one kind of record is stored. Each method is one statement.
pub trait RecordStore: Fields {
    /// Which records to list.
    type Filter: Send + 'static;

    /// Complains about references to records that do not exist.
    ///
    /// # Errors
    /// When the database fails.
    fn check_references(&self, connection: &mut AnyConnection) -> Result<FieldErrors>;

    /// Stores a new record.
    ///
    /// # Errors
    /// When the database fails.
    fn insert(connection: &mut AnyConnection, record: &Record<Self>) -> Result<()>;

    /// The record with this id; `for_update` keeps others from changing it meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    fn find(
        connection: &mut AnyConnection,
        id: RecordId<Self>,
        for_update: bool,
    ) -> Result<Option<Record<Self>>>;

    /// Replaces a record's fields and its time of change.
    ///
    /// # Errors
    /// When the database fails.
    fn update(connection: &mut AnyConnection, record: &Record<Self>) -> Result<()>;

    /// Deletes a record; whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    fn delete(connection: &mut AnyConnection, id: RecordId<Self>) -> Result<bool>;

    /// Records from the newest to the oldest, one more than the limit where there are so many.
    ///
    /// # Errors
    /// When the database fails.
    fn list(
        connection: &mut AnyConnection,
        filter: &Self::Filter,
        limit: Limit,
        after: Option<RecordId<Self>>,
    ) -> Result<Vec<Record<Self>>>;
}
