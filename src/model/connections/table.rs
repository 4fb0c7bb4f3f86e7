//! What a connection offers: rows of a method, a pattern of paths and the scope that opens them.
//!
//! A row is written as a line, `GET /v1/calls/{id} calls:read C`, in the vendors' tables and in rules.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::segment::{Reading, Segment};
use super::vendor_target::is_clear;
use crate::model::request_path::read_loosely;
use crate::model::request_rule::RequestRule;
use crate::model::scope::Scope;

/// Methods that are about the way to a server and not about anything there, and that are not sent on as
/// they come.
const UNSENT: [&str; 2] = ["CONNECT", "TRACE"];

/// The scope of a row that any scope at the connection opens.
const ANY: &str = "any";

/// What of a vendor's table a connection offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offers {
    /// Rows that make something which outlives the key, such as a user of the vendor's.
    pub standing: bool,
    /// Links to recordings, which open by themselves for whoever has them.
    pub recordings: bool,
}

/// What there is to know of a row besides its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// `$`: it costs money or reaches a person.
    pub costs: bool,
    /// `S`: it makes something that outlives the key, so a connection has to offer it.
    pub standing: bool,
    /// `C`: its answer may hold links that open by themselves.
    pub links: bool,
    /// `H`: its answer may hold secrets, which are hidden.
    pub secrets: bool,
}

/// The letters of marks, what each stands for, and where it is kept.
type Letter = (&'static str, &'static str, fn(&mut Marks) -> &mut bool);

const LETTERS: [Letter; 4] = [
    ("$", "costs money or reaches a person", |marks| &mut marks.costs),
    ("S", "outlives the key; only with --standing true", |marks| &mut marks.standing),
    ("C", "answers with links that open by themselves", |marks| &mut marks.links),
    ("H", "secrets in the answer are hidden", |marks| &mut marks.secrets),
];

impl Marks {
    /// Each mark with what it means.
    pub fn legend() -> impl Iterator<Item = (&'static str, &'static str)> {
        LETTERS.into_iter().map(|(letter, about, _)| (letter, about))
    }

    /// The letters, with a space between two.
    pub fn letters(mut self) -> String {
        let set = LETTERS.iter().filter(|(_, _, mark)| *mark(&mut self));
        set.map(|(letter, ..)| *letter).collect::<Vec<_>>().join(" ")
    }
}

/// Some requests of a vendor's API, and the scope that opens them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    rule: RequestRule,
    segments: Vec<Segment>,
    scope: Option<Scope>,
    marks: Marks,
}

impl Row {
    /// The method; GET stands for HEAD too.
    pub fn method(&self) -> &str {
        self.rule.method()
    }

    /// The pattern of its paths.
    pub fn path(&self) -> &str {
        self.rule.pattern()
    }

    /// The scope at the connection that opens it; none where any does.
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// That scope as it is written in tables.
    pub fn scope_text(&self) -> String {
        self.scope.as_ref().map_or_else(|| ANY.to_owned(), Scope::to_string)
    }

    /// What else there is to know of it.
    pub fn marks(&self) -> Marks {
        self.marks
    }

    /// The variables of its pattern that have names, with what stands for them in a path.
    pub fn variables<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.segments.iter().zip(path.split('/')).filter_map(|(segment, text)| match segment {
            Segment::Variable { name, suffix } => Some((&**name, text.strip_suffix(&**suffix)?)),
            Segment::Literal(_) => None,
        })
    }

    /// Whether another row is about the same requests, whatever its variables are called.
    pub fn opens_the_same(&self, other: &Self) -> bool {
        self.method() == other.method()
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|pair| match pair {
                (Segment::Literal(one), Segment::Literal(other)) => one == other,
                (Segment::Variable { suffix, .. }, Segment::Variable { suffix: other, .. }) => {
                    suffix == other
                }
                _ => false,
            })
    }

    /// A path that it opens: its pattern, with a word for each variable.
    pub fn example(&self) -> String {
        let word = |segment: &Segment| match segment {
            Segment::Literal(literal) => literal.clone(),
            Segment::Variable { name, suffix } if name == "version" => format!("v4{suffix}"),
            Segment::Variable { name, suffix } if name.is_empty() => format!("ID{suffix}"),
            Segment::Variable { name, suffix } => format!("{name}{suffix}"),
        };
        self.segments.iter().map(word).collect::<Vec<_>>().join("/")
    }

    /// Whether requests of its method are never sent on.
    pub fn is_unsent(&self) -> bool {
        UNSENT.contains(&self.method())
    }

    fn takes(&self, method: &str) -> bool {
        let same = self.method() == method || (self.method() == "GET" && method == "HEAD");
        same && !self.is_unsent()
    }

    fn fits(&self, path: &str, reading: Reading) -> bool {
        let mut texts = path.split('/');
        let fits = |segment: &Segment| texts.next().is_some_and(|text| segment.fits(text, reading));
        self.segments.iter().all(fits) && texts.next().is_none()
    }

    /// What makes one pattern closer to a path than another: the earlier segment that is literal, or has
    /// a format where the other has none.
    fn closeness(&self) -> impl Iterator<Item = u8> {
        self.segments.iter().map(|segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Variable { suffix, .. } if !suffix.is_empty() => 1,
            Segment::Variable { .. } => 2,
        })
    }
}

