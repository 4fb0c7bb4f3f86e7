//! What a form showed when somebody began to fill it in. It is sent along, so that saving changes what
//! they changed, and not what others have changed meanwhile.

use std::fmt;

use serde_json::{Map, Value};

use crate::http::extract::{Form, SHOWN};
use crate::model::merge_patch::Edit;

/// The fields of a record as a form showed them first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shown(Map<String, Value>);

impl Shown {
    /// What a form shows that nobody has filled in yet.
    pub fn of(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// What a submitted form has shown. If it does not say, everything in it counts as changed.
    pub fn of_form(form: &Form) -> Self {
        Self(serde_json::from_str(form.text(SHOWN)).unwrap_or_default())
    }

    /// What was changed in the form, which holds these fields by now. Browsers give back every line break
    /// in one form, and spaces at the ends are no change.
    pub fn edit(&self, typed: Map<String, Value>) -> Edit {
        let mut seen = self.0.clone();
        for (name, value) in &mut seen {
            if let (Some(shown), Some(text @ Value::String(typed))) =
                (value.as_str(), typed.get(name))
                && in_one_form(shown) == in_one_form(typed)
            {
                *value = text.clone();
            }
        }
        Edit::of_seen(seen, typed)
    }
}

fn in_one_form(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

/// The hidden field's value.
impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.0).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}
