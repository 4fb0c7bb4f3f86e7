//! What fuzz targets reach of the commands that read files.

use serde_json::{Map, Value};

use super::transfer_lines::Lines;

/// A line as an object, or what is wrong with it.
type Line = Result<Map<String, Value>, String>;

/// The lines of a file of keys, as far as it can be read.
///
/// # Errors
/// Why it is no file of keys.
pub fn lines_of_keys(file: &[u8]) -> Result<Vec<Line>, String> {
    let lines = Lines::of(file, None).map_err(|why| why.to_string())?;
    let readable = lines.map_while(Result::ok);
    Ok(readable.map(|(_, line)| line.map_err(|errors| errors.summary())).collect())
}
