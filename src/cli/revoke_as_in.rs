//! `bitting revoke-as-in`: after a backup was restored, taking away again what had been taken away
//! since, as far as the database from before tells.

use super::application::{open, principal};
use super::failure::Failure;
use super::output::{say, show};
use crate::config::Settings;
use crate::domain::Error;
use crate::domain::carry_over::{Held, Step};
use crate::model::limits::KeyLimits;
use crate::model::time::format;
use crate::model::words::Word;
use crate::store::Target;
use crate::store::database::inspect::Inspection;
use crate::store::database::migrate::Missing;
use crate::store::users::powers::Reach;

/// Does it, or only says what it would do.
pub(super) fn run(settings: &Settings, other: &str, dry_run: bool) -> Result<(), Failure> {
    let other: Target = other.parse().map_err(|why| Failure::Usage(format!("{why}")))?;
    let mut inspection = Inspection::open(&other)?;
    if inspection.look(&other)?.outdated {
        return Err(Failure::Failed(format!(
            "{other}: migrations are pending: run `bitting migrate` on it (or on a copy of it) first"
        )));
    }
    let there = inspection.powers()?;
    let bitting = open(settings, Missing::Refuse)?;
    require_copy(&settings.database, &other, &mut inspection)?;
    let principal = principal();
    let steps = bitting.plan_to_carry_over(&principal, &there)?;
    let (mut left, mut unshown) = (0, None);
    for step in &steps {
        match if dry_run { Ok(()) } else { bitting.carry_over(&principal, step) } {
            // Whoever reads may have seen enough; all of it is done all the same.
            Ok(()) => unshown = unshown.or(show(format_args!("{}", words(step))).err()),
            Err(Error::LastAdministrator) => {
                left += 1;
                say(format_args!(
                    "not done, since no administrator would be left: {}",
                    words(step)
                ));
            }
            Err(why) => return Err(why.into()),
        }
    }
    let would = if dry_run { "would be " } else { "" };
    say(format_args!("{} {would}taken away here, as in {other}", steps.len() - left));
    match left {
        0 => unshown.map_or(Ok(()), Err),
        _ => Err(Failure::Failed(
            "add another administrator with `bitting user add EMAIL --role admin` and run this again"
                .to_owned(),
        )),
    }
}

/// Refuses a database that is not the one from before: this one itself, or one that has nothing to do
/// with it. A backup has the id of the database that it was made of.
fn require_copy(here: &Target, other: &Target, there: &mut Inspection) -> Result<(), Failure> {
    let own = Inspection::open(here)?.identity(here)?;
    let there = there.identity(other)?;
    let why = if own.place == there.place {
        "is the database that things would be taken away in"
    } else if own.database_id != there.database_id {
        "is another database, of which this one was not restored"
    } else {
        return Ok(());
    };
    Err(Failure::Failed(format!(
        "{other}: {why}; name the database from before the backup was restored"
    )))
}

fn words(step: &Step) -> String {
    match step {
        Step::Revoke(held) => format!("{} revoked", id(*held)),
        Step::HandOver(held, _, heir) => format!("{} handed to {heir}", id(*held)),
        Step::NarrowKey(id, left) => format!("{id} narrowed to {}", reach(left)),
        Step::Release(id) => format!("{id} left without a holder"),
        Step::Disable(_, email) => format!("{email} disabled, with what keys they still had"),
        Step::Narrow(_, email, role, may_grant) => {
            let limits =
                if may_grant.is_empty() { "nothing".to_owned() } else { may_grant.to_string() };
            format!("{email} narrowed to {}, may grant {limits}", role.as_str())
        }
        Step::ForgetPassword(_, email) => format!(
            "{email} has no password: make a link for them on the page of users, or run `bitting \
             user set-password {email}`"
        ),
        Step::RemoveConnection(handle) => format!("connection {handle} removed"),
        Step::SwitchOff(handle) => format!("connection {handle} switched off"),
        Step::NarrowConnection(handle, _) => format!("connection {handle} narrowed"),
        Step::EndSessionsAndLinks => "every session and one-time link ended".to_owned(),
    }
}

fn reach(Reach { scopes, expires_at, limits }: &Reach) -> String {
    let until =
        expires_at.map_or("never expires".to_owned(), |end| format!("expires {}", format(end)));
    let KeyLimits { rate_limit, quota, allowed_networks } = limits;
    let limits = [
        rate_limit.map(|limit| format!(", at most {limit}")),
        quota.map(|quota| format!(", quota {quota}")),
        allowed_networks.as_ref().map(|networks| format!(", only from {networks}")),
    ];
    let limits: String = limits.into_iter().flatten().collect();
    format!("{scopes}, {until}{limits}")
}

fn id(held: Held) -> String {
    match held {
        Held::Key(id) => id.to_string(),
        Held::Token(id) => id.to_string(),
    }
}
