//! The lines of a file of keys, CSV or JSON, as objects: one at a time, however large the file.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::bounded::{Bounded, LONGEST_LINE, to_io, too_long};
use super::file_start::{BUFFER, FileStart, Format, Source, Unreadable};
use crate::model::FieldErrors;
use crate::model::exported_key::COLUMNS;
use crate::model::spreadsheet::unguard;
use crate::model::strict_json::{self, Fault};

const NOT_UTF8: &str = "is not UTF-8; save the file as UTF-8";
/// The columns whose cells may have several lines.
const MAY_BREAK: [&str; 2] = ["description", "scopes"];
/// What is the matter where lines have become one that should not have.
const UNCLOSED: &str = "; a quotation mark that is not closed takes the lines behind it with it, which \
                        are not imported";

/// A line's number, from 1, and its fields or why they cannot be read.
pub(super) type Line = (u64, Result<Map<String, Value>, FieldErrors>);

/// The lines of a file.
pub(super) enum Lines<R: Read> {
    Csv(Box<CsvLines<R>>),
    Json(JsonLines<R>),
}

impl<R: Read> Lines<R> {
    /// Begins to read; what begins with a brace is JSON, unless the format is known.
    pub(super) fn of(source: R, format: Option<Format>) -> Result<Self, Unreadable> {
        let FileStart { source, seen, delimiter } = FileStart::read(source)?;
        Ok(match format.unwrap_or(seen) {
            Format::Csv => Self::Csv(Box::new(CsvLines::of(source, delimiter)?)),
            Format::Jsonl => Self::Json(JsonLines { source, number: 0, buffer: Vec::new() }),
        })
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Csv(lines) => lines.next_line().transpose(),
            Self::Json(lines) => lines.next_line().transpose(),
        }
    }
}

/// Reads one JSON object a line; blank lines are skipped.
pub(super) struct JsonLines<R: Read> {
    source: Source<R>,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: Read> JsonLines<R> {
    fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            self.buffer.clear();
            let mut start = (&mut self.source).take(LONGEST_LINE as u64 + 1);
            if start.read_until(b'\n', &mut self.buffer)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.buffer.len() > LONGEST_LINE {
                if self.buffer.last() != Some(&b'\n') {
                    self.source.skip_until(b'\n')?;
                }
                return Ok(Some((self.number, Err(refused(too_long())))));
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some((self.number, parse_object(&self.buffer))));
            }
        }
    }
}

fn parse_object(line: &[u8]) -> Result<Map<String, Value>, FieldErrors> {
    match strict_json::parse(line.trim_ascii_end()) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(refused("must be a JSON object")),
        Err(Fault::Twice(member)) => {
            // Any other name may be a key.
            let known = COLUMNS.iter().find(|column| **column == member);
            Err(FieldErrors::one(known.unwrap_or(&"a member"), "must not be given twice"))
        }
        Err(Fault::Malformed { column, .. }) => {
            Err(refused(format!("must be a JSON object: see column {column}")))
        }
    }
}

/// Values under a header, separated by commas, semicolons or tabs.
pub(super) struct CsvLines<R: Read> {
    reader: csv::Reader<Bounded<Source<R>>>,
    allowance: Rc<Cell<usize>>,
    ended: Rc<Cell<bool>>,
    columns: Vec<&'static str>,
    record: csv::ByteRecord,
}

impl<R: Read> CsvLines<R> {
    fn of(source: Source<R>, delimiter: u8) -> Result<Self, Unreadable> {
        let allowance = Rc::new(Cell::new(LONGEST_LINE + BUFFER));
        let ended = Rc::new(Cell::new(false));
        let bounded = Bounded::of(source, allowance.clone(), ended.clone());
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            // The reader's own CRLF would leave its line numbers one behind.
            .terminator(csv::Terminator::Any(b'\n'))
            .buffer_capacity(BUFFER)
            .from_reader(bounded);
        let columns = read_header(reader.byte_headers().map_err(to_io)?)?;
        Ok(Self { reader, allowance, ended, columns, record: csv::ByteRecord::new() })
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            self.allowance.set(LONGEST_LINE + BUFFER);
            let line = self.reader.position().line();
            let read = self.reader.read_byte_record(&mut self.record).map_err(to_io);
            let said = |why: io::Error| io::Error::new(why.kind(), format!("line {line}: {why}"));
            if !read.map_err(said)? {
                return Ok(None);
            }
            if self.record.as_slice() != b"\r" {
                break;
            }
        }
        let inside = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count();
        let misfit = self.record.len() != self.columns.len();
        // Nothing ends a record whose quotation mark is never closed.
        let open = misfit && self.ended.get() && self.record.as_slice().ends_with(b"\n");
        let lines = inside as u64 + u64::from(!open);
        let number = self.reader.position().line().saturating_sub(lines);
        let fields = if self.record.as_slice().len() > LONGEST_LINE {
            Err(refused(too_long()))
        } else if misfit {
            let (cells, columns) = (self.record.len(), self.columns.len());
            let advice = if inside > 0 { UNCLOSED } else { "" };
            Err(refused(format!("has {cells} cells, but there are {columns} headings{advice}")))
        } else {
            self.fields()
        };
        Ok(Some((number, fields)))
    }

    fn fields(&self) -> Result<Map<String, Value>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut object = Map::new();
        for (place, (column, cell)) in self.columns.iter().zip(&self.record).enumerate() {
            let last = place + 1 == self.columns.len();
            let cell = cell.strip_suffix(b"\r").filter(|_| last).unwrap_or(cell);
            match std::str::from_utf8(cell) {
                Ok(cell) if !MAY_BREAK.contains(column) && cell.contains('\n') => {
                    errors.add(column, format!("holds a line break{UNCLOSED}"));
                }
                Ok(cell) => drop(object.insert((*column).to_owned(), value_of(column, cell))),
                Err(_) => errors.add(column, NOT_UTF8),
            }
        }
        errors.into_result().map(|()| object)
    }
}

