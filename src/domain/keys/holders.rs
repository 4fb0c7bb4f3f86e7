//! Who is responsible for a key, and to whom it can be handed.

use serde_json::json;

use crate::domain::Bitting;
use crate::domain::error::Result;
use crate::domain::principal::{Principal, require};
use crate::model::FieldErrors;
use crate::model::actor::Origin;
use crate::model::audit::Action;
use crate::model::email::Email;
use crate::model::holder::KeyHolder;
use crate::model::id::UserId;
use crate::model::key::{ApiKey, Status};
use crate::model::key_filter::KeyFilter;
use crate::model::page::{Limit, Page};
use crate::model::user::{Role, User};
use crate::store::{AnyConnection, keys, users};

impl Bitting {
    /// Hands a key to somebody in the caller's transaction.
    pub(in crate::domain) fn hand_over_in(
        &self,
        connection: &mut AnyConnection,
        origin: &Origin,
        key: &mut ApiKey,
        to: Option<KeyHolder>,
    ) -> Result<()> {
        let named = |holder: Option<&KeyHolder>| json!({"holder": holder.map(|to| &to.email)});
        let detail = json!({
            "name": key.label.name,
            "before": named(key.holder.as_ref()), "after": named(to.as_ref()),
        });
        key.revision = self.record(connection, Action::KeyUpdated, origin, key.id, &detail)?;
        let user = to.as_ref().map(|holder| holder.id);
        keys::holders::set_holder(connection, key.number, user, key.revision)?;
        key.holder = to;
        Ok(())
    }

    /// The keys that a user holds, the newest first: as many as a page of a list has.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`](crate::domain::Error::Forbidden) for whoever may not look at users.
    pub fn keys_held_by(&self, principal: &Principal, user: UserId) -> Result<Page<ApiKey>> {
        require(principal.oversees() || principal.user_id() == Some(user))?;
        let (filter, limit, now) = (KeyFilter::default(), Limit::default(), self.time.now());
        let found = self
            .database
            .read(|connection| keys::list(connection, &filter, Some(user), limit, None, now))?;
        Ok(Page::of(found, limit, |key| key.number.0.to_string()))
    }

    /// The users who can be made the holder of a key; none for whoever may not look at users.
    pub fn possible_holders(&self, principal: &Principal) -> Result<Vec<User>> {
        if !principal.oversees() {
            return Ok(Vec::new());
        }
        let mut users = self.list_users(principal)?;
        users.retain(|user| refusal_of(user).is_none());
        Ok(users)
    }

    /// The new holder of a key: who has it already may keep it, whatever has become of them.
    pub(super) fn find_holder(
        &self,
        connection: &mut AnyConnection,
        principal: &Principal,
        key: &ApiKey,
        email: Option<&Email>,
    ) -> Result<Option<KeyHolder>> {
        if key.holder.as_ref().map(|holder| &holder.email) == email {
            return Ok(key.holder.clone());
        }
        let refused = |message: String| Err(FieldErrors::one("holder", message).into());
        let Some(email) = email else {
            // They could not take it back.
            return match principal.restricted_to() {
                None => Ok(None),
                Some(_) => refused(
                    "must be a user: only an administrator can leave a key without one".to_owned(),
                ),
            };
        };
        let Some(user) = users::find_by_email(connection, email)? else {
            return refused(format!("must be a user, and {email} is not one"));
        };
        match refusal_of(&user) {
            Some(why) => refused(format!("must be a user who can hold keys, and {email} {why}")),
            None => {
                if user.role == Role::Member {
                    let more = usize::from(!self.holds_other_half(connection, key, user.id)?);
                    self.require_room(connection, &[user.id], more, "holder")?;
                }
                Ok(Some(user.as_holder()))
            }
        }
    }

    /// Whether a user holds what a key was rotated to or from, which counts as one with it.
    fn holds_other_half(
        &self,
        connection: &mut AnyConnection,
        key: &ApiKey,
        user: UserId,
    ) -> Result<bool> {
        let held = |other: ApiKey| {
            other.holder.as_ref().is_some_and(|holder| holder.id == user)
                && other.status(self.time.now()) == Status::Active
        };
        for id in [key.replaced_by, key.replaces].into_iter().flatten() {
            if keys::find(connection, id)?.is_some_and(held) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Refuses more keys to a member than the policy allows: those that some hold together, and some more.
    /// Names the field that asks for them.
    pub(in crate::domain) fn require_room(
        &self,
        connection: &mut AnyConnection,
        holders: &[UserId],
        more: usize,
        field: &'static str,
    ) -> Result<()> {
        if self.policy.max_keys_per_member.is_none() {
            return Ok(());
        }
        let held = keys::holders::count_held(connection, holders, self.time.now())?;
        let refused = |message| FieldErrors::one(field, message).into();
        self.policy.check_count(held.saturating_add(more)).map_err(refused)
    }
}

/// Why a user cannot be given a key.
fn refusal_of(user: &User) -> Option<&'static str> {
    match (user.disabled_at, user.role) {
        (Some(_), _) => Some("is disabled"),
        (None, Role::Auditor) => Some("is an auditor"),
        (None, Role::Admin | Role::Member) => None,
    }
}
