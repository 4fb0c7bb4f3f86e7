//! The last failed requests of keys, in memory until they are written. However many fail, and of
//! however many keys, the room they take is bounded.

use std::collections::HashMap;

use crate::model::failed_request::{FailedRequest, KEPT};
use crate::model::key::KeyNumber;

/// How many keys' failed requests are kept until they are written; then others have their turn.
const MOST_KEYS: usize = 100;

/// The last failed requests of some keys.
#[derive(Default)]
pub struct LastErrors(HashMap<KeyNumber, Vec<FailedRequest>>);

impl LastErrors {
    /// Records a failed request, replacing the oldest if the key has enough of them.
    pub fn note(&mut self, key: KeyNumber, failed: FailedRequest) {
        if self.0.len() == MOST_KEYS && !self.0.contains_key(&key) {
            return;
        }
        let of_key = self.0.entry(key).or_default();
        let place = of_key.partition_point(|other| other.at <= failed.at);
        of_key.insert(place, failed);
        if of_key.len() > KEPT {
            of_key.remove(0);
        }
    }

    /// Adds what another has recorded, assigned to the database rows of its keys.
    pub fn take_in(&mut self, others: Self, row: impl Fn(KeyNumber) -> Option<KeyNumber>) {
        for (key, failed) in others.0 {
            if let Some(key) = row(key) {
                failed.into_iter().for_each(|failed| self.note(key, failed));
            }
        }
    }

    /// Drops the failed requests of all other keys.
    pub fn retain(&mut self, is_kept: impl Fn(KeyNumber) -> bool) {
        self.0.retain(|key, _| is_kept(*key));
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All failed requests, sorted by key.
    pub fn into_rows(self) -> Vec<(KeyNumber, FailedRequest)> {
        let of_key = |(key, failed): (KeyNumber, Vec<FailedRequest>)| {
            failed.into_iter().map(move |failed| (key, failed))
        };
        let mut rows: Vec<_> = self.0.into_iter().flat_map(of_key).collect();
        rows.sort_by_key(|(key, failed)| (*key, failed.at));
        rows
    }
}

#[cfg(test)]
mod tests {
    use crate::gate::last_errors::*;
    use crate::model::time::Moment;

    fn failed(at: i64) -> FailedRequest {
        FailedRequest {
            at: Moment::from_timestamp_millis(at).unwrap(),
            method: "GET".to_owned(),
            route: None,
            status: 404,
            code: "not_found".to_owned(),
            address: None,
        }
    }

    #[test]
    fn the_last_ones_of_each_key_are_kept_and_not_those_of_every_key() {
        let (mut one, mut other) = (LastErrors::default(), LastErrors::default());
        for at in 0..100 {
            let worker = if at % 2 == 0 { &mut one } else { &mut other };
            worker.note(KeyNumber(7), failed(at));
        }
        one.take_in(other, Some);
        for key in 1000..3000 {
            one.note(KeyNumber(key), failed(0));
        }
        let rows = one.into_rows();
        let of_seven = rows.iter().take_while(|(key, _)| *key == KeyNumber(7));
        let times: Vec<i64> = of_seven.map(|(_, failed)| failed.at.timestamp_millis()).collect();
        assert_eq!(times, (80..100).collect::<Vec<_>>());
        assert_eq!(rows.len(), KEPT + MOST_KEYS - 1);
    }
}
