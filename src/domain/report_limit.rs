//! Bounds the reports of leaked keys, which anybody may send: so many a minute from each address.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use super::error::{Error, Result};
use crate::model::network::client_network;
use crate::model::time::Moment;

/// How many reports each process takes from one address in a minute.
const TAKEN_A_MINUTE: u32 = 20;

/// How many reports came from each address in this minute.
#[derive(Default)]
pub(super) struct ReportLimit(Mutex<Reports>);

#[derive(Default)]
struct Reports {
    minute: i64,
    from: HashMap<Option<IpAddr>, u32>,
}

impl ReportLimit {
    /// Counts a report, or refuses it until the next minute. Unknown addresses count as one.
    pub(super) fn admit(&self, address: Option<IpAddr>, now: Moment) -> Result<()> {
        let mut reports = self.0.lock();
        let minute = now.timestamp() / 60;
        if reports.minute != minute {
            *reports = Reports { minute, from: HashMap::new() };
        }
        let count = reports.from.entry(address.map(client_network)).or_default();
        if *count == TAKEN_A_MINUTE {
            return Err(Error::TooManyAttempts { seconds: 60 - now.timestamp() % 60 });
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::parse_rfc3339;

    #[test]
    fn so_many_reports_are_taken_from_an_address_in_a_minute() {
        let limit = ReportLimit::default();
        let now = parse_rfc3339("2026-11-21T12:00:50Z").unwrap();
        let taken = |address: &str, now| limit.admit(address.parse().ok(), now);
        let all = (0..30).filter(|_| taken("2001:db8::1", now).is_ok()).count();
        assert_eq!(all, TAKEN_A_MINUTE as usize);
        let refused = taken("2001:db8::2", now).unwrap_err();
        assert!(matches!(refused, Error::TooManyAttempts { seconds: 10 }), "{refused:?}");
        assert!(taken("2001:db8:0:1::1", now).is_ok());
        assert!(taken("", now).is_ok(), "unknown ones are told apart from known ones");
        assert!(taken("2001:db8::2", now + chrono::Duration::seconds(10)).is_ok());
    }
}
