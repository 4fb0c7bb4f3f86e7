//! The answer to every list: one page, and where the next one is.

use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse};
use form_urlencoded::{Serializer, parse};
use serde::Serialize;

use crate::model::page::Page;

/// A page as JSON, with a `Link` to the next one (RFC 8288) unless it is the last.
pub(crate) fn answer<T: Serialize>(request: &HttpRequest, page: &Page<T>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(cursor) = &page.next {
        // The route's pattern: the path itself may be spelled in other ways.
        let path = request.match_pattern().unwrap_or_default();
        let query = next_query(request.query_string(), &cursor.encode());
        response.insert_header((LINK, format!("<{path}?{query}>; rel=\"next\"")));
    }
    response.json(page)
}

/// A query string with its cursor replaced.
fn next_query(query: &str, cursor: &str) -> String {
    let kept = parse(query.as_bytes()).filter(|(name, _)| name != "cursor");
    Serializer::new(String::new()).extend_pairs(kept).append_pair("cursor", cursor).finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_next_page_has_the_same_filters_and_another_cursor() {
        for (query, next) in [
            ("", "cursor=new"),
            ("cursor=old", "cursor=new"),
            ("limit=2&cursor=old&status=missed", "limit=2&status=missed&cursor=new"),
            ("%63ursor=old&q=a%26b%3Ec%20d%2b", "q=a%26b%3Ec+d%2B&cursor=new"),
            (
                "from=2026-11-21T12:00:00%2B01:00",
                "from=2026-11-21T12%3A00%3A00%2B01%3A00&cursor=new",
            ),
            ("q=\u{fc}<>\"", "q=%C3%BC%3C%3E%22&cursor=new"),
        ] {
            assert_eq!(next_query(query, "new"), next);
        }
    }

    proptest! {
        #[test]
        fn nothing_breaks_out_of_the_header(name in ".{0,9}", value in ".{0,30}") {
            prop_assume!(name != "cursor");
            let query = Serializer::new(String::new()).append_pair(&name, &value).finish();
            let next = next_query(&query, "new");
            prop_assert!(next.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte)));
            let pairs: Vec<_> = parse(next.as_bytes()).into_owned().collect();
            prop_assert_eq!(&pairs[0], &(name, value));
            prop_assert_eq!(pairs.len(), 2);
        }
    }
}
