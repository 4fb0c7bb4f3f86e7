//! JSON merge patch (RFC 7396): how what exists is changed by a part of it.

use serde_json::{Map, Value};

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
}
