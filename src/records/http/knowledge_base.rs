//! The knowledge base over HTTP: its filter, and an example of one.

use serde_json::{Value, json};

use super::Listed;
use crate::http::extract::QueryReader;
use crate::records::model::article::{Article, ArticleFilter};
use crate::records::model::terms::Terms;

impl Listed for Article {
    const ONE: &'static str = "an article";
    const MANY: &'static str = "articles of the knowledge base";

    fn example() -> Value {
        json!({
            "title": "Opening hours",
            "source_url": "https://example.com/hours",
            "tags": ["faq"],
            "content": "We are open from 9 to 17.",
        })
    }

    fn is_search(filter: &ArticleFilter) -> bool {
        filter.terms.is_some()
    }

    fn read_filter(query: &mut QueryReader) -> ArticleFilter {
        ArticleFilter { terms: query.text_as("q", Terms::parse) }
    }
}
