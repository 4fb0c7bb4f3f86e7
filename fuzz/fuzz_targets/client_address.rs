//! `X-Forwarded-For` and `Forwarded`: what a client writes there changes nothing about the address that
//! a trusted proxy adds to the right of it.
//!
//! An input is what the client sent, a line each.
#![no_main]

use std::net::IpAddr;

use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use bitting::http::client_address::client_address;
use bitting::http::state::HttpSettings;
use libfuzzer_sys::fuzz_target;

const CLIENT: &str = "203.0.113.9";
const PROXIES: [&str; 2] = ["10.0.0.1", "10.0.0.2"];

fuzz_target!(|text: &str| {
    let sent: Vec<&str> =
        text.lines().filter(|line| HeaderValue::from_bytes(line.as_bytes()).is_ok()).collect();
    for (name, item) in [("x-forwarded-for", ""), ("forwarded", "for=")] {
        let added = format!("{item}{CLIENT}, {item}{}", PROXIES[1]);
        let own_line: Vec<String> =
            sent.iter().map(|line| (*line).to_owned()).chain([added.clone()]).collect();
        assert_eq!(found(name, &own_line, PROXIES[0]), Some(address(CLIENT)));
        // As most proxies do: behind what is there, in the same line.
        let mut same_line: Vec<String> = sent.iter().map(|line| (*line).to_owned()).collect();
        if let Some(last) = same_line.last_mut() {
            last.push_str(", ");
            last.push_str(&added);
            assert_eq!(found(name, &same_line, PROXIES[0]), Some(address(CLIENT)), "{same_line:?}");
        }
        // Whoever is no proxy of ours is who they are.
        assert_eq!(found(name, &own_line, CLIENT), Some(address(CLIENT)));
        // Without the proxy's own word: an address that stands there, or that of a proxy.
        let there = found(name, &own_line[..sent.len()], PROXIES[0]).expect("an address");
        let written = sent.iter().any(|line| line.contains(['.', ':']));
        assert!(written || there == address(PROXIES[0]), "{sent:?}");
    }
});

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn found(name: &str, lines: &[String], peer: &str) -> Option<IpAddr> {
    let trusted_proxies = "10.0.0.0/8".parse().expect("networks");
    let settings = HttpSettings { trusted_proxies, ..HttpSettings::default() };
    let mut request = TestRequest::default().peer_addr((address(peer), 1).into());
    for line in lines {
        request = request.append_header((name, line.as_bytes()));
    }
    client_address(request.to_http_request().head(), &settings)
}
