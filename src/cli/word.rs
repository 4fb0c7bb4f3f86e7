//! Options that take one word of a closed set.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::model::words::Word;

/// Parses a word; all of them are listed by `--help` and beside a wrong one.
pub(super) fn word<W: Word + Send + Sync>() -> impl TypedValueParser<Value = W> {
    let words = W::ALL.iter().map(|word| word.as_str());
    let unknown = || format!("must be {}", W::choices());
    PossibleValuesParser::new(words).try_map(move |text| W::parse(&text).ok_or_else(unknown))
}
