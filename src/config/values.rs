//! The values of options, as people write them.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::model::formats::parse_origin;
use crate::model::time::parse_length;

/// How many connections a server takes at most on PostgreSQL, unless it is told otherwise.
pub const CONNECTIONS: u32 = 8;
/// The fewest a server can do with: the two that it keeps, one to read and one to write.
const FEWEST_CONNECTIONS: u32 = 4;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

pub(super) fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:8080")
}

pub(super) fn parse_workers(text: &str) -> Result<usize, &'static str> {
    let number: Option<usize> = text.parse().ok();
    number.filter(|n| (1..=512).contains(n)).ok_or("must be a number from 1 to 512")
}

pub(super) fn parse_log_format(text: &str) -> Result<LogFormat, &'static str> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json"),
    }
}

pub(super) fn parse_log_level(text: &str) -> Result<tracing::Level, &'static str> {
    text.parse().map_err(|_| "must be error, warn, info, debug or trace")
}

/// The address that people reach the server at.
pub(super) fn parse_public_url(text: &str) -> Result<String, String> {
    parse_origin(text, "https://keys.example.com", |origin| {
        format!(
            ": Bitting is served at the root of a host of its own and not under a path; write \
             {origin}, and let the proxy pass every path of that host on"
        )
    })
}

pub(super) fn parse_database_wait(text: &str) -> Result<Duration, &'static str> {
    parse_time(text, 0..=86_400_000, "must be 0 or a time up to 1d, such as 60s")
}

pub(super) fn parse_connections(text: &str) -> Result<u32, String> {
    let number: Option<u32> = text.parse().ok();
    let taken = number.filter(|number| (FEWEST_CONNECTIONS..=1000).contains(number));
    taken.ok_or_else(|| format!("must be a number from {FEWEST_CONNECTIONS} to 1000"))
}

pub(super) fn parse_usage_flush(text: &str) -> Result<Duration, &'static str> {
    parse_time(text, 10..=10_000, "must be a time from 10ms to 10s")
}

pub(super) fn parse_max_staleness(text: &str) -> Result<Duration, &'static str> {
    parse_time(text, 1000..=3_600_000, "must be a time from 1s to 1h")
}

pub(super) fn parse_time(
    text: &str,
    milliseconds: RangeInclusive<u128>,
    expected: &'static str,
) -> Result<Duration, &'static str> {
    let time = parse_length(text).map_err(|_| expected)?;
    if milliseconds.contains(&time.as_millis()) { Ok(time) } else { Err(expected) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_address_is_written_as_browsers_write_an_origin() {
        for (text, origin) in [
            ("https://keys.example.com", "https://keys.example.com"),
            ("https://keys.example.com/", "https://keys.example.com"),
            ("HTTPS://Keys.Example.com:443", "https://keys.example.com"),
            ("http://127.0.0.1:80/", "http://127.0.0.1"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://schlüssel.example:8443", "https://xn--schlssel-95a.example:8443"),
        ] {
            assert_eq!(parse_public_url(text).as_deref(), Ok(origin), "{text}");
        }
        for (text, what_to_write) in [
            ("keys.example.com", "https://keys.example.com"),
            ("ftp://keys.example.com", "https://keys.example.com"),
            ("https://", "https://keys.example.com"),
            ("https://keys example.com", "https://keys.example.com"),
            ("https://example.com/bitting", "write https://example.com,"),
            ("https://example.com/bitting/", "write https://example.com,"),
            ("https://example.com//", "write https://example.com,"),
            ("https://example.com?x=1", "write https://example.com,"),
            ("https://example.com/#keys", "write https://example.com,"),
            ("https://me:hunter2@example.com", "write https://example.com"),
        ] {
            let why = parse_public_url(text).unwrap_err();
            assert!(why.contains(what_to_write) && !why.contains("hunter2"), "{text}: {why}");
        }
    }
}