/// An empty cell is not given; scopes stand side by side in one.
fn value_of(column: &str, cell: &str) -> Value {
    let text = unguard(cell);
    let between = |c: char| c.is_whitespace() || c == ',' || c == ';';
    match column {
        _ if text.is_empty() => Value::Null,
        "scopes" => text.split(between).filter(|scope| !scope.is_empty()).collect(),
        _ => text.into(),
    }
}

/// What a heading says is not repeated: where there is none, the first line is a key's.
fn read_header(header: &csv::ByteRecord) -> Result<Vec<&'static str>, Unreadable> {
    let bad = |message: String| Err(Unreadable::Foreign(format!("line 1: {message}")));
    let mut columns = Vec::new();
    for (number, heading) in (1..).zip(header) {
        match COLUMNS.iter().find(|column| column.as_bytes() == heading.trim_ascii()) {
            Some(column) if columns.contains(column) => {
                return bad(format!("heading {number} repeats {column}"));
            }
            Some(column) => columns.push(*column),
            None => return bad(format!("heading {number} is not one of {}", COLUMNS.join(", "))),
        }
    }
    for required in ["name", "scopes", "sha256"] {
        if !columns.contains(&required) {
            return bad(format!("the heading {required} is missing"));
        }
    }
    Ok(columns)
}

