//! The five operations of every kind of record.

pub mod analytics;

use serde_json::{Map, Value, json};

use super::{Listed, read_writers};
use crate::http::api::describe::{EXAMPLE_NUMBER, example_time, json_of, page_of};
use crate::http::extract::QueryReader;
use crate::http::openapi::operation::Operation;
use crate::model::id::{KeyId, PublicId};
use crate::model::page::Page;
use crate::records::model::{Record, RecordId, Stamp, Writers, resources};

/// A record as it would be made of the kind's own example.
fn example<F: Listed>() -> Option<Record<F>> {
    let (id, at) = (RecordId::from_number(EXAMPLE_NUMBER), example_time());
    let fields = F::from_object(F::example().as_object()?).ok()?;
    let by = Some(KeyId::from_number(EXAMPLE_NUMBER));
    let writers = Writers { created_by: by, updated_by: by };
    Some(Record { stamp: Stamp { id, created_at: at, updated_at: at }, writers, fields })
}

/// A change of the kind's example: its last field.
fn example_patch<F: Listed>() -> Value {
    let example = F::example();
    let last = example.as_object().and_then(|object| object.iter().next_back());
    last.map(|(name, value)| Map::from_iter([(name.clone(), value.clone())])).into()
}

fn tag<F: Listed>() -> &'static str {
    resources::name(F::RESOURCE)
}

/// What a write answers, which depends on the scopes of the key.
fn written<F: Listed>(operation: &mut Operation<'_>, status: u16, about: &str) {
    let record = example::<F>();
    let examples = json!({
        "read": {"summary": "With `read` as well as `write`", "value": json_of(&record)},
        "write_only": {
            "summary": "With `write` alone",
            "value": json_of(record.as_ref().map(|record| &record.stamp)),
        },
    });
    operation
        .response_either::<Record<F>, Stamp<F>>(status, about, examples)
        .with_header(status, "ETag")
        .description("Without the read scope, the response holds only the id and times.");
}

/// `GET /v1/…`
pub fn list<F: Listed>(operation: &mut Operation<'_>) {
    operation
        .id(tag::<F>(), "list", format!("List {}", F::MANY))
        .query(F::read_filter)
        .query(read_writers)
        .query(QueryReader::page)
        .response::<Page<Record<F>>>(
            200,
            "A page, newest first.",
            json_of(example::<F>().map(page_of)),
        )
        .description(
            "A page ends early where its records have more than 1 MiB of text together; \
             `next_cursor` alone tells whether the list goes on.",
        )
        .with_optional_header(200, "Link");
}

/// `POST /v1/…`
pub fn create<F: Listed>(operation: &mut Operation<'_>) {
    operation.id(tag::<F>(), "create", format!("Create {}", F::ONE)).request_body::<F, F>(
        &format!("{}Input", F::schema_name()),
        F::read,
        &F::example(),
    );
    written::<F>(operation, 201, "The record was created.");
    operation.with_header(201, "Location").idempotent(201);
}

/// `GET /v1/…/{id}`
pub fn find<F: Listed>(operation: &mut Operation<'_>) {
    operation
        .id(tag::<F>(), "find", format!("Show {}", F::ONE))
        .on_id::<RecordId<F>>()
        .response::<Record<F>>(200, "The record.", json_of(example::<F>()))
        .response_nothing(304, "The record is still the version that `If-None-Match` names.")
        .with_header(200, "ETag")
        .with_header(304, "ETag")
        .conditional();
}

/// `PATCH /v1/…/{id}`
pub fn update<F: Listed>(operation: &mut Operation<'_>) {
    operation
        .id(tag::<F>(), "update", format!("Change {}", F::ONE))
        .on_id::<RecordId<F>>()
        .merge_patch::<F, F>(&format!("{}Patch", F::schema_name()), F::read, &example_patch::<F>())
        .conditional();
    written::<F>(operation, 200, "The record was changed.");
}

/// `DELETE /v1/…/{id}`
pub fn delete<F: Listed>(operation: &mut Operation<'_>) {
    operation
        .id(tag::<F>(), "delete", format!("Delete {}", F::ONE))
        .on_id::<RecordId<F>>()
        .description("Deleting it again returns 404.")
        .response_nothing(204, "The record was deleted.")
        .conditional();
}
