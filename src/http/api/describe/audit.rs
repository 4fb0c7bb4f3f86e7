//! The audit log.

use serde_json::json;

use super::{EXAMPLE_NUMBER, example_time, json_of, page_of};
use crate::http::api::audit::read_filter;
use crate::http::extract::QueryReader;
use crate::http::openapi::operation::Operation;
use crate::model::actor::{Actor, ActorKind};
use crate::model::audit::{Action, AuditEvent};
use crate::model::id::{KeyId, PublicId};
use crate::model::page::Page;
use crate::model::words::Word;

/// `GET /v1/audit`
pub fn list(operation: &mut Operation<'_>) {
    let event = AuditEvent {
        id: 42,
        at: example_time(),
        action: Action::KeyRevoked.as_str().to_owned(),
        actor: Actor { kind: ActorKind::Cli, id: None, name: "ops".to_owned() },
        key_id: Some(KeyId::from_number(EXAMPLE_NUMBER).to_string()),
        address: None,
        request_id: None,
        detail: json!({"reason": "leaked"}),
    };
    operation
        .id("audit", "list", "List what was done to keys and tokens")
        .query(read_filter)
        .query(QueryReader::page)
        .response::<Page<AuditEvent>>(200, "A page, newest first.", json_of(page_of(event)))
        .with_optional_header(200, "Link");
}
