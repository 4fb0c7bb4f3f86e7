//! Where in the settings' file something is wrong.

use std::fmt::Display;
use std::path::Path;

use toml::Spanned;

use super::setting::{BadSetting, clean};

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

    /// A value as other settings take it: without a line break at its end and white space around it;
    /// none if nothing is left.
    pub(super) fn value(
        &self,
        key: &str,
        text: &Spanned<String>,
    ) -> Result<Option<String>, BadSetting> {
        let refuse = |why| self.refuse(text.span().start, format_args!("{key}: {why}"));
        let cleaned = clean(text.get_ref()).map_err(refuse)?;
        Ok(cleaned.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    /// Refuses what begins at this byte of the text.
    pub(super) fn refuse(&self, at: usize, why: impl Display) -> BadSetting {
        let line = self.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        BadSetting(format!("{}: line {line}: {why}", self.name))
    }
}
