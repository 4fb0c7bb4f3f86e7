//! What has to be taken away here so that nobody may do what they might not do in another database.

use crate::model::connections::{Connection, ConnectionProfile, Handle};
use crate::model::email::Email;
use crate::model::id::{KeyId, TokenId, UserId};
use crate::model::scope::ScopeSet;
use crate::model::time::Moment;
use crate::model::user::{Role, User};
use crate::store::users::powers::{Credential, Powers, Reach};

/// A key or an admin token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// An API key.
    Key(KeyId),
    /// An admin token.
    Token(TokenId),
}

/// One right that is taken away again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A key or token had been revoked.
    Revoke(Held),
    /// A key or token had been handed to another user.
    HandOver(Held, UserId, Email),
    /// A key's scopes, life or limits had been narrowed; this is what is left.
    NarrowKey(KeyId, Box<Reach>),
    /// A key had been taken from the user who has it here, and whoever has it there cannot here.
    Release(KeyId),
    /// A user had been disabled.
    Disable(UserId, Email),
    /// A user's role or limits had been narrowed; these are what is left.
    Narrow(UserId, Email, Role, ScopeSet),
    /// A user's password had been changed.
    ForgetPassword(UserId, Email),
    /// A connection had been removed.
    RemoveConnection(Handle),
    /// A connection had been switched off.
    SwitchOff(Handle),
    /// What a connection offers had been narrowed; this is what is left.
    NarrowConnection(Handle, Box<ConnectionProfile>),
    /// Nobody can tell which sessions and links had been ended or used up: all of them are ended.
    EndSessionsAndLinks,
}

/// What has to be done here so that nobody may do what they might not do there.
pub(super) fn plan(there: &Powers, here: &Powers, now: Moment) -> Vec<Step> {
    let keys = here.keys.iter().map(|(id, key)| (Held::Key(*id), *key, there.keys.get(id)));
    let tokens =
        here.tokens.iter().map(|(id, token)| (Held::Token(*id), *token, there.tokens.get(id)));
    let mut held: Vec<Step> = keys
        .chain(tokens)
        .filter_map(|(held, here_is, there_was)| step_of(held, here_is, *there_was?, there, here))
        .chain(narrowed_keys(there, here, now))
        .collect();
    held.sort_by_key(order);
    held.extend(users_steps(there, here));
    held.extend(connection_steps(there, here));
    held.push(Step::EndSessionsAndLinks);
    held
}

fn users_steps(there: &Powers, here: &Powers) -> Vec<Step> {
    // Passwords last: who has none is no administrator who can sign in, and without one of those
    // nobody could be disabled.
    let (mut steps, mut forgotten) = (Vec::new(), Vec::new());
    let mut users: Vec<_> = here.users.values().collect();
    users.sort_by_key(|account| account.user.id);
    for account in users {
        let (id, email) = (account.user.id, account.user.email.clone());
        let Some(before) = there.users.get(&id) else { continue };
        if before.user.disabled_at.is_some() && account.user.disabled_at.is_none() {
            steps.push(Step::Disable(id, email.clone()));
        }
        let (role, may_grant) = narrowed(&account.user, &before.user);
        if (role, &may_grant) != (account.user.role, &account.user.may_grant) {
            steps.push(Step::Narrow(id, email.clone(), role, may_grant));
        }
        if account.password.is_some() && account.password != before.password {
            forgotten.push(Step::ForgetPassword(id, email));
        }
    }
    steps.extend(forgotten);
    steps
}

fn connection_steps(there: &Powers, here: &Powers) -> Vec<Step> {
    let step = |connection: &Connection| {
        let before = there.connections.iter().find(|before| before.id == connection.id)?;
        let (handle, profile) = (connection.handle.clone(), &connection.profile);
        let left = profile.narrowed_to(&before.profile);
        if before.removed_at.is_some() {
            Some(vec![Step::RemoveConnection(handle)])
        } else {
            let off = before.disabled_at.is_some() && connection.disabled_at.is_none();
            let off = off.then(|| Step::SwitchOff(handle.clone()));
            let narrower = left != *profile;
            let narrower = narrower.then(|| Step::NarrowConnection(handle, Box::new(left)));
            Some(off.into_iter().chain(narrower).collect())
        }
    };
    let present = here.connections.iter().filter(|connection| connection.removed_at.is_none());
    present.filter_map(step).flatten().collect()
}

fn step_of(
    held: Held,
    here_is: Credential,
    there_was: Credential,
    there: &Powers,
    here: &Powers,
) -> Option<Step> {
    if here_is.revoked {
        return None;
    }
    if there_was.revoked {
        return Some(Step::Revoke(held));
    }
    if here_is.user == there_was.user {
        return None;
    }
    let may_hold = |user: &User| match held {
        Held::Key(_) => user.role != Role::Auditor,
        Held::Token(_) => user.role == Role::Admin,
    };
    let fit = |powers: &Powers, user: UserId| {
        let user = &powers.users.get(&user)?.user;
        (user.disabled_at.is_none() && may_hold(user)).then(|| user.email.clone())
    };
    let heir = there_was.user.and_then(|heir| Some((heir, fit(there, heir).and(fit(here, heir))?)));
    match (held, heir) {
        (_, Some((heir, email))) => Some(Step::HandOver(held, heir, email)),
        (Held::Key(id), None) => here_is.user.map(|_| Step::Release(id)),
        // Whoever had it there may not have it here, and whoever has it here had lost it.
        (Held::Token(_), None) => there_was.user.map(|_| Step::Revoke(held)),
    }
}

