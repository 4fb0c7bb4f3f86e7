//! What time it is: the clock, or the highest time ever seen, whichever is later.
//!
//! A clock that is set back must not revive an expired key. One that jumps far ahead by mistake
//! must not expire every key for good: such a jump is believed while it lasts, but not remembered
//! until it has lasted ten minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::model::time::{Moment, Timestamp};

/// A jump ahead of the monotonic clock beyond this is suspicious.
const PLAUSIBLE_STEP_MS: i64 = 3_600_000;
/// How long a suspicious jump must last before it is remembered.
const PROBATION: Duration = Duration::from_secs(600);
/// A clock that is behind the highest time by more than this is worth a warning.
const NOTABLE_LAG_MS: i64 = 2_000;

/// Tells the time: that of the clock, or the highest time seen if that is later.
#[derive(Debug)]
pub struct Timekeeper {
    clock: Arc<dyn Clock>,
    /// The highest time seen and believed, in milliseconds since 1970.
    highest: AtomicI64,
    /// Times above this are not remembered, as of the uptime that it was found at; both in
    /// milliseconds.
    plausible: AtomicI64,
    found_at: AtomicI64,
    watch: Mutex<Watch>,
}

/// What the regular look at the two clocks remembers.
#[derive(Debug)]
struct Watch {
    wall_ms: i64,
    uptime: Duration,
    jumped_at: Option<Duration>,
    behind: bool,
}

impl Timekeeper {
    /// Starts from the highest time that the database remembers.
    pub fn new(clock: Arc<dyn Clock>, high_water: Moment) -> Self {
        let wall_ms = clock.wall_ms();
        let watch = Watch { wall_ms, uptime: clock.uptime(), jumped_at: None, behind: false };
        Self {
            clock,
            highest: AtomicI64::new(high_water.timestamp_millis()),
            plausible: AtomicI64::new(wall_ms + PLAUSIBLE_STEP_MS),
            found_at: AtomicI64::new(milliseconds(watch.uptime)),
            watch: Mutex::new(watch),
        }
    }

    /// The time everything is decided and recorded by, to the millisecond.
    pub fn now(&self) -> Moment {
        self.timestamp().moment()
    }

    /// The same, as requests are judged by it.
    pub fn timestamp(&self) -> Timestamp {
        let wall_ms = self.clock.wall_ms();
        let highest = self.highest.load(Ordering::Acquire);
        if wall_ms > highest && self.is_plausible(wall_ms) {
            self.highest.fetch_max(wall_ms, Ordering::AcqRel);
        }
        Timestamp(wall_ms.max(highest))
    }

    /// The time to write down where it is gone by later: while the clock is suspiciously far ahead,
    /// the time before.
    pub fn believed(&self) -> Moment {
        self.now();
        self.high_water()
    }

    fn is_plausible(&self, wall_ms: i64) -> bool {
        let plausible = self.plausible.load(Ordering::Acquire);
        let passed = || milliseconds(self.clock.uptime()) - self.found_at.load(Ordering::Acquire);
        wall_ms <= plausible || wall_ms <= plausible + passed()
    }

    /// How long the machine has been up: for measuring, never for dates.
    pub fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    /// The highest time to remember across restarts.
    pub fn high_water(&self) -> Moment {
        self.high_water_timestamp().moment()
    }

    /// The same, as requests are counted by it.
    pub fn high_water_timestamp(&self) -> Timestamp {
        Timestamp(self.highest.load(Ordering::Acquire))
    }

    /// How far the clock is behind the highest time seen.
    pub fn behind(&self) -> Duration {
        let ahead = self.highest.load(Ordering::Acquire) - self.clock.wall_ms();
        Duration::from_millis(u64::try_from(ahead).unwrap_or(0))
    }

    /// Compares both clocks at regular intervals: notices jumps, logs each once, and decides what may
    /// be remembered.
    pub fn tick(&self) {
        let mut watch = self.watch.lock();
        let (wall_ms, uptime) = (self.clock.wall_ms(), self.clock.uptime());
        let passed = uptime.saturating_sub(watch.uptime).as_millis();
        let expected = watch.wall_ms + i64::try_from(passed).unwrap_or(i64::MAX / 2);
        let highest = self.highest.load(Ordering::Acquire);

        if wall_ms > expected + PLAUSIBLE_STEP_MS && watch.jumped_at.is_none() {
            watch.jumped_at = Some(uptime);
            tracing::warn!(
                ahead_seconds = (wall_ms - expected) / 1000,
                "the clock jumped ahead; keys that expire by then are refused, but the jump is \
                 not remembered unless it lasts ten minutes"
            );
        }
        let on_probation = watch.jumped_at.is_some_and(|since| uptime < since + PROBATION);
        let back_in_range = self.is_plausible(wall_ms);
        if !on_probation || back_in_range {
            watch.jumped_at = None;
            self.plausible.store(wall_ms.max(highest) + PLAUSIBLE_STEP_MS, Ordering::Release);
            self.found_at.store(milliseconds(uptime), Ordering::Release);
        }

        let behind = wall_ms + NOTABLE_LAG_MS < highest;
        if behind && !watch.behind {
            tracing::warn!(
                behind_seconds = (highest - wall_ms) / 1000,
                "the clock is behind the highest time seen; using that time until the clock has caught up"
            );
        }
        watch.behind = behind;
        watch.wall_ms = wall_ms;
        watch.uptime = uptime;
    }
}

fn milliseconds(uptime: Duration) -> i64 {
    i64::try_from(uptime.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use chrono::Duration as Span;

    use crate::clock::ManualClock;
    use crate::gate::timekeeper::*;
    use crate::model::time::parse_rfc3339;

    fn start() -> Moment {
        parse_rfc3339("2026-11-21T12:00:00Z").unwrap()
    }

    fn keeper() -> (Arc<ManualClock>, Timekeeper) {
        let clock = Arc::new(ManualClock::at(start()));
        (clock.clone(), Timekeeper::new(clock, start()))
    }

    #[test]
    fn a_clock_set_back_stands_still_instead() {
        let (clock, keeper) = keeper();
        clock.pass(Duration::from_secs(60));
        let seen = keeper.now();
        clock.set_wall(start() - Span::days(2));
        assert_eq!(keeper.now(), seen);
        keeper.tick();
        assert_eq!(keeper.now(), seen);
    }

    #[test]
    fn a_jump_ahead_is_believed_but_only_remembered_after_ten_minutes() {
        let (clock, keeper) = keeper();
        keeper.tick();
        clock.set_wall(start() + Span::days(400));
        assert_eq!(keeper.now(), start() + Span::days(400));
        keeper.tick();
        keeper.now();
        clock.set_wall(start() + Span::seconds(1));
        keeper.tick();
        assert_eq!(keeper.now(), start() + Span::seconds(1));

        clock.set_wall(start() + Span::days(400));
        keeper.tick();
        clock.pass(PROBATION);
        keeper.tick();
        let seen = keeper.now();
        clock.set_wall(start());
        assert_eq!(keeper.now(), seen);
    }

    #[test]
    fn a_suspended_machine_is_no_jump() {
        let (clock, keeper) = keeper();
        keeper.tick();
        clock.pass(Duration::from_secs(8 * 3600));
        keeper.tick();
        let seen = keeper.now();
        assert_eq!(keeper.high_water(), seen);
    }
}
