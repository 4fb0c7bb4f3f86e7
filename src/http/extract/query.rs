//! Query parameters, strictly: a mistyped filter must not return everything.

use std::borrow::Cow;
use std::collections::HashSet;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde_json::{Map, Value};

use crate::domain::keys::finding::KEY_IN_URL;
use crate::http::error::Problem;
use crate::http::state::State;
use crate::model::FieldErrors;
use crate::model::catalog::Catalog;
use crate::model::formats::{
    LONGEST_EMAIL, LONGEST_SEARCH, check_email, check_phone_number, check_search,
};
use crate::model::id::{KeyId, PublicId};
use crate::model::key_filter::Parameters;
use crate::model::page::{Cursor, Limit, PageRequest};
use crate::model::schema;
use crate::model::time::{Moment, parse_rfc3339};
use crate::model::words::{Word, choice};

/// Reads parameter by parameter and collects what is wrong.
pub struct QueryReader {
    catalog: Arc<Catalog>,
    pairs: Vec<(String, String)>,
    errors: FieldErrors,
    /// The schemas that are recorded, if nothing is read but only described.
    asked: Option<Map<String, Value>>,
}

/// The parameters that `read` asks for, with the JSON Schema of each, recorded by running it on
/// nothing.
pub fn describe<T>(
    catalog: &Catalog,
    read: impl FnOnce(&mut QueryReader) -> T,
) -> Map<String, Value> {
    let catalog = Arc::new(catalog.clone());
    let mut reader = QueryReader { asked: Some(Map::new()), ..QueryReader::new("", catalog) };
    read(&mut reader);
    reader.asked.unwrap_or_default()
}

impl FromRequest for QueryReader {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of_request(request))
    }
}

/// A query string's parameters as a type.
pub trait ReadQuery: Sized {
    /// Reads the parameters. A field of a form that was left empty counts as not given.
    fn read(query: &mut QueryReader) -> Self;
}

/// An extractor for the query string of a page.
pub struct PageQuery<T>(pub T);

impl<T: ReadQuery> FromRequest for PageQuery<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(QueryReader::of_request(request).and_then(|mut query| {
            query.pairs.retain(|(_, value)| !value.is_empty());
            let asked = T::read(&mut query);
            query.finish().map(|()| Self(asked))
        }))
    }
}

impl QueryReader {
    /// A key is refused in every parameter: no answer may repeat it, and no address that is made of them.
    fn of_request(request: &HttpRequest) -> Result<Self, Problem> {
        let bitting = &State::of(request)?.bitting;
        let mut reader = Self::new(request.query_string(), bitting.catalog.clone());
        let texts = reader.pairs.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        if let Err(errors) = bitting.refuse_keys(texts, KEY_IN_URL) {
            let refused = |name: &str| errors.named().iter().any(|error| error.field == name);
            reader.pairs.retain(|(name, _)| !refused(name));
            reader.errors = errors;
        }
        Ok(reader)
    }

