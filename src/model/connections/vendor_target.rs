//! The path and query of a request to a vendor. They are forwarded as they came, so that what two
//! servers could read differently is refused.

use crate::model::request_path::normal;
use crate::model::request_query::{METHOD, parameter_names};

/// Whether a path has only segments that every server takes for the same ones.
pub fn is_clear(path: &str) -> bool {
    let mut rest = path.bytes().skip(1).filter(|byte| *byte != b'/');
    normal(path).is_some()
        && rest.all(|byte| byte.is_ascii_alphanumeric() || b"._~@:+,=-%".contains(&byte))
        && encodings(path).all(|code| !["25", "3B", "3F", "23"].contains(&&*code))
}

/// The digits of each percent-encoding, in upper case.
fn encodings(path: &str) -> impl Iterator<Item = String> {
    path.split('%')
        .skip(1)
        .map(|piece| piece.chars().take(2).collect::<String>())
        .map(|code| code.to_ascii_uppercase())
}

/// Names of parameters that could carry a credential of the client's own.
const CREDENTIALS: [&str; 4] = ["api_key", "apikey", "access_token", "token"];

/// The first parameter of a query that is not forwarded, and what to do instead: one which may replace
/// the method that was judged, or the credential that is set.
pub fn forbidden_parameter(query: &str) -> Option<(&'static str, &'static str)> {
    let forbidden = |name: String| {
        let credential = CREDENTIALS.into_iter().find(|forbidden| *forbidden == name);
        let credential = credential.map(|name| (name, "a credential belongs into a header"));
        let method = "a request is sent by the method that is meant";
        credential.or_else(|| (name == METHOD).then_some((METHOD, method)))
    };
    parameter_names(query).find_map(forbidden)
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_that_could_be_read_as_another_is_not_clear() {
        for clear in [
            "/v3/a/ACC1/calls.json",
            "/v1/users/me@example.com",
            "/v1/knowledge/articles/",
            "/v1/a:b+c,d=e-f_g~h.i",
            "/v1/x%20y/%40",
            "/v1/caf%c3%a9",
        ] {
            assert!(is_clear(clear), "{clear}");
        }
        for unclear in [
            "",
            "v1",
            "/v1//calls",
            "/v1/./calls",
            "/v1/../calls",
            "/v1/%2e%2e/calls",
            "/v1/%2E",
            "/v1/a%2fb",
            "/v1/a%5cb",
            "/v1/a\\b",
            "/v1/a;b",
            "/v1/a%3bb",
            "/v1/a%3fb",
            "/v1/a%23b",
            "/v1/%25",
            "/v1/%252e",
            "/v1/%00",
            "/v1/%0d%0a",
            "/v1/%7f",
            "/v1/%",
            "/v1/%2",
            "/v1/%zz",
            "/v1/c%61lls",
            "/v1/%c0%ae",
            "/v1/%e9",
            "/v1/a b",
            "/v1/a?b",
            "/v1/a#b",
            "/v1/a*b",
            "/v1/a!b",
            "/v1/a'b",
            "/v1/(a)",
            "/v1/a&b",
            "/v1/a$b",
            "/v1/{a}",
            "/v1/[a]",
            "/v1/a|b",
            "/v1/\u{e9}",
            "/v1/a\n",
            "https://elsewhere/v1",
        ] {
            assert!(!is_clear(unclear), "{unclear:?}");
        }
    }

    #[test]
    fn a_query_holds_no_credential_and_no_method() {
        for (query, forbidden) in [
            ("", None),
            ("page=2&per_page=100&fields=token", None),
            ("q=api_key=1&page=&tokens=1&x[token]=1", None),
            ("api_key=x", Some("api_key")),
            ("page=1&API_Key=x", Some("api_key")),
            ("page=1;apikey=x", Some("apikey")),
            ("access%5Ftoken=x", Some("access_token")),
            ("api.key=x", Some("api_key")),
            ("api+key=x", Some("api_key")),
            ("token%00x=x", Some("token")),
            ("token", Some("token")),
            ("token[]=x", Some("token")),
            ("token%5B0%5D=x", Some("token")),
            ("+token=x", Some("token")),
            ("_method=DELETE", Some("_method")),
        ] {
            assert_eq!(forbidden_parameter(query).map(|(name, _)| name), forbidden, "{query}");
        }
    }

    proptest! {
        #[test]
        fn a_clear_path_means_the_same_however_often_it_is_decoded(
            path in "/([a-zA-Z0-9%/.;?~2ef5 -]|%[cC]2%[89aA][0-9a-f]){0,16}",
        ) {
            if is_clear(&path) {
                let once = percent_decode_str(&path).decode_utf8().unwrap().into_owned();
                let twice = percent_decode_str(&once).decode_utf8().unwrap().into_owned();
                prop_assert_eq!(&once, &twice);
                prop_assert_eq!(once.matches('/').count(), path.matches('/').count());
                prop_assert!(once.split('/').all(|segment| ![".", ".."].contains(&segment)));
                prop_assert!(!once.contains([';', '?', '#', '\\']));
                prop_assert!(!once.chars().any(char::is_control));
            }
        }
    }
}
