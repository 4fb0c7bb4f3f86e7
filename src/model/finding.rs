//! What `bitting check` finds: one sentence for each thing that was looked at.

use serde::Serialize;

use super::words::words;

words! {
    /// How a thing was found.
    Verdict {
        /// As it should be.
        Ok = "ok",
        /// It works, and will not for ever or not safely.
        Warning = "warning",
        /// It does not work, or a promise is broken.
        Wrong = "wrong",
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it was found.
    pub verdict: Verdict,
    /// What was found.
    pub message: String,
    /// What to do about it; nothing where all is well.
    pub remedy: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, message: message.into(), remedy: None }
    }

    /// Worth a person's time.
    pub fn warning(
        check: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (message, remedy) = (message.into(), Some(remedy.into()));
        Self { check, verdict: Verdict::Warning, message, remedy }
    }

    /// To be mended.
    pub fn wrong(
        check: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (message, remedy) = (message.into(), Some(remedy.into()));
        Self { check, verdict: Verdict::Wrong, message, remedy }
    }
}