fn refused(message: impl fmt::Display) -> FieldErrors {
    FieldErrors::one("line", message.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line as its number and its object, or what is wrong with it.
    fn lines(text: &[u8]) -> Vec<(u64, String)> {
        let lines = Lines::of(text, None).unwrap();
        lines
            .map(|line| match line.unwrap() {
                (number, Ok(object)) => (number, Value::Object(object).to_string()),
                (number, Err(errors)) => (number, errors.summary()),
            })
            .collect()
    }

    #[test]
    fn csv_is_read_as_spreadsheets_write_it() {
        let text = b"\xef\xbb\xbfname,scopes,sha256\r\n\"a, \"\"b\"\"\",calls:read  leads:read,x\r\n\r\n\"two\nlines\",,'=1\r\na,b\r\n\xff,,\r\nlast,,";
        let read = lines(text);
        assert_eq!(
            read,
            [
                (
                    2,
                    r#"{"name":"a, \"b\"","scopes":["calls:read","leads:read"],"sha256":"x"}"#
                        .to_owned()
                ),
                (4, format!("name holds a line break{UNCLOSED}")),
                (6, "line has 2 cells, but there are 3 headings".to_owned()),
                (7, "name is not UTF-8; save the file as UTF-8".to_owned()),
                (8, r#"{"name":"last","scopes":null,"sha256":null}"#.to_owned()),
            ]
        );
    }

    #[test]
    fn lines_that_a_quotation_mark_has_joined_are_named_by_the_first() {
        let unclosed = lines(b"name,scopes,sha256\n\"a,b,c\nd,e,f\n");
        let said = format!("line has 1 cells, but there are 3 headings{UNCLOSED}");
        assert_eq!(unclosed, [(2, said.clone())]);
        assert_eq!(lines(b"name,scopes,sha256\nx,y,z\n\"a,b,c\nd,e,f")[1], (3, said));
        let closed_later = lines(b"name,scopes,sha256\n\"a,b,c\nd\",e,f\ng,h,i\n");
        assert_eq!(closed_later[0], (2, format!("name holds a line break{UNCLOSED}")));
        assert_eq!(closed_later[1].0, 4);
        let described = lines(b"name,scopes,sha256,description\na,b,c,\"two\nlines\"\n");
        assert!(described[0].1.contains(r#""description":"two\nlines""#), "{described:?}");
    }

    #[test]
    fn a_json_line_is_read_as_strictly_as_a_body() {
        let doubled = br#"{"name":"a","scopes":["calls:read"],"scopes":["calls:write"]}"#;
        assert_eq!(lines(doubled), [(1, "scopes must not be given twice".to_owned())]);
        let key = br#"{"sk_live":1,"sk_live":2}"#;
        assert_eq!(lines(key), [(1, "a member must not be given twice".to_owned())]);
        let early = lines(b"{\"name\":\"a\"\n");
        assert_eq!(early, [(1, "line must be a JSON object: see column 11".to_owned())]);
    }

    #[test]
    fn what_separates_cells_is_seen_in_the_headings() {
        for delimiter in [",", ";", "\t"] {
            let text = ["name,scopes,sha256", "\"a;b,c\",\"calls:read, leads:read;calls:write\",x"];
            let quoted = text[1].replace("\",", &format!("\"{delimiter}"));
            let text = format!("\n{}\r\n{quoted}\r\n", text[0].replace(',', delimiter));
            let expected = r#"{"name":"a;b,c","scopes":["calls:read","leads:read","calls:write"],"sha256":"x"}"#;
            assert_eq!(lines(text.as_bytes()), [(3, expected.to_owned())], "{delimiter:?}");
        }
    }

    #[test]
    fn what_is_no_file_of_keys_is_told_what_it_is() {
        let utf16 = |text: &str| Vec::from_iter(text.encode_utf16().flat_map(u16::to_le_bytes));
        for (text, expected) in [
            (utf16("\u{feff}name,scopes"), "UTF-16"),
            (utf16("name;scopes"), "UTF-16"),
            (b"\xfe\xff\0n".to_vec(), "UTF-16"),
            (b"[{\"name\": \"sk_live\"}]".to_vec(), "JSON array"),
            (b" \n[\n".to_vec(), "JSON array"),
            (b"PK\x03\x04xl".to_vec(), "ZIP"),
        ] {
            for format in [None, Some(Format::Csv), Some(Format::Jsonl)] {
                let why = Lines::of(&text[..], format).err().unwrap().to_string();
                assert!(why.contains(expected) && !why.contains("sk_live"), "{why}");
            }
        }
    }

    #[test]
    fn json_is_read_line_by_line() {
        let text = b"\n {\"name\":\"a\"}\r\n\n[1]\n{\"sk_live\n{\"b\":\xff}\n{}";
        let read = lines(text);
        assert!(read.iter().map(|line| line.0).eq([2, 4, 5, 6, 7]));
        assert_eq!((read[0].1.as_str(), read[4].1.as_str()), (r#"{"name":"a"}"#, "{}"));
        assert_eq!(read[1].1, "line must be a JSON object");
        assert!(read[2].1.starts_with("line must be a JSON object") && !read[2].1.contains("sk_"));
    }

    #[test]
    fn a_line_without_end_is_not_held_in_memory() {
        let long = "x".repeat(LONGEST_LINE + 1);
        let json = format!("{{\"a\":\"{long}\"}}\n{{}}\n");
        assert_eq!(
            lines(json.as_bytes()),
            [(1, "line is longer than 64 KiB".to_owned()), (2, "{}".to_owned())]
        );
        let csv = format!("name,scopes,sha256\n{long},,\na,,\n");
        let read = lines(csv.as_bytes());
        assert_eq!((read[0].1.as_str(), read.len()), ("line is longer than 64 KiB", 2));

        let endless = io::Cursor::new("name,scopes,sha256\na,,\n\"").chain(io::repeat(b'x'));
        let mut lines = Lines::of(endless, None).unwrap();
        assert!(lines.next().unwrap().is_ok());
        let why = lines.next().unwrap().unwrap_err().to_string();
        assert!(why.contains("line 3") && why.contains("quotation mark"), "{why}");
    }

    #[test]
    fn a_bad_header_says_which_heading_and_not_what() {
        for (header, expected) in [
            ("name,scopes", "the heading sha256 is missing"),
            ("name,scopes,sha256,name", "heading 4 repeats name"),
            ("sk_live_x,scopes,sha256", "heading 1 is not one of"),
            ("name;scopes;sha", "heading 3 is not one of"),
            ("", "the heading name is missing"),
        ] {
            let why = Lines::of(header.as_bytes(), None).err().unwrap().to_string();
            assert!(why.contains(expected) && !why.contains("sk_live"), "{header}: {why}");
        }
    }
}
