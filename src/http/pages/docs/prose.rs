//! Sentences of the API document, in which code and emphasis are marked as in Markdown, and its
//! listings.

use serde_json::Value;
use std::fmt::{self, Display, Formatter, Write};

use askama::filters::HtmlSafe;

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// Plain text.
    Text(String),
    /// Code, which was between single backticks.
    Code(String),
    /// Strong text, which was between two pairs of asterisks.
    Strong(String),
    /// A named schema, described elsewhere on the page.
    Object(String),
}

/// A sentence, or a few, with marked pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prose(Vec<Span>);

impl Prose {
    /// Reads the marks in a text. One without its partner stands for itself.
    pub fn read(text: &str) -> Self {
        let mut prose = Self::default();
        let mut rest = text;
        while let Some(at) = rest.find(['`', '*']) {
            let (before, from) = rest.split_at(at);
            let mark = if from.starts_with("**") { "**" } else { "`" };
            let marked = from.strip_prefix(mark).and_then(|inner| inner.split_once(mark));
            let Some((inner, after)) = marked else {
                let (sign, after) = from.split_at(1);
                prose = prose.text(before).text(sign);
                rest = after;
                continue;
            };
            prose = prose.text(before);
            prose = if mark == "`" { prose.code(inner) } else { prose.push(Span::Strong, inner) };
            rest = after;
        }
        prose.text(rest)
    }

    /// The pieces, in order.
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    fn push(mut self, kind: fn(String) -> Span, text: impl Display) -> Self {
        self.0.push(kind(text.to_string()));
        self
    }

    /// Appends plain text.
    pub fn text(mut self, words: impl Display) -> Self {
        let words = words.to_string();
        match self.0.last_mut() {
            _ if words.is_empty() => {}
            Some(Span::Text(text)) => text.push_str(&words),
            _ => self.0.push(Span::Text(words)),
        }
        self
    }

    /// Appends code.
    pub fn code(self, text: impl Display) -> Self {
        self.push(Span::Code, text)
    }

    /// Appends the name of a schema.
    pub fn object(self, name: impl Display) -> Self {
        self.push(Span::Object, name)
    }

    /// Appends another text.
    pub fn then(mut self, more: Self) -> Self {
        for span in more.0 {
            match span {
                Span::Text(text) => self = self.text(text),
                other => self.0.push(other),
            }
        }
        self
    }

    /// Joins several texts with words in between.
    pub fn joined(parts: impl IntoIterator<Item = Self>, between: &str) -> Self {
        parts.into_iter().fold(Self::default(), |prose, part| {
            let prose = if prose.is_empty() { prose } else { prose.text(between) };
            prose.then(part)
        })
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Code of several lines, as the text of an element. Quotation marks mean nothing there and stand as
/// they are, since JSON has so many.
#[derive(Debug)]
pub struct Listing(pub String);

impl Display for Listing {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => formatter.write_str("&amp;"),
            '<' => formatter.write_str("&lt;"),
            '>' => formatter.write_str("&gt;"),
            other => formatter.write_char(other),
        })
    }
}

impl HtmlSafe for Listing {}

/// JSON as people read it.
pub fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::http::pages::docs::prose::*;

    fn spans(text: &str) -> Vec<Span> {
        Prose::read(text).0
    }

    #[test]
    fn a_listing_holds_no_markup() {
        let listing = Listing("\"</code><script>&amp;".to_owned());
        assert_eq!(listing.to_string(), "\"&lt;/code&gt;&lt;script&gt;&amp;amp;");
    }

    #[test]
    fn marks_are_read_and_lone_ones_kept() {
        let (text, code) = (|t: &str| Span::Text(t.into()), |t: &str| Span::Code(t.into()));
        assert_eq!(spans("a `b` c"), [text("a "), code("b"), text(" c")]);
        assert_eq!(
            spans("**A.** or `*`."),
            [Span::Strong("A.".into()), text(" or "), code("*"), text(".")]
        );
        for plain in ["", "2 * 3", "a ` b", "**a"] {
            assert_eq!(spans(plain), if plain.is_empty() { vec![] } else { vec![text(plain)] });
        }
    }
}
