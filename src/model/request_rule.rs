//! Rules about the requests of a resource, `POST /orders/*/search`: a method, and a whole path in
//! which `*` stands for one segment.

use std::str::FromStr;

use super::request_path::normal;

/// What a part of a path that may be anything is written as.
const ANY: &str = "*";

/// A method and a pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRule {
    method: String,
    path: String,
}

impl RequestRule {
    /// Whether a request is one of these; its path is [`normal`]. GET covers HEAD.
    pub fn covers(&self, method: &str, path: &str) -> bool {
        let same_method = self.method == method || (self.method == "GET" && method == "HEAD");
        let mut segments = path.split('/');
        let mut next_is = |wanted: &str| {
            let fits = |segment: &str| wanted == segment || (wanted == ANY && !segment.is_empty());
            segments.next().is_some_and(fits)
        };
        same_method && self.path.split('/').all(&mut next_is) && segments.next().is_none()
    }

    /// The method it is about.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Its pattern, which is a path of its own if `*` is taken by the letter.
    pub fn pattern(&self) -> &str {
        &self.path
    }
}

impl FromStr for RequestRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((method, path)) = text.split_once(' ') else {
            return Err("must be a method and a path, such as \"POST /orders/search\"".to_owned());
        };
        if !is_method(method) {
            return Err(format!("{method:?} is not a method; they are in capitals, such as POST"));
        }
        let partly = |segment: &str| segment.contains('*') && segment != ANY;
        if path.split('/').any(partly) {
            return Err("* stands for one whole segment, as in /orders/*/lines".to_owned());
        }
        match normal(path) {
            Some(normal) if !path.contains('?') => {
                Ok(Self { method: method.to_owned(), path: normal.into_owned() })
            }
            _ => Err(format!("{path:?} is not the path of a request as it is sent")),
        }
    }
}

impl std::fmt::Display for RequestRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Whether a text is a method as servers know them: RFC 9110 §9.1 has them in capitals, and one in
/// small letters is another, which some servers take for the same.
pub fn is_method(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= 32 && text.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_covers_whole_paths_and_a_star_one_segment() {
        let rule: RequestRule = "GET /orders/*/lines".parse().unwrap();
        for (method, path, covered) in [
            ("GET", "/orders/7/lines", true),
            ("HEAD", "/orders/7/lines", true),
            ("POST", "/orders/7/lines", false),
            ("GET", "/orders/7/lines/", false),
            ("GET", "/orders/7/lines/1", false),
            ("GET", "/orders/7", false),
            ("GET", "/orders/7/8/lines", false),
            ("GET", "/orders//lines", false),
            ("GET", "/orders/7/Lines", false),
        ] {
            assert_eq!(rule.covers(method, path), covered, "{method} {path}");
        }
        let post: RequestRule = "POST /orders/search".parse().unwrap();
        assert!(post.covers("POST", "/orders/search") && !post.covers("HEAD", "/orders/search"));
    }

    #[test]
    fn a_rule_that_is_none_says_why() {
        for (text, why) in [
            ("/orders", "a method and a path"),
            ("GET", "a method and a path"),
            ("get /orders", "in capitals"),
            ("GET orders", "not the path"),
            ("GET /orders/../users", "not the path"),
            ("GET /orders?x=1", "not the path"),
            ("GET  /orders", "not the path"),
            ("GET /orders/a*", "one whole segment"),
            ("GET /**", "one whole segment"),
        ] {
            let message = text.parse::<RequestRule>().unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}
