//! `If-Match` and `If-None-Match` (RFC 9110 §13.1). What is no entity tag matches nothing: under
//! `If-Match` nothing is changed then, under `If-None-Match` everything is sent.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{
    EntityTag, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
use actix_web::{FromRequest, HttpRequest};

use crate::http::error::Problem;
use crate::model::precondition::{NamedTag, Preconditions, Versions};

impl FromRequest for Preconditions {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let if_match = versions(headers, IF_MATCH);
        ready(Ok(Self { if_match, if_none_match: versions(headers, IF_NONE_MATCH) }))
    }
}

/// The versions that a header names, all its lines together; none without the header.
pub fn versions(headers: &HeaderMap, name: HeaderName) -> Option<Versions> {
    let lines: Vec<&HeaderValue> = headers.get_all(name).collect();
    if lines.is_empty() {
        return None;
    }
    let texts = lines.iter().map(|line| line.to_str().unwrap_or_default());
    let members: Vec<&str> = texts.flat_map(|text| text.split(',')).map(str::trim).collect();
    if members == ["*"] {
        return Some(Versions::Any);
    }
    // None of our tags has a comma, so one that was cut at a comma is none of ours.
    let tags = members.iter().filter_map(|member| member.parse::<EntityTag>().ok());
    let named = |tag: EntityTag| NamedTag { weak: tag.weak, tag: tag.tag().to_owned() };
    Some(Versions::OneOf(tags.map(named).collect()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn read(lines: &[&str]) -> Option<Versions> {
        let request = lines.iter().fold(TestRequest::default(), |request, line| {
            request.append_header((IF_MATCH, HeaderValue::from_bytes(line.as_bytes()).unwrap()))
        });
        versions(request.to_http_request().headers(), IF_MATCH)
    }

    #[test]
    fn a_header_is_a_star_or_a_list_of_tags() {
        let tag = |weak, tag: &str| NamedTag { weak, tag: tag.to_owned() };
        let one_of = |tags: &[NamedTag]| Some(Versions::OneOf(tags.to_vec()));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["*"]), Some(Versions::Any));
        assert_eq!(read(&[" * "]), Some(Versions::Any));
        assert_eq!(read(&["\"a\""]), one_of(&[tag(false, "a")]));
        let both = one_of(&[tag(false, "a"), tag(true, "b")]);
        assert_eq!(read(&["\"a\", W/\"b\""]), both);
        assert_eq!(read(&["\"a\"", "W/\"b\""]), both);
        assert_eq!(read(&[",\"a\",,W/\"b\" ,"]), both);
        for nothing in ["", "a", "'a'", "\"a", "w/\"a\"", "W/a", "*a", "*, *", "\"a\"b\"", "\u{fc}"]
        {
            assert_eq!(read(&[nothing]), one_of(&[]), "{nothing:?}");
        }
        assert_eq!(read(&["*, \"a\""]), one_of(&[tag(false, "a")]));
        assert_eq!(read(&["*", "\"a\""]), one_of(&[tag(false, "a")]));
    }
}
