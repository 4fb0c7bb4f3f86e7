//! JSON merge patch (RFC 7396): how what exists is changed by a part of it, also where its author saw it
//! as it was some time ago.

use serde_json::{Map, Value};

/// What is to be changed of a record: a merge patch, and what its author saw of the record. Whoever
/// changes the record makes the patch where they hold it, since others may have changed it meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    changed: Map<String, Value>,
    seen: Map<String, Value>,
}

impl From<Map<String, Value>> for Edit {
    /// A patch by somebody who saw nothing, so that everything in it counts as changed.
    fn from(patch: Map<String, Value>) -> Self {
        Self { changed: patch, seen: Map::new() }
    }
}

impl Edit {
    /// What somebody wants changed who saw these fields and made those of them.
    pub fn of_seen(seen: Map<String, Value>, made: Map<String, Value>) -> Self {
        let is_changed = |name: &str, value: &Value| match (seen.get(name), value) {
            (Some(Value::Array(seen)), Value::Array(made)) => {
                // The order of a list does not matter.
                seen.len() != made.len() || seen.iter().any(|item| !made.contains(item))
            }
            (seen, made) => seen != Some(made),
        };
        let changed = made.into_iter().filter(|(name, value)| is_changed(name, value)).collect();
        Self { changed, seen }
    }

    /// Whether a field is to be changed.
    pub fn changes(&self, field: &str) -> bool {
        self.changed.contains_key(field)
    }

    /// The merge patch for a record that has these fields now. Of a list, what was added and removed is
    /// applied to what is there.
    pub fn patch(self, now: &Map<String, Value>) -> Map<String, Value> {
        let Self { changed, seen } = self;
        let merged = |(name, value): (String, Value)| {
            let merged = merge_lists(seen.get(&name), &value, now.get(&name)).unwrap_or(value);
            (name, merged)
        };
        changed.into_iter().map(merged).collect()
    }
}

fn merge_lists(seen: Option<&Value>, made: &Value, now: Option<&Value>) -> Option<Value> {
    let (seen, made, now) = (seen?.as_array()?, made.as_array()?, now?.as_array()?);
    let kept = now.iter().filter(|item| made.contains(item) || !seen.contains(item));
    let added = made.iter().filter(|item| !seen.contains(item) && !now.contains(item));
    Some(kept.chain(added).cloned().collect())
}

/// Applies an edit to the fields of a record.
pub fn edit_fields(fields: &mut Map<String, Value>, edit: Edit) {
    let patch = edit.patch(fields);
    patch_fields(fields, patch);
}

/// Merges a patch into an object's fields. A null stays, as a field that is not given: so a field
/// that does not exist is still there to be refused.
pub fn patch_fields(fields: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        if value.is_null() {
            fields.insert(name, Value::Null);
        } else {
            merge_patch(fields, Map::from_iter([(name, value)]));
        }
    }
}

/// Merges a patch into a document (RFC 7396 §2): null removes, objects merge, all else replaces.
fn merge_patch(document: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                document.remove(&name);
            }
            Value::Object(inner) => {
                let slot = document.entry(name).or_insert(Value::Null);
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(target) = slot {
                    merge_patch(target, inner);
                }
            }
            other => {
                document.insert(name, other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merging_follows_the_examples_of_rfc_7396() {
        // The rows of appendix A whose documents are objects.
        for (original, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut document = original.as_object().unwrap().clone();
            merge_patch(&mut document, patch.as_object().unwrap().clone());
            assert_eq!(Value::Object(document), result, "{original} + {patch}");
        }
    }

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn only_what_was_changed_is_changed() {
        let seen = fields(json!({"name": "a", "owner": null, "scopes": ["a", "b", "c"]}));
        for (made, now, patch) in [
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
            let edit = Edit::of_seen(seen.clone(), fields(made));
            assert_eq!(Value::Object(edit.patch(&fields(now))), patch);
        }
        let blind = Edit::from(fields(json!({"scopes": ["a"]})));
        assert_eq!(
            blind.patch(&fields(json!({"scopes": ["b"]}))),
            fields(json!({"scopes": ["a"]}))
        );
    }
}
