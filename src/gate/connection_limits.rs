//! How fast connections are used, by all keys together and by each: a vendor counts the requests of an
//! account, so that one key could use up what is meant for all. Each server counts its own.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::key_use::{Exhausted, KeyUse, Now};
use crate::model::key::KeyNumber;
use crate::model::limits::{KeyLimits, RateLimit};

/// Keys that are kept at most: a full table is emptied, which only forgets what is owed.
const MOST: usize = 65_536;

/// What a limit is of: a connection's number, the key's if it is of one, and which limit it is, since one
/// that is changed begins anew.
type Account = (u8, Option<KeyNumber>, RateLimit);

/// What is used up of the limits of connections.
#[derive(Default)]
pub struct ConnectionLimits(Mutex<HashMap<Account, KeyUse>>);

/// The limits of a connection.
#[derive(Debug, Clone, Copy)]
pub struct LimitsOf {
    /// The connection's number.
    pub connection: u8,
    /// Of all keys together.
    pub all: Option<RateLimit>,
    /// Of each key.
    pub each: Option<RateLimit>,
}

/// A limit of a connection that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsedUp {
    /// That of all keys; there is one request left after so many seconds.
    ByAll(u32),
    /// That of this key.
    ByKey(u32),
}

impl ConnectionLimits {
    /// Takes one request of a key from both limits.
    ///
    /// # Errors
    /// Which of them is used up.
    pub fn take(&self, limits: LimitsOf, key: KeyNumber, now: Now) -> Result<(), UsedUp> {
        let LimitsOf { connection, all, each } = limits;
        if all.is_none() && each.is_none() {
            return Ok(());
        }
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() >= MOST {
            uses.clear();
        }
        let alone = |limit| KeyLimits { rate_limit: Some(limit), ..KeyLimits::default() };
        let mut take = |limit: Option<RateLimit>, key: Option<KeyNumber>| {
            let Some(limit) = limit else { return Ok(()) };
            let used = uses.entry((connection, key, limit)).or_insert_with(|| KeyUse::new(0));
            match used.take(&alone(limit), now) {
                Ok(_) => Ok(()),
                Err(Exhausted::Rate { seconds } | Exhausted::Quota { seconds }) => Err(seconds),
            }
        };
        take(each, Some(key)).map_err(UsedUp::ByKey)?;
        let taken = take(all, None).map_err(UsedUp::ByAll);
        // What others have used up costs the key nothing of its own.
        if taken.is_err()
            && let Some(limit) = each
            && let Some(used) = uses.get(&(connection, Some(key), limit))
        {
            used.give_back(&alone(limit), now.moment);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Moment;

    #[test]
    fn no_key_uses_up_what_is_meant_for_all() {
        let limits = ConnectionLimits::default();
        let of = |connection| LimitsOf {
            connection,
            all: Some("3/minute".parse().unwrap()),
            each: Some("2/minute".parse().unwrap()),
        };
        let at = |seconds: i64| Now { moment: Moment::default(), uptime: seconds * 1_000_000_000 };
        let take = |connection, key, at| limits.take(of(connection), KeyNumber(key), at);
        assert_eq!(
            (take(1, 1, at(0)), take(1, 1, at(0)), take(1, 1, at(0))),
            (Ok(()), Ok(()), Err(UsedUp::ByKey(30)))
        );
        assert_eq!((take(1, 2, at(0)), take(1, 2, at(0))), (Ok(()), Err(UsedUp::ByAll(20))));
        assert_eq!(take(2, 1, at(0)), Ok(()));
        // Of what was refused for all, nothing is missing when there is room again.
        assert_eq!(
            (take(3, 1, at(0)), take(3, 1, at(0)), take(3, 2, at(0))),
            (Ok(()), Ok(()), Ok(()))
        );
        assert_eq!((take(3, 2, at(0)), take(3, 2, at(20))), (Err(UsedUp::ByAll(20)), Ok(())));
        assert_eq!((take(1, 1, at(30)), take(1, 1, at(30))), (Ok(()), Err(UsedUp::ByKey(30))));
        let none = LimitsOf { connection: 1, all: None, each: None };
        assert_eq!(limits.take(none, KeyNumber(1), at(30)), Ok(()));
    }
}
