//! The lifetime of what a form makes: chosen from a few spans, or as a date.

use chrono::{Days, Duration};
use serde_json::{Map, Value, json};

use super::text::{counted, day, long_day};
use crate::http::extract::Form;
use crate::model::FieldErrors;
use crate::model::key::ApiKey;
use crate::model::policy::Policy;
use crate::model::time::{Moment, end_of_day, format, last_day, parse_day};

/// The lifetimes to choose from: the value, its words, and its days.
const LIVES: [(&str, &str, Option<u64>); 7] = [
    ("7d", "7 days", Some(7)),
    ("30d", "30 days", Some(30)),
    ("60d", "60 days", Some(60)),
    ("90d", "90 days", Some(90)),
    ("365d", "365 days", Some(365)),
    ("date", "On a date", None),
    ("never", "Never", None),
];

/// A lifetime to choose.
pub struct Life {
    /// The value that the form sends.
    pub value: &'static str,
    /// The words that people read.
    pub words: String,
    /// The end of the sentence about the key.
    pub until: String,
}

impl Life {
    fn new((value, words, days): (&'static str, &str, Option<u64>), now: Moment) -> Self {
        let until = days.map(|days| format!("until {}", long_day(now + Days::new(days))));
        Self { value, words: words.to_owned(), until: until.unwrap_or_default() }
    }
}

/// The lifetimes to choose from, as seen from now.
pub fn lives(now: Moment) -> Vec<Life> {
    LIVES.iter().map(|life| Life::new(*life, now)).collect()
}

/// The lifetimes that a policy lets a key have.
pub fn lives_within(policy: &Policy, now: Moment) -> Vec<Life> {
    let fits = |life: &&(&str, &str, Option<u64>)| match life {
        ("never", _, _) => policy.allows_endless(),
        (_, _, days) => days.is_none_or(|days| now + Days::new(days) <= policy.latest_end(now)),
    };
    LIVES.iter().filter(fits).map(|life| Life::new(*life, now)).collect()
}

/// The lifetime that is chosen unless somebody chooses another: so many days, or less under a policy.
pub fn usual_life(wanted: u64, policy: &Policy, now: Moment) -> &'static str {
    let fits = |days: u64| days <= wanted && now + Days::new(days) <= policy.latest_end(now);
    let life = LIVES.iter().rfind(|(_, _, days)| days.is_some_and(fits));
    life.map_or("date", |(value, _, _)| *value)
}

/// The lifetimes to choose from for what must expire.
pub fn finite_lives(now: Moment) -> Vec<Life> {
    lives(now).into_iter().filter(|life| life.value != "never").collect()
}

/// The value that leaves an expiry as it is.
pub const KEEP: &str = "keep";

/// The lifetimes to choose from for what may only end sooner than it would.
pub fn earlier_lives(now: Moment, before: Option<Moment>) -> Vec<Life> {
    let before_then = before.map(last_day);
    let until = before_then.map(|day| format!("until {}", long_day(day))).unwrap_or_default();
    let words = before_then.map_or("Never, as now".to_owned(), |at| format!("{}, as now", day(at)));
    let sooner = |(value, _, days): &(&str, &str, Option<u64>)| {
        let end = days.map(|days| now + Days::new(days));
        *value == "date" || end.is_some_and(|end| before.is_none_or(|before| end < before))
    };
    let others = LIVES.iter().filter(|life| sooner(life)).map(|life| Life::new(*life, now));
    std::iter::once(Life { value: KEEP, words, until }).chain(others).collect()
}

/// The lifetimes to choose from for what takes the place of a key: the first is that of the key, as
/// far as the policy allows it. What replaces one that expires is never to be without an end.
pub fn lives_like(key: &ApiKey, policy: &Policy, now: Moment) -> Vec<Life> {
    let life = key.expires_at.map(|end| end - key.created_at);
    let end = life.map(|life| now + life);
    // An end that was typed as a day or a date lies some seconds or hours off.
    let days = life.map(|life| (life + Duration::hours(12)).num_days());
    let words = match days {
        _ if policy.shortened(end, now) != end => "As long as the rules allow".to_owned(),
        None => "Never, as before".to_owned(),
        Some(0) => "As long as before".to_owned(),
        Some(days) => format!("{}, as before", counted(days, "day")),
    };
    let as_before = Life { value: KEEP, words, until: String::new() };
    let possible = policy.shortened(end, now).is_some() || policy.allows_endless();
    let same = |life: &Life| days.is_some_and(|days| life.value == format!("{days}d"));
    let others = lives_within(policy, now).into_iter();
    let others = others.filter(|life| life.value != "never" && !same(life));
    possible.then_some(as_before).into_iter().chain(others).collect()
}

/// The field that does not say when the end is, and its error.
pub type Unclear = (&'static str, &'static str);

/// The end that is chosen in a form.
#[derive(Debug, Clone, Default)]
pub struct ChosenEnd {
    /// The lifetime.
    pub expires: String,
    /// The last day, if it is to be a date.
    pub expires_on: String,
}

impl ChosenEnd {
    /// One of the lifetimes.
    pub fn of_life(life: &str) -> Self {
        Self { expires: life.to_owned(), expires_on: String::new() }
    }

    /// What a submitted form holds.
    pub fn of_form(form: &Form) -> Self {
        let text = |name| form.text(name).to_owned();
        Self { expires: text("expires"), expires_on: text("expires_on") }
    }

    /// When that is; never only where that was chosen.
    ///
    /// # Errors
    /// Where nothing was chosen, or the date is none.
    pub fn moment(&self, now: Moment) -> Result<Option<Moment>, Unclear> {
        let life = LIVES.iter().find(|(value, _, _)| *value == self.expires);
        match life {
            Some(("never", _, _)) => Ok(None),
            Some((_, _, Some(days))) => Ok(Some(now + Days::new(*days))),
            Some(_) => {
                let end = parse_day(self.expires_on.trim()).map(|day| Some(end_of_day(day)));
                end.ok_or(("expires_on", "must be a date, such as 2027-01-31"))
            }
            None => Err(("expires_at", "must be chosen")),
        }
    }

    /// Adds the end to the fields of an object, unless it stays as it is.
    pub fn add_to(&self, object: &mut Map<String, Value>, errors: &mut FieldErrors, now: Moment) {
        if self.expires == KEEP {
            return;
        }
        match self.moment(now) {
            Ok(end) => drop(object.insert("expires_at".to_owned(), json!(end.map(format)))),
            Err((field, message)) => errors.add(field, message),
        }
    }

    /// Has an error of the end stand where the end was typed.
    pub fn place(&self, field: &mut String) {
        if field == "expires_at" && self.expires == "date" {
            "expires_on".clone_into(field);
        }
    }
}