    /// Reads a query string. White space around a value is dropped: it comes with what people copy and
    /// paste.
    pub fn new(query: &str, catalog: Arc<Catalog>) -> Self {
        let trimmed = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
            (name.into_owned(), value.trim().to_owned())
        };
        let pairs = form_urlencoded::parse(query.as_bytes()).map(trimmed).collect();
        Self { catalog, pairs, errors: FieldErrors::default(), asked: None }
    }

    /// Reads a parameter with `parse`, whose error becomes the parameter's; `schema` describes what
    /// `parse` accepts.
    pub fn parsed<T>(
        &mut self,
        name: &'static str,
        schema: impl FnOnce() -> Value,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if let Some(asked) = &mut self.asked {
            asked.insert(name.to_owned(), schema());
        }
        let (mine, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pairs).into_iter().partition(|(other, _)| other == name);
        self.pairs = others;
        let result = match mine.as_slice() {
            [] => return None,
            [(_, value)] => parse(value),
            _ => Err("must be given only once".to_owned()),
        };
        result.map_err(|message| self.errors.add(name, message)).ok()
    }

    /// Reads a parameter that may be given several times.
    pub fn several<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let (mine, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pairs).into_iter().partition(|(other, _)| other == name);
        self.pairs = others;
        let read = |(_, value): &(String, String)| {
            parse(value).map_err(|message| self.errors.add(name, message)).ok()
        };
        mine.iter().filter_map(read).collect()
    }

    /// Reads text, at most 200 characters.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.text_as(name, |text| Ok(text.to_owned()))
    }

    /// Reads text and parses it with `parse`, whose error becomes the parameter's.
    pub fn text_as<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.parsed(name, text_schema, |text| check_search(text).and_then(|text| parse(&text)))
    }

    /// Reads one word of a closed set.
    pub fn choice<W: Word>(&mut self, name: &'static str) -> Option<W> {
        self.parsed(name, choice::<W>, |text| {
            W::parse(text).ok_or_else(|| format!("must be {}", W::choices()))
        })
    }

    /// The resources and scopes that parameters may name.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.clone()
    }

    /// Reads an RFC 3339 time with an offset.
    pub fn moment(&mut self, name: &'static str) -> Option<Moment> {
        self.parsed(name, schema::moment, |text| {
            parse_rfc3339(text).ok_or_else(|| {
                "must be an RFC 3339 time with an offset, such as 2027-01-31T12:00:00Z".to_owned()
            })
        })
    }

    /// Reads the id of a key.
    pub fn key_id(&mut self, name: &'static str) -> Option<KeyId> {
        self.parsed(
            name,
            || schema::id(KeyId::PREFIX),
            |text| {
                text.parse().map_err(|_| {
                    "must be the id of a key, such as key_01k462ttvyfgx8yqhb3966v3mg".to_owned()
                })
            },
        )
    }

    /// Reads an e-mail address.
    pub fn email(&mut self, name: &'static str) -> Option<String> {
        self.parsed(
            name,
            || schema::email(LONGEST_EMAIL),
            |text| check_email(text).map_err(with_plus),
        )
    }

    /// Reads a telephone number in E.164 format.
    pub fn phone_number(&mut self, name: &'static str) -> Option<String> {
        self.parsed(name, schema::phone_number, |text| check_phone_number(text).map_err(with_plus))
    }

    /// Reads `limit` and `cursor`.
    pub fn page(&mut self) -> PageRequest {
        let limit = self.parsed("limit", Limit::schema, Limit::parse).unwrap_or_default();
        let cursor = self.parsed("cursor", Cursor::schema, Cursor::decode);
        PageRequest { limit, cursor }
    }

    /// Fails if a parameter was wrong, or is not one that was read.
    ///
    /// # Errors
    /// 422 with every error.
    pub fn finish(mut self) -> Result<(), Problem> {
        let mut unknown: HashSet<&str> = self.pairs.iter().map(|(name, _)| name.as_str()).collect();
        for (name, _) in self.pairs.iter().filter(|(name, _)| unknown.remove(name.as_str())) {
            self.errors.add(name, "is not a known parameter");
        }
        Ok(self.errors.into_result()?)
    }
}

impl Parameters for QueryReader {
    fn parameter<T>(
        &mut self,
        name: &'static str,
        schema: impl FnOnce() -> Value,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.parsed(name, schema, parse)
    }

    fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.parsed(name, schema::boolean, |text| {
            text.parse().map_err(|_| "must be true or false".to_owned())
        })
    }
}

/// Adds a hint to an error that a plus in a query string, which means a space, is likely to have
/// caused.
fn with_plus(complaint: String) -> String {
    format!("{complaint}; in a URL, a plus is written %2B")
}

fn text_schema() -> Value {
    schema::search_text(LONGEST_SEARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_wrong_or_doubled_is_refused() {
        let finish = |query: &str| {
            let mut reader = QueryReader::new(query, Arc::default());
            reader.page();
            reader.text("owner");
            reader.moment("from");
            reader.finish().is_ok()
        };
        assert!(finish("") && finish("limit=5&owner=a%20b&from=2026-01-01T00:00:00%2B01:00"));
        assert!(finish("limit=+5&owner=%20a%0A&from=%202026-01-01T00:00:00Z%C2%A0"));
        for wrong in [
            "limit=0",
            "limit=5&limit=5",
            "owner=",
            "Limit=5",
            "from=today",
            "x",
            "cursor=abc",
            "owner=%00",
            "owner=+%09",
        ] {
            assert!(!finish(wrong), "{wrong}");
        }
    }
}
