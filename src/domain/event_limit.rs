//! Bounds audit events that somebody can cause as often as they like: so many a minute are written
//! one by one, and the next one says how many there were besides.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::model::time::Moment;

/// How many events of one subject each process writes in a minute.
const WRITTEN_A_MINUTE: u32 = 60;

/// What was written in this minute, by subject: whoever causes the events, or one for all of them where
/// strangers could make up subjects without end.
#[derive(Default)]
pub(super) struct EventLimit(Mutex<HashMap<String, ThisMinute>>);

#[derive(Default)]
struct ThisMinute {
    number: i64,
    written: u32,
    left_out: u64,
}

impl EventLimit {
    /// How many events were left out since the last one that was written; none if this one is left
    /// out too.
    pub(super) fn admit(&self, subject: &str, now: Moment) -> Option<u64> {
        let mut subjects = self.0.lock();
        let minute = now.timestamp() / 60;
        if !subjects.contains_key(subject) {
            // Only what still has something to say is kept beyond its minute.
            subjects.retain(|_, of| of.number == minute || of.left_out > 0);
        }
        let of = subjects.entry(subject.to_owned()).or_default();
        if of.number != minute {
            (of.number, of.written) = (minute, 0);
        }
        if of.written == WRITTEN_A_MINUTE {
            of.left_out += 1;
            return None;
        }
        of.written += 1;
        Some(std::mem::take(&mut of.left_out))
    }

    /// Whether no more events of a subject are written in this minute; then this one is left out too.
    pub(super) fn leaves_out(&self, subject: &str, now: Moment) -> bool {
        let mut subjects = self.0.lock();
        let minute = now.timestamp() / 60;
        let is_full = |of: &&mut ThisMinute| of.number == minute && of.written == WRITTEN_A_MINUTE;
        let Some(of) = subjects.get_mut(subject).filter(is_full) else { return false };
        of.left_out += 1;
        true
    }

    /// Has the next event tell of one that was admitted and could not be written, and of those that it
    /// was to tell of.
    pub(super) fn put_back(&self, subject: &str, left_out: u64) {
        let mut subjects = self.0.lock();
        subjects.entry(subject.to_owned()).or_default().left_out += left_out + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::parse_rfc3339;

    #[test]
    fn a_flood_of_events_is_counted_and_not_written() {
        let limit = EventLimit::default();
        let now = parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let written = (0..1000).filter(|_| limit.admit("ada", now).is_some()).count();
        assert_eq!(written, WRITTEN_A_MINUTE as usize);
        assert_eq!(limit.admit("bo", now), Some(0), "somebody else's are written");
        let later = now + chrono::Duration::minutes(1);
        assert_eq!(limit.admit("cy", later), Some(0));
        assert_eq!(limit.admit("ada", later), Some(940));
        assert_eq!(limit.admit("ada", later), Some(0));
        limit.put_back("ada", 940);
        assert_eq!(limit.admit("ada", later), Some(941));
        assert_eq!(limit.0.lock().len(), 2, "bo has nothing left to say");
    }
}
