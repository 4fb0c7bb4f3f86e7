//! Where time comes from. Everything else is handed a clock, so that tests can set it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::model::time::Moment;

/// The time of day, and how long the machine has been up.
pub trait Clock: Send + Sync + Debug {
    /// The time of day as the operating system has it, in milliseconds since 1970; it can jump.
    fn wall_ms(&self) -> i64;
    /// The time of day as a [`Moment`].
    fn wall(&self) -> Moment {
        Moment::from_timestamp_millis(self.wall_ms()).unwrap_or_default()
    }
    /// Time since the machine started, suspension included; it never goes back.
    fn uptime(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn uptime(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
    }
}

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    uptime_ms: AtomicU64,
}

impl ManualClock {
    /// Starts at a time of day, on a machine that has been up for a day.
    pub fn at(wall: Moment) -> Self {
        let uptime_ms = AtomicU64::new(86_400_000);
        Self { wall_ms: AtomicI64::new(wall.timestamp_millis()), uptime_ms }
    }

    /// Sets the time of day, forwards or back, as an operator might.
    pub fn set_wall(&self, wall: Moment) {
        self.wall_ms.store(wall.timestamp_millis(), Ordering::SeqCst);
    }

    /// Lets time pass on both clocks.
    pub fn pass(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.uptime_ms.fetch_add(ms, Ordering::SeqCst);
        self.wall_ms.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.uptime_ms.load(Ordering::SeqCst))
    }
}
