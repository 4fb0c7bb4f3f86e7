//! Cookies: the session is what stands in the one cookie of exactly this name.
//!
//! An input is a `Cookie` header a line, in which `{secret}` stands for a secret.
#![no_main]

use actix_web::http::header::{COOKIE, HeaderValue};
use actix_web::test::TestRequest;
use bitting::http::fuzzing::own_cookie;
use bitting::model::random_secret::RandomSecret;
use libfuzzer_sys::fuzz_target;

const NAME: &str = "bitting_session";
const SECRET: &str = "RnV6emluZ0Z1enppbmdGdXp6aW5nRnV6emluZ0Z1eno";

fuzz_target!(|text: &str| {
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.replace("{secret}", SECRET))
        .filter(|line| HeaderValue::from_bytes(line.as_bytes()).is_ok())
        .collect();
    let mut request = TestRequest::default();
    for line in &lines {
        request = request.append_header((COOKIE, line.as_bytes()));
    }
    let read = own_cookie(NAME, &request.to_http_request());
    let blank = [' ', '\t'];
    let pairs =
        lines.iter().flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let own = pairs.filter(|(name, _)| name.trim_matches(blank) == NAME);
    let own: Vec<&str> = own.map(|(_, value)| value.trim_matches(blank)).collect();
    match own.as_slice() {
        [value] => assert_eq!(read, RandomSecret::parse(value)),
        _ => assert_eq!(read, None),
    }
    assert!(read.is_none_or(|secret| own == [secret.expose()]));
});
