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
    pub fn edit(&self, mut typed: Map<String, Value>) -> Edit {
        let is_same = |name: &str, typed: &Value| {
            let shown = self.0.get(name).and_then(Value::as_str);
            shown.zip(typed.as_str()).is_some_and(|(a, b)| in_one_form(a) == in_one_form(b))
        };
        typed.retain(|name, value| !is_same(name, value));
        Edit::of_seen(self.0.clone(), typed)
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
