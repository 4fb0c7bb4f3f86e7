//! The use cases of records: the same five for every kind.

pub mod analytics;

use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};

use super::model::{Fields, Record, RecordId, Stamp, WriterFilter, Writers};
use super::store::RecordStore;
use crate::domain::idempotency::SaveResponse;
use crate::domain::{Bitting, Error, Result};
use crate::model::credential::Credential;
use crate::model::merge_patch::patch_fields;
use crate::model::page::{Cursor, Page, PageRequest};
use crate::model::precondition::{Preconditions, Verdict};
use crate::model::scope::Access;
use crate::store;
use crate::store::AnyConnection;

/// A kind of record, and what is done with one. Every kind that can be stored is one; how it is
/// stored cannot be reached through it.
///
/// `writer` is the key that asks for a change, if one does.
pub trait RecordKind: Fields {
    /// Makes a record.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with every error, [`Error::InProgress`] or [`Error::Ended`].
    fn create(
        bitting: &Bitting,
        writer: Option<Credential>,
        object: &Map<String, Value>,
        keep: Option<SaveResponse<'_, Record<Self>>>,
    ) -> Result<Record<Self>>;

    /// The record with this id.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    fn find(bitting: &Bitting, id: RecordId<Self>) -> Result<Record<Self>>;

    /// Records from the newest to the oldest.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a cursor of another list.
    fn list(
        bitting: &Bitting,
        filter: &Self::Filter,
        writers: &WriterFilter,
        request: &PageRequest,
    ) -> Result<Page<Record<Self>>>;

    /// Changes a record by merging a patch into it (RFC 7396).
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Invalid`] with every error,
    /// or [`Error::Ended`].
    fn update(
        bitting: &Bitting,
        writer: Option<Credential>,
        id: RecordId<Self>,
        preconditions: &Preconditions,
        patch: Map<String, Value>,
    ) -> Result<Record<Self>>;

    /// Deletes a record.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::PreconditionFailed`] or [`Error::Ended`]; [`Error::BrokenOff`] when
    /// something goes wrong after some of what refers to it was cleared.
    fn delete(
        bitting: &Bitting,
        writer: Option<Credential>,
        id: RecordId<Self>,
        preconditions: &Preconditions,
    ) -> Result<()>;
}

impl<F: RecordStore> RecordKind for F {
    fn create(
        bitting: &Bitting,
        writer: Option<Credential>,
        object: &Map<String, Value>,
        keep: Option<SaveResponse<'_, Record<F>>>,
    ) -> Result<Record<F>> {
        let fields = F::from_object(object)?;
        let by = writer.and_then(Credential::key_id);
        write(bitting, writer, keep, |connection| {
            // Inside the transaction, so that with a single writer ids rise as records are stored.
            let now = bitting.time.now();
            let id = RecordId::from_number(bitting.next_id(now));
            let stamp = Stamp { id, created_at: now, updated_at: now };
            let record =
                Record { stamp, writers: Writers { created_by: by, updated_by: by }, fields };
            check_references(&record.fields, None, connection)?;
            F::insert(connection, &record)?;
            F::index(connection, &record)?;
            Ok(record)
        })
    }

    fn find(bitting: &Bitting, id: RecordId<F>) -> Result<Record<F>> {
        let found = bitting.database.read(|connection| F::find(connection, id, false))?;
        found.ok_or(Error::NotFound)
    }

    fn list(
        bitting: &Bitting,
        filter: &F::Filter,
        writers: &WriterFilter,
        request: &PageRequest,
    ) -> Result<Page<Record<F>>> {
        let (limit, after) = (request.limit, request.after()?);
        // A page takes several statements: what is deleted between them must not end the list early.
        let found = bitting
            .database
            .snapshot(|connection| F::list(connection, filter, writers, limit, after))?;
        let next = found.next.map(|id| Cursor(id.to_string()));
        Ok(Page { items: found.records, limit, next })
    }

    fn update(
        bitting: &Bitting,
        writer: Option<Credential>,
        id: RecordId<F>,
        preconditions: &Preconditions,
        patch: Map<String, Value>,
    ) -> Result<Record<F>> {
        let by = writer.and_then(Credential::key_id);
        let change = |connection: &mut AnyConnection| {
            let found = find_to_change(connection, id, preconditions)?;
            let mut document = document(&found.fields)?;
            patch_fields(&mut document, patch.clone());
            let fields = F::from_object(&document)?;
            check_references(&fields, Some(&found.fields), connection)?;
            let stamp = found.stamp.changed(bitting.time.now());
            let record =
                Record { stamp, writers: Writers { updated_by: by, ..found.writers }, fields };
            F::update(connection, &record)?;
            F::index(connection, &record)?;
            Ok(record)
        };
        again_if_collided(|| write(bitting, writer, None, change))
    }

    fn delete(
        bitting: &Bitting,
        writer: Option<Credential>,
        id: RecordId<F>,
        preconditions: &Preconditions,
    ) -> Result<()> {
        let by = writer.and_then(Credential::key_id);
        let clear_or_delete = |connection: &mut AnyConnection| {
            find_to_change(connection, id, preconditions)?;
            let free = F::clear_references(connection, id, by, bitting.time.now())?;
            if free {
                F::delete(connection, id)?;
            }
            Ok(free)
        };
        // Very many may refer to it: step by step, none takes long or lets others wait long, and
        // whoever asks again after a failure goes on where it stopped.
        let mut has_begun = false;
        loop {
            let deleted = again_if_collided(|| write(bitting, writer, None, clear_or_delete));
            let deleted = if has_begun { deleted.map_err(broken_off) } else { deleted };
            if deleted? {
                return Ok(());
            }
            has_begun = true;
        }
    }
}

fn broken_off(why: Error) -> Error {
    let done = "some of the records that referred to this one no longer do";
    Error::BrokenOff { done, why: Box::new(why) }
}

/// Changes records, unless the key that asks has ended. That is looked at last: so every revocation
/// that was committed before is seen, however long the change waited for others. It is not locked,
/// since a stream of writes would then keep the key from being revoked.
fn write<T>(
    bitting: &Bitting,
    writer: Option<Credential>,
    keep: Option<SaveResponse<'_, T>>,
    change: impl FnOnce(&mut AnyConnection) -> Result<T>,
) -> Result<T> {
    bitting.write_once(keep, |connection| {
        let changed = change(connection)?;
        if let Some(writer) = writer {
            bitting.require_live(connection, writer)?;
        }
        Ok(changed)
    })
}

/// How long the others get to be through: at once, they might not even have woken up.
const COLLISION_PAUSE: Duration = Duration::from_millis(50);

/// Does once more what the database has ended because it and others waited for each other: by then the
/// others are through.
fn again_if_collided<T>(mut change: impl FnMut() -> Result<T>) -> Result<T> {
    match change() {
        Err(Error::Store(why)) if why.is_collision() => {
            thread::sleep(COLLISION_PAUSE);
            change()
        }
        done => done,
    }
}

fn check_references<F: RecordStore>(
    fields: &F,
    before: Option<&F>,
    connection: &mut AnyConnection,
) -> Result<()> {
    Ok(fields.check_references(before, connection)?.into_result()?)
}

/// The record, kept from others until the transaction ends, if it is the version that is wanted.
fn find_to_change<F: RecordStore>(
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
fn document<F: Fields>(fields: &F) -> Result<Map<String, Value>> {
    let unreadable = |why: String| Error::Store(store::Error::Unreadable(why));
    match serde_json::to_value(fields) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(other) => Err(unreadable(format!("fields that are no object: {other}"))),
        Err(why) => Err(unreadable(why.to_string())),
    }
}
