//! What is wrong with an input, field by field.

use schemars::JsonSchema;
use serde::Serialize;

/// The most errors reported for one input. Further ones are only counted.
pub const MOST_NAMED: usize = 100;
/// The most characters of a field's name that an error repeats: the client chose the name.
const LONGEST_NAME: usize = 60;
/// The longest message of an error, in characters.
const LONGEST_MESSAGE: usize = 1000;

/// One complaint about one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// The field as the client wrote it, `transcript[2].role` for a part of one.
    pub field: String,
    /// What is wrong, to be read after the field's name.
    pub message: String,
}

/// What is wrong with one input; never empty when returned as an error.
///
/// However much that is, at most [`MOST_NAMED`] errors are kept, and each is short: what an
/// input costs and how long the answer gets never depends on how wrong it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, thiserror::Error)]
#[error("{}", self.summary())]
pub struct FieldErrors {
    named: Vec<FieldError>,
    /// How many errors were found beyond [`MOST_NAMED`].
    more: usize,
}

impl FieldErrors {
    /// An error about a single field.
    pub fn one(field: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    /// Adds an error, unless the field has one already.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        let field = beginning(field, LONGEST_NAME);
        if self.named.iter().any(|error| error.field == field) {
            return;
        }
        if self.named.len() == MOST_NAMED {
            self.more += 1;
            return;
        }
        let message = beginning(&message.into(), LONGEST_MESSAGE).to_owned();
        self.named.push(FieldError { field: field.to_owned(), message });
    }

    /// The errors that are reported, in the order in which they were found.
    pub fn named(&self) -> &[FieldError] {
        &self.named
    }

    /// The errors that are reported, so that their messages can be reworded.
    pub fn named_mut(&mut self) -> &mut [FieldError] {
        &mut self.named
    }

    /// Whether no error was found.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// `Ok` if no error was found.
    ///
    /// # Errors
    /// The errors themselves.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }

    /// All errors in one sentence.
    pub fn summary(&self) -> String {
        self.summary_naming(str::to_owned)
    }

    /// All errors in one sentence, with the fields renamed by `name`.
    pub fn summary_naming(&self, name: impl Fn(&str) -> String) -> String {
        let named = self.named.iter();
        let mut parts: Vec<String> =
            named.map(|error| format!("{} {}", name(&error.field), error.message)).collect();
        if self.more > 0 {
            parts.push(format!("and {} more", self.more));
        }
        parts.join("; ")
    }
}

/// Serialized as a list of the errors that are reported.
impl Serialize for FieldErrors {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.named.serialize(serializer)
    }
}

impl Extend<FieldError> for FieldErrors {
    fn extend<T: IntoIterator<Item = FieldError>>(&mut self, errors: T) {
        errors.into_iter().for_each(|error| self.add(&error.field, error.message));
    }
}

impl IntoIterator for FieldErrors {
    type Item = FieldError;
    type IntoIter = std::vec::IntoIter<FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.named.into_iter()
    }
}

/// The first characters of a text.
fn beginning(text: &str, longest: usize) -> &str {
    text.char_indices().nth(longest).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_complaints_the_first_are_named_and_the_others_counted() {
        let names: Vec<String> = (0..MOST_NAMED + 5).map(|n| format!("{n:0100}")).collect();
        let mut errors = FieldErrors::default();
        // What has been named already is not counted either.
        for name in names.iter().chain(&names[..3]) {
            errors.add(name, "x".repeat(2 * LONGEST_MESSAGE));
        }
        // They differ in what is cut off.
        assert_eq!((errors.named().len(), errors.more), (1, 0));
        for name in 0..MOST_NAMED + 5 {
            errors.add(&name.to_string(), "is wrong");
        }
        assert_eq!((errors.named().len(), errors.more), (MOST_NAMED, 6));
        assert_eq!(errors.named()[0].field.len(), LONGEST_NAME);
        assert_eq!(errors.named()[0].message.len(), LONGEST_MESSAGE);
        assert!(errors.summary().ends_with("; 98 is wrong; and 6 more"));
    }
}
