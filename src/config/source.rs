//! Where in the settings' file something is wrong.

use std::fmt::Display;
use std::path::Path;

use super::setting::BadSetting;

/// The file's name and text, so that what is wrong can be found in it.
#[derive(Debug, Default)]
pub(super) struct Source {
    name: String,
    text: String,
}

impl Source {
    pub(super) fn new(path: &Path, text: String) -> Self {
        Self { name: path.display().to_string(), text }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Refuses what begins at this byte of the text.
    pub(super) fn refuse(&self, at: usize, why: impl Display) -> BadSetting {
        let line = self.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        BadSetting(format!("{}: line {line}: {why}", self.name))
    }
}
