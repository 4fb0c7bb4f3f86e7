//! Printing: results to standard output, words to standard error, tables that line up.

use std::fmt::{Arguments, Display};
use std::io::Write;

use super::failure::Failure;

/// Prints one line of a result.
pub(super) fn show(line: Arguments<'_>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Says something to a person; nobody may be there to read it.
pub(super) fn say(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints what is shown only once; when it is lost, somebody must know.
pub(super) fn show_once(id: impl Display, line: Arguments<'_>) -> Result<(), Failure> {
    show(line).map_err(|why| {
        Failure::Failed(format!(
            "{id} was made but could not be printed ({why}); revoke it and make another"
        ))
    })
}

/// Prints one JSON object on a line.
pub(super) fn show_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    show(format_args!("{}", serde_json::to_string(value)?))
}

/// Prints rows under their headings, in columns as wide as they need to be.
pub(super) fn show_table<const N: usize>(
    headings: [&str; N],
    rows: &[[String; N]],
) -> Result<(), Failure> {
    let headings = headings.map(str::to_owned);
    let lines = || std::iter::once(&headings).chain(rows);
    let widths: [usize; N] = std::array::from_fn(|column| {
        lines().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    for row in lines() {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        show(format_args!("{}", cells.collect::<Vec<_>>().join("  ").trim_end()))?;
    }
    Ok(())
}

/// What strangers wrote, made harmless for a terminal.
pub(super) fn plain(text: &str) -> String {
    let harmless = |c: char| if c.is_control() || rearranges(c) { '\u{fffd}' } else { c };
    text.chars().map(harmless).collect()
}

/// Characters that turn the direction of writing or break a line, and could make a line read as
/// another.
fn rearranges(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}
