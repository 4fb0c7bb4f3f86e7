//! Text compared without regard to case: both sides by the database's own rules. PostgreSQL's are those of
//! its locale, which may know the letters of ASCII alone.

use diesel::SqliteConnection;
use diesel::sql_types::{Nullable, Text};

use super::error::Result;

diesel::define_sql_function! {
    /// Text in lower case, for comparing without regard to case.
    fn lower(text: Nullable<Text>) -> Nullable<Text>;
}

/// SQLite's own `lower` knows only the letters of ASCII; this gives the connection one that knows
/// them all.
pub(super) fn register_unicode_lower(connection: &mut SqliteConnection) -> Result<()> {
    let lower = |text: Option<String>| text.map(|text| text.to_lowercase());
    Ok(lower_utils::register_impl(connection, lower)?)
}

/// The condition that a column which may be null has a pattern somewhere, whatever its case.
macro_rules! has {
    ($column:expr, $pattern:expr) => {
        $crate::store::text::lower($column)
            .like($crate::store::text::lower($pattern.clone()))
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
