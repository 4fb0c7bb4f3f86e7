//! Files for spreadsheets, in the one way in which Bitting writes them: CSV (RFC 4180) with every
//! cell in quotation marks, and no cell that is taken for a formula.

use std::io::{self, Write};

/// The byte order mark, without which Excel takes UTF-8 for another encoding. For files that people
/// open; programs need none.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Writes lines of cells.
pub struct Lines<W: Write>(csv::Writer<W>);

impl<W: Write> Lines<W> {
    /// Writes lines to `out`.
    pub fn to(out: W) -> Self {
        let mut builder = csv::WriterBuilder::new();
        builder.terminator(csv::Terminator::CRLF).quote_style(csv::QuoteStyle::Always);
        // Each writer of lines makes sure of their length by itself.
        Self(builder.flexible(true).from_writer(out))
    }

    /// Writes one line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, cells: impl IntoIterator<Item = String>) -> io::Result<()> {
        let cells = cells.into_iter().map(|cell| guard(&cell));
        // The fault beneath, so that a reader that is gone is known for what it is.
        self.0.write_record(cells).map_err(|why| match why.into_kind() {
            csv::ErrorKind::Io(why) => why,
            other => io::Error::other(format!("{other:?}")),
        })
    }

    /// Flushes what is buffered.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes lines into a string.
pub fn text<L: IntoIterator<Item = String>>(lines: impl IntoIterator<Item = L>) -> String {
    let mut bytes = Vec::new();
    let mut writer = Lines::to(&mut bytes);
    // Writing to memory does not fail.
    let _ = lines.into_iter().try_for_each(|line| writer.write(line));
    let _ = writer.finish();
    String::from_utf8(bytes).unwrap_or_default()
}

/// Separators after which a cell also begins, in a spreadsheet that does not separate by commas and
/// ignores quotation marks.
const SEPARATORS: [char; 4] = [';', '\t', '\n', '\r'];

/// Whether a spreadsheet would take a cell that begins so for a formula, were it not for the
/// apostrophes.
fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// The parts of a cell that could be cells by themselves, each with the separator behind it.
fn parts(cell: &str) -> impl Iterator<Item = &str> {
    cell.split_inclusive(SEPARATORS)
}

/// Text that no spreadsheet takes for a formula: with an apostrophe before each cell that would be
/// one.
fn guard(cell: &str) -> String {
    let mut guarded = String::with_capacity(cell.len() + 1);
    for part in parts(cell) {
        if is_formula(part) {
            guarded.push('\'');
        }
        guarded.push_str(part);
    }
    guarded
}

/// Undoes what is done to a cell when it is written, and nothing else.
pub fn unguard(cell: &str) -> String {
    let plain = |part| match part {
        guarded if is_formula(guarded) => guarded.strip_prefix('\'').unwrap_or(guarded),
        plain => plain,
    };
    parts(cell).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_formula_becomes_text() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@a", "'@a"),
            ("\ta", "'\ta"),
            ("'=1", "''=1"),
            ("'a", "'a"),
            ("a=1", "a=1"),
            ("a,=1", "a,=1"),
            ("a;=1+1", "a;'=1+1"),
            ("a\t@b", "a\t'@b"),
            ("a\r\n=1\n-2", "a\r\n'=1\n'-2"),
            ("a;'=1", "a;''=1"),
            ("", ""),
        ] {
            assert_eq!(guard(cell), written);
        }
    }

    #[test]
    fn every_cell_stands_in_quotation_marks() {
        let lines = [vec!["a", "", "say \"hi\""], vec!["two\nlines", "ü", "=1"]];
        let lines = lines.map(|line| line.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let expected = "\"a\",\"\",\"say \"\"hi\"\"\"\r\n\"two\nlines\",\"ü\",\"'=1\"\r\n";
        assert_eq!(text(lines), expected);
    }

    proptest! {
        #[test]
        fn every_text_survives_and_no_part_of_it_is_a_formula(cell in "['=+@;a\t\n\r-]{0,6}.{0,5}") {
            let written = guard(&cell);
            for part in written.split(SEPARATORS) {
                prop_assert!(!part.starts_with(['=', '+', '-', '@']), "{written:?}");
            }
            prop_assert_eq!(unguard(&written), cell);
        }
    }
}