/// What is left of the keys that reached less far there; one that had ended there is revoked.
fn narrowed_keys<'a>(
    there: &'a Powers,
    here: &'a Powers,
    now: Moment,
) -> impl Iterator<Item = Step> + 'a {
    here.reach.iter().filter_map(move |(id, here_is)| {
        let there_was = there.reach.get(id)?;
        let revoked = |powers: &Powers| powers.keys.get(id).is_some_and(|key| key.revoked);
        let has_ended = here_is.expires_at.is_some_and(|end| end <= now);
        if here_is == there_was || has_ended || revoked(here) || revoked(there) {
            return None;
        }
        match here_is.shared_with(there_was).filter(|left| left.is_open_at(now)) {
            None => Some(Step::Revoke(Held::Key(*id))),
            Some(left) if left == *here_is => None,
            Some(left) => Some(Step::NarrowKey(*id, Box::new(left))),
        }
    })
}

impl Reach {
    /// What both allow; nothing where they have no scope or no network in common.
    fn shared_with(&self, other: &Self) -> Option<Self> {
        let scopes = self.scopes.iter().filter(|scope| other.scopes.contains(scope));
        let scopes: ScopeSet = scopes.cloned().collect();
        let ends = [self.expires_at, other.expires_at];
        let expires_at = ends.into_iter().flatten().min();
        let limits = self.limits.stricter(&other.limits)?;
        (!scopes.is_empty()).then_some(Self { scopes, expires_at, limits })
    }

    fn is_open_at(&self, now: Moment) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// Keys before tokens, the oldest first, so that two runs say the same.
fn order(step: &Step) -> (u8, u128) {
    match step {
        Step::Revoke(Held::Key(id))
        | Step::HandOver(Held::Key(id), ..)
        | Step::NarrowKey(id, ..)
        | Step::Release(id) => (0, id.number()),
        Step::Revoke(Held::Token(id)) | Step::HandOver(Held::Token(id), ..) => (1, id.number()),
        _ => (2, 0),
    }
}

/// What is left of a user's rights when what they might not do there is taken away.
fn narrowed(here: &User, there: &User) -> (Role, ScopeSet) {
    match (here.role, there.role) {
        (Role::Admin | Role::Auditor | Role::Member, Role::Admin)
        | (Role::Auditor, Role::Auditor) => (here.role, here.may_grant.clone()),
        (Role::Admin, Role::Auditor) => (Role::Auditor, ScopeSet::EMPTY),
        (Role::Admin, Role::Member) => (Role::Member, there.may_grant.clone()),
        (Role::Member, Role::Member) => {
            let both = here.may_grant.iter().filter(|scope| there.may_grant.contains(scope));
            (Role::Member, both.cloned().collect())
        }
        // One may see everything, the other make keys: what both may do is to see their own.
        (Role::Member, Role::Auditor) | (Role::Auditor, Role::Member) => {
            (Role::Member, ScopeSet::EMPTY)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::PublicId;
    use crate::store::users::powers::Account;

    fn user(role: Role, may_grant: &str) -> User {
        User {
            id: UserId::from_number(1),
            email: "ada@example.com".parse().unwrap(),
            role,
            may_grant: may_grant.parse().unwrap_or_default(),
            created_at: Moment::default(),
            disabled_at: None,
            last_login_at: None,
        }
    }

    /// What becomes of something that its user here had handed to another, whose roles these are.
    fn handed(held: Held, there: Role, here: Role) -> Option<Step> {
        let powers = |role| Powers {
            users: [(UserId::from_number(1), Account { user: user(role, ""), password: None })]
                .into(),
            ..Powers::default()
        };
        let of = |user| Credential { revoked: false, user: Some(UserId::from_number(user)) };
        step_of(held, of(2), of(1), &powers(there), &powers(here))
    }

    #[test]
    fn tokens_are_handed_to_administrators_only_and_nothing_to_auditors() {
        let key = Held::Key(KeyId::from_number(1));
        let token = Held::Token(TokenId::from_number(1));
        let goes = |held| {
            let (heir, email) = (UserId::from_number(1), "ada@example.com".parse().unwrap());
            Some(Step::HandOver(held, heir, email))
        };
        let release = Some(Step::Release(KeyId::from_number(1)));
        for (there, here, of_key, of_token) in [
            (Role::Admin, Role::Admin, goes(key), goes(token)),
            (Role::Admin, Role::Member, goes(key), Some(Step::Revoke(token))),
            (Role::Member, Role::Admin, goes(key), Some(Step::Revoke(token))),
            (Role::Member, Role::Auditor, release.clone(), Some(Step::Revoke(token))),
            (Role::Auditor, Role::Member, release, Some(Step::Revoke(token))),
        ] {
            assert_eq!(handed(key, there, here), of_key, "{there:?} {here:?}");
            assert_eq!(handed(token, there, here), of_token, "{there:?} {here:?}");
        }
    }

    #[test]
    fn rights_are_only_ever_narrowed() {
        let (member, admin, auditor) = (
            |scopes| user(Role::Member, scopes),
            || user(Role::Admin, ""),
            || user(Role::Auditor, ""),
        );
        let both = "calls:read calls:write";
        for (here, there, left) in [
            (admin(), admin(), admin()),
            (member("calls:read"), admin(), member("calls:read")),
            (auditor(), admin(), auditor()),
            (admin(), member("calls:read"), member("calls:read")),
            (admin(), auditor(), auditor()),
            (member(both), member("calls:read leads:read"), member("calls:read")),
            (member("calls:read"), member(both), member("calls:read")),
            (member(both), auditor(), member("")),
            (auditor(), member(both), member("")),
        ] {
            assert_eq!(narrowed(&here, &there), (left.role, left.may_grant), "{here:?} {there:?}");
        }
    }
}
