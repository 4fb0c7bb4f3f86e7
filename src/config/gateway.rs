//! The settings of the gateway: where it listens, and which server stands behind it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::uri::Scheme;
use rustls::pki_types::CertificateDer;

use super::authorities::read_authorities;
use super::listen::{ListenAddress, parse_listen};
use super::setting::{BadSetting, Setting};
use super::values::parse_time;
use crate::model::formats::parse_origin;

/// What listens before an API and judges the requests to it.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// Where it listens: at one place at least.
    pub listen: Vec<ListenAddress>,
    /// The server that allowed requests are forwarded to.
    pub upstream: Upstream,
    /// Authorities that may vouch for it besides the public ones, where it speaks TLS.
    pub authorities: Vec<CertificateDer<'static>>,
    /// How long that server may be silent: before the first byte of an answer, and between bytes.
    pub timeout: Duration,
    /// Whether the credential is forwarded too.
    pub pass_credential: bool,
}

/// The server behind the gateway: a scheme, a host, and a port if it is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    scheme: Scheme,
    authority: String,
}

impl Upstream {
    /// `http` or `https`.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The host and perhaps the port, as they stand in a `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is at one of these places.
    fn among(&self, listen: &[ListenAddress]) -> bool {
        listen.iter().filter_map(ListenAddress::tcp).any(|address| self.is(address))
    }

    /// Whether this machine would reach it at this address, as far as that can be told by its name.
    fn is(&self, address: SocketAddr) -> bool {
        let usual = if self.scheme == Scheme::HTTPS { 443 } else { 80 };
        let (host, port) = match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (&*self.authority, Some(usual)),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let here = address.ip();
        let same = match host.parse::<IpAddr>() {
            Ok(ip) => ip == here || (here.is_unspecified() && ip.is_loopback()),
            Err(_) => host == "localhost" && (here.is_unspecified() || here.is_loopback()),
        };
        same && port == Some(address.port())
    }
}

impl std::fmt::Display for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// The five settings before they are checked.
pub(super) struct GatewayOptions {
    pub(super) listen: Setting,
    pub(super) upstream: Setting,
    pub(super) authorities: Setting,
    pub(super) timeout: Setting,
    pub(super) pass_credential: Setting,
}

impl GatewayOptions {
    /// The gateway, if there is to be one.
    pub(super) fn resolve(self) -> Result<Option<GatewaySettings>, BadSetting> {
        let listen = self.listen.parse(parse_listen)?;
        let upstream = self.upstream.parse(parse_upstream)?;
        let authorities = self.authorities.parse(read_authorities)?.unwrap_or_default();
        let timeout = self.timeout.parse_or("60s", parse_upstream_timeout)?;
        let pass_credential = self.pass_credential.parse_or("false", parse_switch)?;
        match (listen, upstream) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.listen.refuse(
                "needs --upstream too, the address of the API behind the gateway, such as \
                 http://127.0.0.1:3000",
            )),
            (None, Some(_)) => Err(self.upstream.refuse(
                "needs --gateway-listen too, the address at which requests to it are judged, such \
                 as 127.0.0.1:8081",
            )),
            (Some(listen), Some(upstream)) if upstream.among(&listen) => Err(self
                .upstream
                .refuse("is the address of the gateway itself; name the server behind it")),
            (Some(listen), Some(upstream)) => Ok(Some(GatewaySettings {
                listen,
                upstream,
                authorities,
                timeout,
                pass_credential,
            })),
        }
    }
}

/// A URL of nothing but a scheme, a host and perhaps a port.
fn parse_upstream(text: &str) -> Result<Upstream, String> {
    let goes_on = |origin: &str| format!(", since paths are forwarded as they are; write {origin}");
    let origin = parse_origin(text, "http://127.0.0.1:3000", goes_on)?;
    let (scheme, authority) = match origin.split_once("://") {
        Some(("https", authority)) => (Scheme::HTTPS, authority),
        Some((_, authority)) => (Scheme::HTTP, authority),
        None => return Err("must be a URL, such as http://127.0.0.1:3000".to_owned()),
    };
    Ok(Upstream { scheme, authority: authority.to_owned() })
}

fn parse_upstream_timeout(text: &str) -> Result<Duration, &'static str> {
    parse_time(text, 100..=3_600_000, "must be a time from 100ms to 1h, such as 60s")
}

fn parse_switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_host_and_a_port() {
        for (text, origin) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://127.0.0.1:80/", "http://127.0.0.1"),
            ("https://127.0.0.1:443", "https://127.0.0.1"),
            ("http://API.internal", "http://api.internal"),
            ("HTTPS://api.internal:80", "https://api.internal:80"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            let upstream = parse_upstream(text).unwrap();
            assert_eq!(upstream.to_string(), origin, "{text}");
        }
        for (text, why) in [
            ("127.0.0.1:3000", "such as http://127.0.0.1:3000"),
            ("ftp://host", "such as http://127.0.0.1:3000"),
            ("http://", "such as http://127.0.0.1:3000"),
            ("http://host/api", "write http://host"),
            ("http://host/?x", "write http://host"),
            ("http://me:hunter2@host", "write http://host"),
        ] {
            let message = parse_upstream(text).unwrap_err();
            assert!(message.contains(why) && !message.contains("hunter2"), "{text}: {message}");
        }
    }

    #[test]
    fn an_upstream_is_never_the_gateway() {
        for (upstream, listen, same) in [
            ("http://127.0.0.1:8081", "127.0.0.1:8081", true),
            ("http://[::1]:8081", "[::1]:8081", true),
            ("http://127.0.0.1", "127.0.0.1:80", true),
            ("http://127.0.0.1:8081", "0.0.0.0:8081", true),
            ("http://localhost:8081", "127.0.0.1:8081", true),
            ("https://localhost", "127.0.0.1:443", true),
            ("http://[::1]", "[::]:80", true),
            ("http://10.0.0.7:8081", "0.0.0.0:8081", false),
            ("http://127.0.0.1:3000", "127.0.0.1:8081", false),
            ("http://127.0.0.1", "127.0.0.1:8081", false),
            ("https://127.0.0.1", "127.0.0.1:80", false),
        ] {
            let upstream = parse_upstream(upstream).unwrap();
            assert_eq!(upstream.is(listen.parse().unwrap()), same, "{upstream} {listen}");
        }
    }
}
