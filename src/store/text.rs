//! Text compared without regard to case: both sides by the database's own rules. PostgreSQL's are those of
//! its locale, which may know the letters of ASCII alone.

use diesel::SqliteConnection;
use diesel::sql_types::{Nullable, Text};

use super::error::Result;

diesel::define_sql_function! {
    /// Text in lower case, for comparing without regard to case.
    fn lower(text: Nullable<Text>) -> Nullable<Text>;
}

diesel::define_sql_function! {
    /// Text with one text in the place of another.
    fn replace(text: Nullable<Text>, from: Text, to: Text) -> Nullable<Text>;
}

/// SQLite's own `lower` knows only the letters of ASCII; this gives the connection one that knows
/// them all, and makes one letter of each, as PostgreSQL's does.
pub(super) fn register_unicode_lower(connection: &mut SqliteConnection) -> Result<()> {
    let of_text =
        |text: String| text.chars().filter_map(|letter| letter.to_lowercase().next()).collect();
    let lower = move |text: Option<String>| -> Option<String> { text.map(of_text) };
    Ok(lower_utils::register_impl(connection, lower)?)
}

/// Text in lower case, in which a sigma at the end of a word is one like any other: a part of a word
/// may end there.
macro_rules! folded {
    ($text:expr) => {
        $crate::store::text::replace($crate::store::text::lower($text), "ς", "σ")
    };
}
pub(crate) use folded;

/// The condition that a column which may be null has a pattern somewhere, whatever its case.
macro_rules! has {
    ($column:expr, $pattern:expr) => {
        $crate::store::text::folded!($column)
            .like($crate::store::text::folded!($pattern.clone()))
            .escape('\\')
    };
}
pub(crate) use has;

/// A LIKE pattern that finds the text itself anywhere, its own wildcards taken literally.
pub(crate) fn contains_pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
