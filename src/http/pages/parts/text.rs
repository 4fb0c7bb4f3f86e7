//! Figures and times in the words of the pages.

use chrono::Duration;

use crate::model::time::{Moment, format};

/// A number with its thousands set apart.
pub fn number(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        text.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: `1 key`, `2 keys`.
pub fn counted(n: i64, noun: &str) -> String {
    format!("{} {noun}{}", number(n), if n == 1 { "" } else { "s" })
}

/// As much of a text as fits into so many bytes of HTML: it must leave room for others in its list,
/// where fifty of the longest would make a page too large. The whole is a click away.
pub fn shortened(text: String, most: usize) -> String {
    let mut size = 0;
    let end = text.char_indices().find(|(_, character)| {
        size += match character {
            '<' | '>' | '&' | '"' | '\'' => "&#38;".len(),
            other => other.len_utf8(),
        };
        size > most
    });
    match end {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The longest name in a list, in bytes of HTML.
pub const NAME: usize = 120;
/// The longest owner in a list, in bytes of HTML.
pub const OWNER: usize = 60;
/// The longest name that a browser or program has for itself.
pub const AGENT: usize = 160;
/// The longest address of a page, such as one that filters by a name.
pub const LINK: usize = 200;
/// The longest reason in a list, in bytes of HTML.
pub const REASON: usize = 140;

/// A moment as a page shows it: in words, and exactly for programs and on hover.
#[derive(Debug, Clone)]
pub struct When {
    /// The moment in words.
    pub words: String,
    /// The exact moment, for people.
    pub exact: String,
    /// The exact moment, for programs.
    pub iso: String,
}

impl When {
    fn new(at: Moment, words: String) -> Self {
        Self { words, exact: exact(at), iso: format(at) }
    }

    /// How long ago it was.
    pub fn ago(at: Moment, now: Moment) -> Self {
        Self::new(at, ago(at, now))
    }

    /// How far ahead it is, or how long ago it was.
    pub fn relative(at: Moment, now: Moment) -> Self {
        Self::new(at, if at > now { ahead(at, now) } else { ago(at, now) })
    }
}

/// `4 Dec 2026`
pub fn day(at: Moment) -> String {
    at.format("%-d %b %Y").to_string()
}

/// `4 December 2026`
pub fn long_day(at: Moment) -> String {
    at.format("%-d %B %Y").to_string()
}

/// `4 Dec 2026, 12:30:05 UTC`
pub fn exact(at: Moment) -> String {
    at.format("%-d %b %Y, %H:%M:%S UTC").to_string()
}

fn ago(at: Moment, now: Moment) -> String {
    let passed = now - at;
    match passed {
        _ if passed < Duration::minutes(1) => "just now".to_owned(),
        _ if passed < Duration::hours(1) => {
            format!("{} ago", counted(passed.num_minutes(), "minute"))
        }
        _ if passed < Duration::days(1) => format!("{} ago", counted(passed.num_hours(), "hour")),
        _ if passed < Duration::days(2) => "yesterday".to_owned(),
        _ => format!("{} ago", long_span(passed.num_days())),
    }
}

fn ahead(at: Moment, now: Moment) -> String {
    let left = at - now;
    match left {
        _ if left < Duration::minutes(1) => "in less than a minute".to_owned(),
        _ if left < Duration::hours(1) => format!("in {}", counted(left.num_minutes(), "minute")),
        _ if left < Duration::hours(36) => format!("in {}", counted(left.num_hours(), "hour")),
        _ => format!("in {}", long_span((left + Duration::hours(12)).num_days())),
    }
}

/// Days, months or years, whichever is read most easily.
fn long_span(days: i64) -> String {
    match days {
        ..60 => counted(days, "day"),
        60..730 => counted((days * 100 + 1522) / 3044, "month"),
        _ => counted(days / 365, "year"),
    }
}

/// Parts of a sentence: `a, b and c`.
pub fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::http::pages::parts::text::*;
    use crate::model::time::parse_rfc3339;

    #[test]
    fn thousands_are_set_apart() {
        let texts = [0, 999, 1000, 35120, 1234567, -1000].map(number);
        assert_eq!(texts, ["0", "999", "1,000", "35,120", "1,234,567", "-1,000"]);
        assert_eq!([counted(1, "key"), counted(2, "key")], ["1 key", "2 keys"]);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let of = |text: &str| shortened(text.to_owned(), 6);
        let cut = [of(""), of("añb12"), of("añb123"), of("<a"), of("a<b"), of("<<")];
        assert_eq!(cut, ["", "añb12", "añb12…", "<a", "a<…", "<…"]);
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let now = parse_rfc3339("2026-11-21T12:00:00Z").unwrap();
        let past = |span: Duration| When::relative(now - span, now).words;
        assert_eq!(past(Duration::zero()), "just now");
        assert_eq!(past(Duration::seconds(119)), "1 minute ago");
        assert_eq!(past(Duration::hours(23)), "23 hours ago");
        assert_eq!(past(Duration::hours(47)), "yesterday");
        assert_eq!(past(Duration::days(59)), "59 days ago");
        assert_eq!(past(Duration::days(104)), "3 months ago");
        assert_eq!(past(Duration::days(800)), "2 years ago");
        let future = |span: Duration| When::relative(now + span, now).words;
        assert_eq!(future(Duration::seconds(1)), "in less than a minute");
        assert_eq!(future(Duration::hours(30)), "in 30 hours");
        assert_eq!(future(Duration::days(7) - Duration::seconds(1)), "in 7 days");
        assert_eq!(future(Duration::days(90) - Duration::seconds(1)), "in 3 months");
        assert_eq!(future(Duration::days(365)), "in 12 months");
        assert_eq!(day(now), "21 Nov 2026");
        assert_eq!(When::ago(now, now).exact, "21 Nov 2026, 12:00:00 UTC");
    }

    #[test]
    fn parts_are_joined_as_in_a_sentence() {
        let of =
            |parts: &[&str]| listed(&parts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!([of(&[]), of(&["a"]), of(&["a", "b", "c"])], ["", "a", "a, b and c"]);
    }
}
