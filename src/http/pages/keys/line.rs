//! The line that a key is in: what it replaced, what replaced it, and who still uses the old one.

use crate::domain;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::http::pages::parts::text::{When, counted, listed};
use crate::model::key::{ApiKey, Status};
use crate::model::time::Moment;
use crate::model::usage::{Outcome, Source, Usage};
use crate::model::words::Word;

/// The most keys of a line that a page shows.
const SHOWN: usize = 10;

/// The line of a key, as its page shows it.
pub struct Line {
    /// The key that took its place.
    pub replaced_by: Option<Place>,
    /// The key whose place it took.
    pub replaces: Option<Place>,
    /// The last keys of the line, the oldest first; none if it is the only one.
    pub places: Vec<Place>,
    /// How many keys are in the line.
    pub length: usize,
}

/// A key in a line.
pub struct Place {
    /// The key's id.
    pub id: String,
    /// What lists show of its secret.
    pub display: String,
    /// Its state.
    pub status: &'static str,
    /// When it was made.
    pub made: When,
    /// When it ends or ended, if it does.
    pub end: Option<When>,
    /// How much it is used, and from where.
    pub in_use: String,
    /// Whether it is the key whose page this is.
    pub here: bool,
}

impl Place {
    fn new(key: &ApiKey, here: bool, in_use: String, now: Moment) -> Self {
        let revoked = key.revocation.as_ref().map(|revocation| revocation.at);
        Self {
            id: key.id.to_string(),
            display: key.display.clone(),
            status: key.status(now).as_str(),
            made: When::ago(key.created_at, now),
            end: revoked.or(key.expires_at).map(|end| When::relative(end, now)),
            in_use,
            here,
        }
    }
}

impl Line {
    /// Reads the line of a key, as far as the principal may know of it.
    pub fn of(
        bitting: &Bitting,
        principal: &Principal,
        key: &ApiKey,
        now: Moment,
    ) -> domain::Result<Self> {
        let line = bitting.line_of_key(principal, key)?;
        let neighbour = |id| -> domain::Result<Option<Place>> {
            let Some(other) = line.iter().find(|other| Some(other.id) == id) else {
                return Ok(None);
            };
            let in_use = use_of(bitting, other, now)?;
            Ok(Some(Place::new(other, false, in_use, now)))
        };
        let (replaces, replaced_by) = (neighbour(key.replaces)?, neighbour(key.replaced_by)?);
        let shown = if line.len() > 1 { line.len().min(SHOWN) } else { 0 };
        let place = |other: &ApiKey| Place::new(other, other.id == key.id, String::new(), now);
        let places = line[line.len() - shown..].iter().map(place).collect();
        Ok(Self { replaced_by, replaces, places, length: line.len() })
    }
}

/// How much a key is used: while it is live in the last 24 hours, and once it has ended, ever since.
fn use_of(bitting: &Bitting, key: &ApiKey, now: Moment) -> domain::Result<String> {
    let usage = bitting.usage_of_key(key.number)?;
    if key.status(now) == Status::Active {
        return Ok(sources_in_words(&usage, &bitting.addresses_of_key(key.number)?));
    }
    let attempts = usage.lifetime.of(Outcome::Retired);
    Ok(match attempts {
        0 => "Nobody has tried to use it since it ended.".to_owned(),
        n => format!("It has been tried {} since it ended.", counted(n, "time")),
    })
}

/// How much a live key was used in 24 hours, and from where it was used last.
pub fn sources_in_words(usage: &Usage, sources: &[Source]) -> String {
    let recent = usage.windows.day.total();
    if recent == 0 {
        return match usage.last_used_at() {
            None => "It has never been used.".to_owned(),
            Some(_) => "It was not used in the last 24 hours.".to_owned(),
        };
    }
    let mut from: Vec<String> = Vec::new();
    for source in sources {
        if !from.contains(&source.address) {
            from.push(source.address.clone());
        }
    }
    let requests = counted(recent, "request");
    match from.as_slice() {
        [] => format!("It was used in the last 24 hours: {requests}."),
        from => {
            format!("It was used in the last 24 hours: {requests}; of late from {}.", listed(from))
        }
    }
}
