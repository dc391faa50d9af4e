//! JSON merge patch (RFC 7396).

use std::collections::HashSet;

use serde_json::{Map, Value, map::Entry};

/// Applies `patch` to `target`. `None` is an absent member.
pub(crate) fn merge(target: Option<Value>, patch: Value) -> Option<Value> {
    match patch {
        Value::Null => None,
        Value::Object(patch) => {
            let mut members = match target {
                Some(Value::Object(members)) => members,
                _ => Map::new(),
            };
            merge_members(&mut members, patch);
            Some(Value::Object(members))
        }
        other => Some(other),
    }
}

/// Merges in place; members keep their order. The remaining members are moved only once,
/// however many the patch removes, since the writer's thread waits meanwhile.
pub(crate) fn merge_members(members: &mut Map<String, Value>, patch: Map<String, Value>) {
    let mut gone = HashSet::new();
    for (name, patch) in patch {
        match members.entry(name) {
            Entry::Vacant(vacant) => {
                if let Some(value) = merge(None, patch) {
                    vacant.insert(value);
                }
            }
            Entry::Occupied(mut occupied) => match merge(Some(occupied.get_mut().take()), patch) {
                Some(value) => drop(occupied.insert(value)),
                None => drop(gone.insert(occupied.key().clone())),
            },
        }
    }
    if !gone.is_empty() {
        members.retain(|name, _| !gone.contains(name));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_rfc_7396_hold() {
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!([1, 2]),
                json!({"a": "b", "c": null}),
                json!({"a": "b"}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            assert_eq!(merge(Some(target), patch), Some(expected));
        }
        assert_eq!(merge(Some(json!({"a": "foo"})), json!(null)), None);
    }

    #[test]
    fn members_keep_their_places() {
        let target = json!({"a": null, "b": {"x": 1, "y": 2, "z": 3}, "c": 3, "d": 4});
        let patch = json!({"e": 5, "d": {"n": null}, "c": null, "b": {"y": 4, "x": null, "w": 0}});
        let merged = merge(Some(target), patch).unwrap();
        let expected = r#"{"a":null,"b":{"y":4,"z":3,"w":0},"d":{},"e":5}"#;
        assert_eq!(merged.to_string(), expected);
    }

    /// Moving the remaining members once for each removed member would take minutes.
    #[test]
    fn a_patch_that_takes_much_out_of_a_large_object_costs_what_they_are_long() {
        let object = |value: Value| -> Value {
            let names = 0..300_000;
            let members = names.map(|name| (name.to_string(), value.clone()));
            Value::Object(members.collect())
        };
        assert_eq!(
            merge(Some(object(json!(1))), object(json!(null))),
            Some(json!({}))
        );
    }
}
