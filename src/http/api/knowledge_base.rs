//! The knowledge base over HTTP: its filter.

use super::records::Listed;
use crate::http::extract::QueryReader;
use crate::model::records::article::{Article, ArticleFilter};

impl Listed for Article {
    fn read_filter(query: &mut QueryReader) -> ArticleFilter {
        ArticleFilter { terms: query.terms("q") }
    }
}
