//! Articles of the knowledge base, which agents answer from.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Fields;
use super::resources;
use super::terms::Terms;
use crate::model::catalog::ResourceNumber;
use crate::model::fields::{FieldReader, as_text, check_text};
use crate::model::schema;

/// The longest content, in bytes.
const LONGEST_CONTENT: usize = 200 * 1024;

/// The fields of an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Article {
    /// What it is about.
    pub title: String,
    /// What it says.
    pub content: String,
    /// Where it was taken from.
    pub source_url: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
}

impl Fields for Article {
    const RESOURCE: ResourceNumber = resources::KNOWLEDGE_BASE;
    const ID_PREFIX: &'static str = "kb";
    type Filter = ArticleFilter;

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let title = reader.line("title", 200);
        let title = reader.required("title", title);
        let content =
            reader.parsed("content", content_schema, |value| check_content(as_text(value)?));
        let content = content.filter(|content| !content.trim().is_empty());
        let content = reader.required("content", content);
        let source_url = reader.url("source_url");
        let tags = reader.tags("tags");
        Some(Self { title: title?, content: content?, source_url, tags })
    }
}

impl Article {
    /// The words the article is found by: those of its title, content and tags.
    pub fn terms(&self) -> Terms {
        let mut terms = Terms::default();
        terms.add(&self.title);
        terms.add(&self.content);
        self.tags.iter().for_each(|tag| terms.add(tag));
        terms
    }
}

fn content_schema() -> Value {
    schema::filled_text(LONGEST_CONTENT)
}

fn check_content(text: &str) -> Result<String, String> {
    if text.len() > LONGEST_CONTENT {
        Err(format!("must be at most {LONGEST_CONTENT} bytes of UTF-8"))
    } else {
        check_text(text, LONGEST_CONTENT)
    }
}

/// Which articles to list.
#[derive(Debug, Clone, Default, JsonSchema)]
pub struct ArticleFilter {
    /// Only articles that contain all these words.
    #[schemars(rename = "q", with = "Option<String>")]
    pub terms: Option<Terms>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(object: Value) -> Result<Article, Vec<String>> {
        Article::from_object(object.as_object().unwrap())
            .map_err(|errors| errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn an_article_reads_back_from_its_own_json() {
        let article = read(json!({
            "title": "Hours", "content": "Open\nfrom 9", "source_url": "https://example.com/hours",
            "tags": ["faq"],
        }));
        let article = article.unwrap();
        assert_eq!(read(serde_json::to_value(&article).unwrap()), Ok(article));
    }

    #[test]
    fn every_bad_field_is_named() {
        let named = read(json!({"title": " ", "content": 1, "source_url": "x", "tags": 1, "q": 1}));
        assert_eq!(named.unwrap_err(), ["title", "content", "source_url", "tags", "q"]);
        for content in ["", " \n", "\u{0}"] {
            let named = read(json!({"title": "t", "content": content}));
            assert_eq!(named.unwrap_err(), ["content"], "{content:?}");
        }
    }

    #[test]
    fn content_is_bounded_in_bytes() {
        let content = |content: String| read(json!({"title": "t", "content": content}));
        assert!(content("ü".repeat(LONGEST_CONTENT / 2)).is_ok());
        assert_eq!(content("ü".repeat(LONGEST_CONTENT / 2) + "a"), Err(vec!["content".to_owned()]));
    }
}
