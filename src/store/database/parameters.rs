//! The parameters of PostgreSQL's URLs, and those that are added to them.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const USER_TIMEOUT: &str = "tcp_user_timeout";

/// What libpq is told unless the URL says otherwise: a server that is gone without a word is found
/// out about within some seconds, and not after the system's hours.
const ADDED: [(&str, &str); 6] = [
    ("connect_timeout", "2"),
    (USER_TIMEOUT, "4000"),
    ("keepalives", "1"),
    ("keepalives_idle", "2"),
    ("keepalives_interval", "1"),
    ("keepalives_count", "3"),
];

/// The variable that names another file than the system's, as for other programs with OpenSSL.
const TRUSTED_BY: &str = "SSL_CERT_FILE";

/// What is percent-encoded of a file's path in a URL.
const IN_PATHS: AsciiSet = NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'_').remove(b'-');

/// Where systems keep the certificates of the authorities that they trust. The OpenSSL that is compiled
/// in knows none of these places.
const TRUSTED: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",             // SUSE
    "/etc/ssl/cert.pem",
];

/// The URL with what is added to it.
pub(super) fn complete(url: &str) -> String {
    let mut full = with_trusted(url.trim_end_matches(['?', '&']), trusted().as_deref());
    let mut add = |name: &str, value: &str| {
        if !has(url, name) {
            full.push(if full.contains('?') { '&' } else { '?' });
            full.push_str(&format!("{name}={value}"));
        }
    };
    ADDED.iter().for_each(|(name, value)| add(name, value));
    if has_several_hosts(url) {
        add("target_session_attrs", "read-write");
    }
    full
}

/// The file of the authorities that are trusted here, as a URL may name it.
fn trusted() -> Option<String> {
    let named = std::env::var(TRUSTED_BY).ok().filter(|file| !file.is_empty());
    let found = || TRUSTED.into_iter().find(|file| Path::new(file).exists()).map(str::to_owned);
    Some(utf8_percent_encode(&named.or_else(found)?, &IN_PATHS).to_string())
}

/// The URL with the file of trusted authorities in place of `sslrootcert=system`. That goes with
/// `verify-full` alone, and libpq refuses anything weaker by itself.
fn with_trusted(url: &str, file: Option<&str>) -> String {
    let by_system = values(url, "sslrootcert").eq(["system"]);
    let as_usual = values(url, "sslmode").all(|mode| mode == "verify-full");
    match file {
        Some(file) if by_system && as_usual => {
            let url = url.replacen("sslrootcert=system", &format!("sslrootcert={file}"), 1);
            if has(&url, "sslmode") { url } else { format!("{url}&sslmode=verify-full") }
        }
        _ => url.to_owned(),
    }
}

fn parts(url: &str) -> (&str, &str) {
    let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
    (place.rsplit_once('@').map_or(place, |(_, place)| place), parameters)
}

fn values<'a>(url: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let named = parts(url).1.split('&').filter_map(|parameter| parameter.split_once('='));
    named.filter(move |(key, _)| *key == name).map(|(_, value)| value)
}

fn has(url: &str, name: &str) -> bool {
    values(url, name).next().is_some()
}

/// Whether a URL names several hosts, of which libpq takes the first that answers.
fn has_several_hosts(url: &str) -> bool {
    let named = values(url, "host").chain(values(url, "hostaddr"));
    let mut places = std::iter::once(parts(url).0).chain(named);
    places.any(|hosts| hosts.contains(',') || hosts.contains("%2C"))
}

/// What `TCP_USER_TIMEOUT` is of libpq's connections by this URL, in milliseconds.
pub(super) fn user_timeout(url: &str) -> Option<u32> {
    let added = || ADDED.iter().find(|(name, _)| *name == USER_TIMEOUT).map(|(_, value)| *value);
    values(url, USER_TIMEOUT).last().or_else(added)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_says_is_kept_and_the_rest_is_added() {
        let full = complete("postgres://db/bitting?connect_timeout=9&keepalives_idle=60");
        assert!(full.starts_with("postgres://db/bitting?connect_timeout=9&keepalives_idle=60&"));
        for (name, value) in ADDED {
            let own = match name {
                "connect_timeout" => "9",
                "keepalives_idle" => "60",
                _ => value,
            };
            assert_eq!(values(&full, name).collect::<Vec<_>>(), [own], "{name} of {full}");
        }
        assert!(!full.contains("target_session_attrs"));
        assert!(complete("postgres://db/bitting?").contains("/bitting?connect_timeout=2&"));
        let full = complete("postgres://db1,db2/bitting");
        assert!(full.starts_with("postgres://db1,db2/bitting?"), "{full}");
        assert!(full.ends_with("&target_session_attrs=read-write"), "{full}");
        let full = complete("postgres://db1,db2/bitting?target_session_attrs=any");
        assert_eq!(full.matches("target_session_attrs").count(), 1, "{full}");
    }

    #[test]
    fn the_authorities_of_the_system_are_found_and_never_by_a_weaker_mode() {
        for (asked, given) in [
            ("sslrootcert=system", "sslrootcert=/ca.crt&sslmode=verify-full"),
            ("sslmode=verify-full&sslrootcert=system", "sslmode=verify-full&sslrootcert=/ca.crt"),
            ("sslmode=require&sslrootcert=system", "sslmode=require&sslrootcert=system"),
            ("sslrootcert=system.crt", "sslrootcert=system.crt"),
            ("sslmode=require", "sslmode=require"),
        ] {
            let url = |parameters| format!("postgres://db/bitting?{parameters}");
            assert_eq!(with_trusted(&url(asked), Some("/ca.crt")), url(given));
            assert_eq!(with_trusted(&url(asked), None), url(asked));
        }
    }

    #[test]
    fn a_choice_of_hosts_is_seen_wherever_they_are_named() {
        for (url, several) in [
            ("postgres://me:a,b@db/bitting", false),
            ("postgres://db1,db2/bitting", true),
            ("postgres://me@db1:5432,db2:5433/bitting?sslmode=require", true),
            ("postgres:///bitting?host=db1,db2", true),
            ("postgres://db/bitting?options=-c%20a,b", false),
        ] {
            assert_eq!(has_several_hosts(url), several, "{url}");
        }
    }

    #[test]
    fn connections_are_known_by_what_the_url_says_of_them() {
        for (url, known_by) in [
            ("postgres://db/bitting", 4000),
            ("postgres://?service=x", 4000),
            ("postgres://db/bitting?tcp_user_timeout=7000", 7000),
        ] {
            assert_eq!(user_timeout(url), Some(known_by), "{url}");
        }
    }
}
