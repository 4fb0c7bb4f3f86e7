//! Reading the audit log. Events are written by the use cases themselves, inside their
//! transactions; what was refused is noted by `principal`.

use std::collections::HashMap;
use std::fmt::Display;

use serde_json::Value;

use super::Bitting;
use super::error::Result;
use super::principal::Principal;
use super::set_back::RECENT;
use crate::model::actor::Origin;
use crate::model::audit::{Action, AuditEvent, AuditFilter};
use crate::model::id::{KeyId, TokenId, UserId};
use crate::model::page::{Limit, Page, PageRequest};
use crate::model::words::Word;
use crate::store;
use crate::store::audit;
use crate::store::database::transaction::AdvisoryLock;

/// Logs a committed change: if the database is lost, this record remains.
pub(super) fn log_change(action: Action, id: impl Display, origin: &Origin) {
    tracing::info!(
        action = action.as_str(),
        id = %id,
        actor = origin.actor.kind.as_str(),
        actor_id = origin.actor.id,
        request_id = origin.client.request_id,
        "changed"
    );
}

/// Every text in an event's detail that may be an id.
fn collect_ids(detail: &Value, ids: &mut Vec<String>) {
    let is_id = |text: &str| {
        let known = text.parse::<UserId>().is_ok() || text.parse::<TokenId>().is_ok();
        known || text.parse::<KeyId>().is_ok()
    };
    match detail {
        Value::String(text) if is_id(text) => ids.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| collect_ids(value, ids)),
        Value::Object(object) => object.values().for_each(|value| collect_ids(value, ids)),
        _ => {}
    }
}

impl Bitting {
    /// Events from the newest to the oldest; a member sees those of their own keys and doings.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](super::Error::Invalid) for a cursor of another list.
    pub fn list_audit(
        &self,
        principal: &Principal,
        filter: &AuditFilter,
        request: &PageRequest,
    ) -> Result<Page<AuditEvent>> {
        let before = request.after::<i64>()?;
        let (limit, user) = (request.limit, principal.restricted_to());
        let found = self
            .database
            .read(|connection| audit::list(connection, filter, user, limit, before))?;
        Ok(Page::of(found, limit, |event| event.id.to_string()))
    }

    /// The names that users, keys and admin tokens have now, by the ids that events call them by;
    /// a member is told those of their own keys.
    pub fn names_in(
        &self,
        principal: &Principal,
        events: &[AuditEvent],
    ) -> Result<HashMap<String, String>> {
        let mut ids = Vec::new();
        for event in events {
            ids.extend(event.key_id.clone());
            collect_ids(&event.detail, &mut ids);
        }
        ids.sort_unstable();
        ids.dedup();
        let user = principal.restricted_to();
        Ok(self.database.read(|connection| audit::names(connection, &ids, user))?)
    }
}

impl Bitting {
    /// Records in the audit log what was found lost; several servers that find the same record it
    /// once.
    ///
    /// # Errors
    /// When the database fails; it is recorded another time.
    pub fn record_set_backs(&self) -> store::Result<()> {
        while let Some(set_back) = self.set_backs.next() {
            let now = self.time.now();
            self.background.write(|connection| {
                AdvisoryLock::Keys.acquire(connection)?;
                let filter = AuditFilter {
                    action: Some(Action::DatabaseSetBack),
                    from: Some(now - RECENT),
                    ..AuditFilter::default()
                };
                let recent = audit::list(connection, &filter, None, Limit::default(), None)?;
                if !recent.iter().any(|event| set_back.is_told_by(event)) {
                    let action = Action::DatabaseSetBack;
                    audit::insert(
                        connection,
                        now,
                        action,
                        &Origin::server(),
                        None,
                        &set_back.detail(),
                    )?;
                }
                store::Result::Ok(())
            })?;
            self.set_backs.recorded();
        }
        Ok(())
    }
}
