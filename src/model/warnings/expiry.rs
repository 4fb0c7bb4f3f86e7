//! How long before its end a key is warned about.

use chrono::Duration;

/// How many days ahead of a key's end a warning is due, the earliest first.
pub const DAYS_AHEAD: [i64; 3] = [14, 3, 1];

/// Whether a key with such a life is warned about so many days before its end. One that was made for
/// less than the longest of them is warned about once, when the first of them comes that its life is
/// long enough for: its maker knew that it would soon end.
pub fn is_warned_of(life: Duration, days: i64) -> bool {
    let long_enough = |days: &i64| life > Duration::days(*days);
    let first = DAYS_AHEAD.into_iter().find(long_enough);
    first == Some(DAYS_AHEAD[0]) || first == Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_life_has_one_warning() {
        let warned = |life: Duration| {
            DAYS_AHEAD.into_iter().filter(|days| is_warned_of(life, *days)).collect::<Vec<_>>()
        };
        assert_eq!(warned(Duration::days(365)), [14, 3, 1]);
        assert_eq!(warned(Duration::days(14)), [3]);
        assert_eq!(warned(Duration::days(7)), [3]);
        assert_eq!(warned(Duration::days(2)), [1]);
        assert!(warned(Duration::hours(24)).is_empty());
        assert!(warned(Duration::minutes(5)).is_empty());
    }
}
