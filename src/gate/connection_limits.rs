//! How fast connections are used, by all keys together and by each: a vendor counts the requests of an
//! account, so that one key could use up what is meant for all. Each server counts its own.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::budget::Budget;
use super::key_use::{Exhausted, KeyUse, Now};
use crate::model::key::KeyNumber;
use crate::model::limits::RateLimit;

/// What is used up by this many keys is kept at most.
const MOST: usize = 65_536;

/// What is used up of the limits of connections.
#[derive(Default)]
pub struct ConnectionLimits(Mutex<Uses>);

/// A limit that is changed begins anew.
#[derive(Default)]
struct Uses {
    /// By all keys together, for each connection, under its limit.
    all: HashMap<u8, (RateLimit, KeyUse)>,
    /// By each key.
    each: HashMap<(u8, RateLimit, KeyNumber), KeyUse>,
}

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
        let mut uses = self.0.lock();
        let Uses { all: by_all, each: by_each } = &mut *uses;
        let of_key = each.map(|limit| {
            make_room(by_each, now);
            let used = by_each.entry((connection, limit, key)).or_insert_with(|| KeyUse::new(0));
            (&*used, Budget::of_rate(limit))
        });
        if let Some((used, budget)) = &of_key {
            used.take(budget, now).map_err(|why| UsedUp::ByKey(seconds(why)))?;
        }
        let Some(limit) = all else { return Ok(()) };
        let (kept, used) = by_all.entry(connection).or_insert_with(|| (limit, KeyUse::new(0)));
        if *kept != limit {
            (*kept, *used) = (limit, KeyUse::new(0));
        }
        used.take(&Budget::of_rate(limit), now).map(drop).map_err(|why| {
            // What others have used up costs the key nothing of its own.
            if let Some((used, budget)) = &of_key {
                used.give_back(budget, now.at);
            }
            UsedUp::ByAll(seconds(why))
        })
    }
}

fn seconds(why: Exhausted) -> u32 {
    match why {
        Exhausted::Rate { seconds } | Exhausted::Quota { seconds } => seconds,
    }
}

/// Forgets the keys that have their whole limit again; where that is none of so many, all of them.
fn make_room(uses: &mut HashMap<(u8, RateLimit, KeyNumber), KeyUse>, now: Now) {
    if uses.len() < MOST {
        return;
    }
    uses.retain(|(_, limit, _), used| {
        used.remaining(&Budget::of_rate(*limit), now).rate.is_some_and(|left| left.reset > 0)
    });
    if uses.len() >= MOST {
        uses.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn no_key_uses_up_what_is_meant_for_all() {
        let limits = ConnectionLimits::default();
        let of = |connection| LimitsOf {
            connection,
            all: Some("3/minute".parse().unwrap()),
            each: Some("2/minute".parse().unwrap()),
        };
        let at = |seconds: i64| Now { at: Timestamp::default(), uptime: seconds * 1_000_000_000 };
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

    #[test]
    fn however_many_keys_there_are_what_is_meant_for_all_stays_used_up() {
        let limits = ConnectionLimits::default();
        let all = format!("{}/hour", MOST + 1).parse().unwrap();
        let of = LimitsOf { connection: 1, all: Some(all), each: Some("1/hour".parse().unwrap()) };
        let now = Now { at: Timestamp::default(), uptime: 0 };
        let keys = (0..).take(MOST + 1).map(KeyNumber);
        assert!(keys.clone().all(|key| limits.take(of, key, now).is_ok()));
        assert!(matches!(limits.take(of, KeyNumber(u32::MAX), now), Err(UsedUp::ByAll(_))));
        // There was no room for what they owe, but for the last one's.
        assert!(limits.0.lock().each.len() <= 2);
        let later = Now { uptime: 2 * 3_600 * 1_000_000_000, ..now };
        for key in keys {
            limits.take(LimitsOf { all: None, ..of }, key, now).ok();
        }
        assert!(limits.0.lock().each.len() < MOST);
        limits.take(of, KeyNumber(0), later).unwrap();
        assert_eq!(limits.take(of, KeyNumber(0), later), Err(UsedUp::ByKey(3_600)));
    }
}
