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

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked.
    pub check: &'static str,
    /// How it was found.
    pub verdict: Verdict,
    /// What the check found, in a sentence.
    pub message: String,
    /// What to do about it; none if all is well.
    pub remedy: Option<String>,
}

impl Finding {
    /// A finding that all is well.
    pub fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, message: message.into(), remedy: None }
    }

    /// A finding that somebody should look at before it becomes a fault.
    pub fn warning(
        check: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (message, remedy) = (message.into(), Some(remedy.into()));
        Self { check, verdict: Verdict::Warning, message, remedy }
    }

    /// A finding that something does not work.
    pub fn wrong(
        check: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (message, remedy) = (message.into(), Some(remedy.into()));
        Self { check, verdict: Verdict::Wrong, message, remedy }
    }
}
