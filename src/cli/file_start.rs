//! How a file of keys begins, which tells what kind of file it is.

use std::io::{self, BufRead, BufReader, Read};

use clap::ValueEnum;

use super::bounded::LONGEST_LINE;

/// How a file of keys is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Comma-separated values, with a header; `;` and tab are recognised too
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// Bytes that the readers ask for at once.
pub(super) const BUFFER: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a file is not read at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Failed(#[from] io::Error),
    /// The file is not one of keys, or not in a format that is read.
    #[error("{0}")]
    Foreign(String),
}

/// What was read to learn what it is, and the rest.
pub(super) type Source<R> = io::Chain<io::Cursor<Vec<u8>>, BufReader<R>>;

/// A file whose first line that is not blank was read.
pub(super) struct FileStart<R: Read> {
    /// The file from that line on.
    pub(super) source: Source<R>,
    /// What it looks like: what begins with a brace is JSON.
    pub(super) seen: Format,
    /// What stands between its headings.
    pub(super) delimiter: u8,
}

impl<R: Read> FileStart<R> {
    /// Reads up to that line.
    ///
    /// # Errors
    /// When the file cannot be read, or is of a kind that people have instead.
    pub(super) fn read(source: R) -> Result<Self, Unreadable> {
        let mut source = BufReader::with_capacity(BUFFER, source);
        let (mut start, mut blank) = (Vec::new(), true);
        while blank && start.len() < LONGEST_LINE {
            let read = (&mut source).take(LONGEST_LINE as u64).read_until(b'\n', &mut start)?;
            blank = read > 0 && start.trim_ascii().is_empty();
        }
        if start.starts_with(BYTE_ORDER_MARK) {
            start.drain(..BYTE_ORDER_MARK.len());
        }
        refuse_foreign(&start)?;
        let json = start.trim_ascii_start().starts_with(b"{");
        let seen = if json { Format::Jsonl } else { Format::Csv };
        let delimiter = delimiter_of(&start);
        Ok(Self { source: io::Cursor::new(start).chain(source), seen, delimiter })
    }
}

/// Names the kinds of files that people have instead of those that are read.
fn refuse_foreign(start: &[u8]) -> Result<(), Unreadable> {
    let foreign = |what: &str| Err(Unreadable::Foreign(what.to_owned()));
    match start.trim_ascii_start() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => foreign(
            "this is UTF-16: save it as \"CSV UTF-8\", or convert it with iconv -f UTF-16 -t UTF-8",
        ),
        [b'P', b'K', 3, 4, ..] => {
            foreign("this is a spreadsheet or another ZIP file: save it as \"CSV UTF-8\"")
        }
        [b'[', ..] => foreign(
            "this is a JSON array: give one object a line, as jq -c '.[]' makes of an array",
        ),
        _ => Ok(()),
    }
}

/// What stands between the headings: no heading has one of these in it.
fn delimiter_of(start: &[u8]) -> u8 {
    let headings = start.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: &u8| headings.iter().filter(|byte| *byte == delimiter).count();
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}
