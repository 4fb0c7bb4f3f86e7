//! One setting as text: the places where it may stand, and what is taken off or refused before
//! anybody parses it.

use std::fmt::Display;

pub(super) const DEFAULT_FILE: &str = "bitting.toml";

/// A setting that cannot be used; one line that names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSetting(pub(super) String);

/// A setting that is looked for on the command line, in the environment and in the file.
pub(super) struct Setting {
    /// The name of its flag, without the dashes.
    name: &'static str,
    flag: Option<String>,
    file: Option<String>,
}

impl Setting {
    pub(super) fn new(name: &'static str, flag: Option<String>, file: Option<String>) -> Self {
        Self { name, flag, file }
    }

    /// The first text that is given; an empty one is not.
    pub(super) fn text(&self) -> Result<Option<String>, BadSetting> {
        let given = |text: Option<&String>| text.map_or(Ok(None), |text| clean(text));
        let found = match given(self.flag.as_ref()) {
            Ok(None) => match look_up(&self.variable()) {
                Ok(None) => given(self.file.as_ref()),
                found => found,
            },
            found => found,
        };
        let trimmed = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        found.map(|text| text.and_then(trimmed)).map_err(|why| self.refuse(why))
    }

    /// The value, if the setting is given.
    pub(super) fn parse<T, E: Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, BadSetting> {
        let text = self.text()?;
        text.map(|text| parse(&text).map_err(|why| self.refuse(why))).transpose()
    }

    /// The value, or the default's.
    pub(super) fn parse_or<T, E: Display>(
        &self,
        default: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, BadSetting> {
        let text = self.text()?;
        parse(text.as_deref().unwrap_or(default)).map_err(|why| self.refuse(why))
    }

    fn variable(&self) -> String {
        format!("BITTING_{}", self.name.replace('-', "_").to_uppercase())
    }

    /// Names the option in all its spellings; the value is not repeated, since it may be a secret.
    pub(super) fn refuse(&self, why: impl Display) -> BadSetting {
        let (name, variable, key) = (self.name, self.variable(), self.name.replace('-', "_"));
        match name {
            "config" => BadSetting(format!("--config ({variable}): {why}")),
            _ => BadSetting(format!("--{name} ({variable}, {key} in {DEFAULT_FILE}): {why}")),
        }
    }
}

/// A variable that is no option's, or of an option that is none on the command line.
pub(crate) fn variable(name: &str) -> Result<Option<String>, BadSetting> {
    look_up(name).map_err(|why| BadSetting(format!("{name}: {why}")))
}

fn look_up(variable: &str) -> Result<Option<String>, &'static str> {
    let Some(text) = std::env::var_os(variable) else { return Ok(None) };
    clean(text.to_str().ok_or("must be UTF-8 text")?)
}

/// A text without the line break that files and `echo` leave at its end; nothing when no more is
/// there.
pub(super) fn clean(text: &str) -> Result<Option<String>, &'static str> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.contains(char::is_control) {
        return Err("holds a line break or another control character; take it out");
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_is_taken_off_the_end_and_no_other_control_character_passes() {
        for (text, read) in [
            ("value", Ok(Some("value"))),
            ("value\n", Ok(Some("value"))),
            ("value\r\n", Ok(Some("value"))),
            (" two words ", Ok(Some(" two words "))),
            ("", Ok(None)),
            ("\n", Ok(None)),
            ("\r\n", Ok(None)),
            ("value\n\n", Err(())),
            ("value\r", Err(())),
            ("\nvalue", Err(())),
            ("a\tb", Err(())),
            ("a\u{85}b", Err(())),
            ("a\0b", Err(())),
        ] {
            let read = read.map(|text: Option<&str>| text.map(str::to_owned));
            assert_eq!(clean(text).map_err(drop), read, "{text:?}");
        }
    }
}