/// Why a line is no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRow(String);

impl FromStr for Row {
    type Err = InvalidRow;

    fn from_str(line: &str) -> Result<Self, InvalidRow> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [method, path, scope, letters @ ..] = words.as_slice() else {
            let why =
                "must be a method, a path and a scope, such as \"GET /v2/things/* contacts:read\"";
            return Err(InvalidRow(why.to_owned()));
        };
        let rule: RequestRule = format!("{method} {path}").parse().map_err(InvalidRow)?;
        if !path.split('/').all(Segment::is_well_formed) {
            let why = "a name in braces stands for one whole segment, perhaps with a format behind it, as \
                       in /things/{id}.json";
            return Err(InvalidRow(why.to_owned()));
        }
        let scope = match *scope {
            ANY => None,
            scope => Some(scope.parse().map_err(|why| InvalidRow(format!("{why}")))?),
        };
        let mut marks = Marks::default();
        for letter in letters {
            let known = LETTERS.iter().find(|(known, ..)| known == letter);
            let (_, _, mark) =
                known.ok_or_else(|| InvalidRow(format!("{letter:?} is no mark of a row")))?;
            *mark(&mut marks) = true;
        }
        let segments = rule.pattern().split('/').map(Segment::of).collect();
        Ok(Self { rule, segments, scope, marks })
    }
}

/// A row as it is written.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rule, self.scope_text())?;
        let letters = self.marks.letters();
        if letters.is_empty() { Ok(()) } else { write!(f, " {letters}") }
    }
}

/// Why a connection has no row for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRow {
    /// There is none for the path, or the path could be read as another one.
    Path,
    /// There are only some for other methods.
    Method(Vec<String>),
}

/// What a connection offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table(Vec<Arc<Row>>);

impl Table {
    /// The rows, in their order.
    pub fn rows(&self) -> &[Arc<Row>] {
        &self.0
    }

    /// The row of a request. Of several patterns that its path fits, the closest alone counts, so
    /// that `/calls/search` is never taken for a call.
    ///
    /// # Errors
    /// [`NoRow`] where there is none.
    pub fn find(&self, method: &str, path: &str, offers: Offers) -> Result<&Arc<Row>, NoRow> {
        if !is_clear(path) {
            return Err(NoRow::Path);
        }
        let offered = || self.0.iter().filter(|row| offers.standing || !row.marks.standing);
        // A server that reads it loosely would serve another row.
        let of_any_spelling = closest(self.0.iter(), &read_loosely(path), Reading::Loose);
        let closest = closest(offered(), path, Reading::Exact).ok_or(NoRow::Path)?;
        if of_any_spelling.is_some_and(|other| !other.closeness().eq(closest.closeness())) {
            return Err(NoRow::Path);
        }
        let there = || {
            let same = |row: &&Arc<Row>| row.fits(path, Reading::Exact);
            offered().filter(same).filter(|row| row.closeness().eq(closest.closeness()))
        };
        let methods = || there().map(|row| row.method().to_owned()).collect();
        there().find(|row| row.takes(method)).ok_or_else(|| NoRow::Method(methods()))
    }
}

fn closest<'a>(
    rows: impl Iterator<Item = &'a Arc<Row>>,
    path: &str,
    reading: Reading,
) -> Option<&'a Arc<Row>> {
    rows.filter(|row| row.fits(path, reading)).min_by(|a, b| a.closeness().cmp(b.closeness()))
}

impl FromIterator<Row> for Table {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        Self(rows.into_iter().map(Arc::new).collect())
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|row| row.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(lines: &[&str]) -> Table {
        lines.iter().map(|line| line.parse::<Row>().unwrap()).collect()
    }

    fn found(table: &Table, request: &str) -> String {
        let (method, path) = request.split_once(' ').unwrap();
        match table.find(method, path, Offers::default()) {
            Ok(row) => row.to_string(),
            Err(NoRow::Path) => "nothing".to_owned(),
            Err(NoRow::Method(methods)) => methods.join(", "),
        }
    }

