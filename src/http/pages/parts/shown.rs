//! What a form showed when somebody began to fill it in. It is sent along, so that saving changes what
//! they changed, and not what others have changed meanwhile.

use std::fmt;

use serde_json::{Map, Value};

use crate::http::extract::{Form, SHOWN};

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

    /// Whether a field was shown like this; the order of a list does not matter.
    fn says(&self, name: &str, value: &Value) -> bool {
        match (self.0.get(name), value) {
            (Some(Value::Array(shown)), Value::Array(typed)) => {
                shown.len() == typed.len() && shown.iter().all(|item| typed.contains(item))
            }
            (shown, typed) => shown == Some(typed),
        }
    }

    /// The fields that were changed in the form. Of a list, what was added and removed is applied to
    /// what the record has now.
    pub fn changes(
        &self,
        typed: Map<String, Value>,
        now: &Map<String, Value>,
    ) -> Map<String, Value> {
        let changed = typed.into_iter().filter(|(name, value)| !self.says(name, value));
        let merged = |(name, value): (String, Value)| {
            let merged = merge(self.0.get(&name), &value, now.get(&name)).unwrap_or(value);
            (name, merged)
        };
        changed.map(merged).collect()
    }
}

/// The hidden field's value.
impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.0).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

fn merge(shown: Option<&Value>, typed: &Value, now: Option<&Value>) -> Option<Value> {
    let (shown, typed, now) = (shown?.as_array()?, typed.as_array()?, now?.as_array()?);
    let kept = now.iter().filter(|item| typed.contains(item) || !shown.contains(item));
    let added = typed.iter().filter(|item| !shown.contains(item) && !now.contains(item));
    Some(kept.chain(added).cloned().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn only_what_was_changed_is_changed() {
        let shown =
            Shown::of(fields(json!({"name": "a", "owner": null, "scopes": ["a", "b", "c"]})));
        for (typed, now, changes) in [
            (json!({"name": "a", "owner": null}), json!({"name": "x"}), json!({})),
            (json!({"name": "a", "owner": "o"}), json!({"name": "x"}), json!({"owner": "o"})),
            (json!({"scopes": ["c", "b", "a"]}), json!({"scopes": ["a"]}), json!({})),
            (
                json!({"scopes": ["a", "b"]}),
                json!({"scopes": ["a", "c"]}),
                json!({"scopes": ["a"]}),
            ),
            (
                json!({"scopes": ["a", "b", "c", "d"]}),
                json!({"scopes": ["c", "e"]}),
                json!({"scopes": ["c", "e", "d"]}),
            ),
            (json!({"scopes": ["a", "d"]}), json!({"scopes": ["d"]}), json!({"scopes": ["d"]})),
        ] {
            assert_eq!(Value::Object(shown.changes(fields(typed), &fields(now))), changes);
        }
        let unknown = Shown::default();
        assert_eq!(
            unknown.changes(fields(json!({"scopes": ["a"]})), &fields(json!({"scopes": ["b"]}))),
            fields(json!({"scopes": ["a"]}))
        );
    }
}
