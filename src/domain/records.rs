//! Records of the protected API: the same five use cases for every kind.

use serde_json::{Map, Value};

use super::Bitting;
use super::error::{Error, Result};
use super::idempotency::SaveResponse;
use crate::model::credential::Credential;
use crate::model::page::{Cursor, Page, PageRequest, foreign_cursor};
use crate::model::precondition::{Preconditions, Verdict};
use crate::model::records::{Record, RecordId, Stamp, WriterFilter, Writers, patch_fields};
use crate::model::scope::Access;
use crate::store;
use crate::store::AnyConnection;

pub use crate::store::records::RecordStore as RecordKind;

fn check_references<F: RecordKind>(fields: &F, connection: &mut AnyConnection) -> Result<()> {
    Ok(fields.check_references(connection)?.into_result()?)
}

impl Bitting {
    /// Makes a record; `writer` is the key that asks, if one does.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every complaint, [`Error::InProgress`], [`Error::Ended`], or when the
    /// database fails.
    pub fn create_record<F: RecordKind>(
        &self,
        writer: Option<Credential>,
        object: &Map<String, Value>,
        keep: Option<SaveResponse<'_, Record<F>>>,
    ) -> Result<Record<F>> {
        let fields = F::from_object(object)?;
        let by = writer.and_then(Credential::key_id);
        self.write_record(writer, keep, |connection| {
            // Inside the transaction, so that with a single writer ids rise as records are stored.
            let now = self.time.now();
            let id = RecordId::from_number(self.next_id(now));
            let stamp = Stamp { id, created_at: now, updated_at: now };
            let record =
                Record { stamp, writers: Writers { created_by: by, updated_by: by }, fields };
            check_references(&record.fields, connection)?;
            F::insert(connection, &record)?;
            F::index(connection, &record)?;
            Ok(record)
        })
    }

    /// The record with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database fails.
    pub fn find_record<F: RecordKind>(&self, id: RecordId<F>) -> Result<Record<F>> {
        self.database.read(|connection| F::find(connection, id, false))?.ok_or(Error::NotFound)
    }

    /// Records from the newest to the oldest.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of another list, or when the database fails.
    pub fn list_records<F: RecordKind>(
        &self,
        filter: &F::Filter,
        writers: &WriterFilter,
        request: &PageRequest,
    ) -> Result<Page<Record<F>>> {
        let after = request.cursor.as_ref().map(|cursor| cursor.0.parse::<RecordId<F>>());
        let after = after.transpose().map_err(|_| foreign_cursor())?;
        let limit = request.limit;
        let found =
            self.database.read(|connection| F::list(connection, filter, writers, limit, after))?;
        let next = found.next.map(|id| Cursor(id.to_string()));
        Ok(Page { items: found.records, limit, next })
    }

    /// Changes a record by merging a patch into it (RFC 7396); `writer` is the key that asks, if one
    /// does.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Invalid`] with every complaint,
    /// [`Error::Ended`], or when the database fails.
    pub fn update_record<F: RecordKind>(
        &self,
        writer: Option<Credential>,
        id: RecordId<F>,
        preconditions: &Preconditions,
        patch: Map<String, Value>,
    ) -> Result<Record<F>> {
        let by = writer.and_then(Credential::key_id);
        self.write_record(writer, None, |connection| {
            let found = find_to_change(connection, id, preconditions)?;
            let mut document = document(&found.fields)?;
            patch_fields(&mut document, patch);
            let fields = F::from_object(&document)?;
            check_references(&fields, connection)?;
            let stamp = found.stamp.changed(self.time.now());
            let record =
                Record { stamp, writers: Writers { updated_by: by, ..found.writers }, fields };
            F::update(connection, &record)?;
            F::index(connection, &record)?;
            Ok(record)
        })
    }

    /// Deletes a record; `writer` is the key that asks, if one does.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Ended`], or when the database
    /// fails.
    pub fn delete_record<F: RecordKind>(
        &self,
        writer: Option<Credential>,
        id: RecordId<F>,
        preconditions: &Preconditions,
    ) -> Result<()> {
        let by = writer.and_then(Credential::key_id);
        self.write_record(writer, None, |connection| {
            find_to_change(connection, id, preconditions)?;
            F::clear_references(connection, id, by, self.time.now())?;
            Ok(F::delete(connection, id)?)
        })
    }

    /// Changes records, unless the key that asks has ended. That is looked at last: so every
    /// revocation that was committed before is seen, however long the change waited for others. It
    /// is not locked, since a stream of writes would then keep the key from being revoked.
    fn write_record<T>(
        &self,
        writer: Option<Credential>,
        keep: Option<SaveResponse<'_, T>>,
        change: impl FnOnce(&mut AnyConnection) -> Result<T>,
    ) -> Result<T> {
        self.write_once(keep, |connection| {
            let changed = change(connection)?;
            if let Some(writer) = writer {
                self.require_live(connection, writer)?;
            }
            Ok(changed)
        })
    }
}

/// The record, kept from others until the transaction ends, if it is the version that is wanted.
fn find_to_change<F: RecordKind>(
    connection: &mut AnyConnection,
    id: RecordId<F>,
    preconditions: &Preconditions,
) -> Result<Record<F>> {
    let found = F::find(connection, id, true)?.ok_or(Error::NotFound)?;
    match preconditions.judge(&found.stamp.entity_tag(), Access::Write) {
        Verdict::Proceed => Ok(found),
        Verdict::NotModified | Verdict::Failed => Err(Error::PreconditionFailed),
    }
}

/// A record's fields as the JSON object they were made of.
fn document<F: RecordKind>(fields: &F) -> Result<Map<String, Value>> {
    let unreadable = |why: String| Error::Store(store::Error::Unreadable(why));
    match serde_json::to_value(fields) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(other) => Err(unreadable(format!("fields that are no object: {other}"))),
        Err(why) => Err(unreadable(why.to_string())),
    }
}