    #[test]
    fn the_closest_pattern_alone_counts() {
        let table = table(&[
            "GET /calls/{id}.json calls:read",
            "PUT /calls/{id}.json calls:write",
            "GET /calls/summary.json analytics:read",
            "GET /users/* agents:read",
            "POST /users agents:write S",
            "DELETE /users agents:write",
            "GET /{version}/jobs any",
            "POST /notes/{id} notes:write",
            "POST /notes/{id}.csv export:write",
            "POST /notes/a:purge admin:write",
            "GET /articles/ knowledge_base:read",
            "GET /things/{id} things:read",
            "GET /things/admin secrets:read",
        ]);
        for (request, wanted) in [
            ("GET /calls/7.json", "GET /calls/{id}.json calls:read"),
            ("HEAD /calls/7.json", "GET /calls/{id}.json calls:read"),
            ("PUT /calls/7.json", "PUT /calls/{id}.json calls:write"),
            ("DELETE /calls/7.json", "GET, PUT"),
            ("GET /calls/summary.json", "GET /calls/summary.json analytics:read"),
            ("PUT /calls/summary.json", "GET"),
            ("GET /calls/Summary.json", "nothing"),
            ("GET /calls/summar%79.json", "nothing"),
            ("GET /calls/summary..json", "nothing"),
            ("GET /things/adm%C3%ADn", "GET /things/{id} things:read"),
            ("GET /things/adm%C4%B0n", "nothing"),
            ("GET /things/adm%C4%B1n", "nothing"),
            ("GET /calls/summary", "nothing"),
            ("GET /calls/7.xml.json", "nothing"),
            ("GET /calls/7.JSON", "nothing"),
            ("GET /calls/.json", "nothing"),
            ("GET /calls/7.json/", "nothing"),
            ("GET /calls/7", "nothing"),
            ("GET /CALLS/7.json", "nothing"),
            ("get /calls/7.json", "GET, PUT"),
            ("GET /users/me@example.com", "GET /users/* agents:read"),
            ("GET /users/a/b", "nothing"),
            ("GET /users/", "nothing"),
            ("POST /users", "DELETE"),
            ("GET /v4/jobs", "GET /{version}/jobs any"),
            ("GET /v0/jobs", "nothing"),
            ("POST /notes/a:purge", "POST /notes/a:purge admin:write"),
            ("POST /notes/a%3Apurge", "nothing"),
            ("POST /notes/a%3apurg", "POST /notes/{id} notes:write"),
            ("POST /notes/a:purge.json", "nothing"),
            ("POST /notes/a:purge.", "nothing"),
            ("POST /notes/b.json", "POST /notes/{id} notes:write"),
            ("POST /notes/b.csv", "POST /notes/{id}.csv export:write"),
            ("POST /notes/b.csv.csv", "nothing"),
            ("GET /v10/jobs", "nothing"),
            ("GET /articles/", "GET /articles/ knowledge_base:read"),
            ("GET /articles", "nothing"),
            ("GET //articles/", "nothing"),
            ("GET /users/%2e%2e", "nothing"),
        ] {
            assert_eq!(found(&table, request), wanted, "{request}");
        }
    }

    #[test]
    fn a_line_that_is_no_row_says_why() {
        for (line, why) in [
            ("GET /things", "a method, a path and a scope"),
            ("get /things contacts:read", "in capitals"),
            ("GET things contacts:read", "not the path"),
            ("GET /th*ngs contacts:read", "one whole segment"),
            ("GET /{id}x contacts:read", "one whole segment"),
            ("GET /x{id} contacts:read", "one whole segment"),
            ("GET /{}/y contacts:read", "one whole segment"),
            ("GET /{id contacts:read", "one whole segment"),
            ("GET /{a}.{b} contacts:read", "one whole segment"),
            ("GET /things contacts", "is not a scope"),
            ("GET /things contacts:read X", "is no mark"),
        ] {
            let message = line.parse::<Row>().unwrap_err().to_string();
            assert!(message.contains(why), "{line}: {message}");
        }
        let row: Row = "GET  /a/{account}/b/{id}.json   any  C".parse().unwrap();
        assert_eq!(row.to_string(), "GET /a/{account}/b/{id}.json any C");
        let variables: Vec<_> = row.variables("/a/ACC1/b/7.json").collect();
        assert_eq!(variables, [("account", "ACC1"), ("id", "7")]);
        let row: Row = "GET /caf%c3%a9/* any".parse().unwrap();
        assert_eq!(row.to_string(), "GET /caf%C3%A9/* any");
        assert_eq!(row.to_string().parse(), Ok(row));
    }

    proptest! {
        #[test]
        fn a_path_is_found_only_segment_by_segment(path in "(/(calls|users|[a-c.%25;]{0,3}|7.json)){1,4}/?") {
            let table = table(&["GET /calls/{id} calls:read", "GET /users/*/calls agents:read"]);
            let segments: Vec<&str> = path.split('/').skip(1).collect();
            let plain = |text: &str| !text.is_empty() && is_clear(&format!("/{text}"));
            let wanted = match segments.as_slice() {
                ["calls", id] => plain(id),
                ["users", user, "calls"] => plain(user),
                _ => false,
            };
            prop_assert_eq!(table.find("GET", &path, Offers::default()).is_ok(), wanted);
        }
    }
}
