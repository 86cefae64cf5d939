//! A merge patch from one value to another.

use serde_json::{Map, Value};

/// What a merge patch (RFC 7386) has to say to make `after` out of `before`: what is gone is null, and
/// what isn't an object is told whole.
pub(crate) fn merge_patch(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return after.clone();
    };
    let mut patch = Map::new();
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in after {
        match before.get(key) {
            Some(old) if old == value => {}
            Some(old) => {
                patch.insert(key.clone(), merge_patch(old, value));
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_says_what_is_new_and_what_is_gone() {
        let before = json!({"labels": {"a": "1", "b": "2"}, "finalizers": ["x"], "name": "n"});
        let after = json!({"labels": {"a": "1", "c": "3"}, "annotations": {"d": "4"}, "name": "n"});
        assert_eq!(
            merge_patch(&before, &after),
            json!({
                "labels": {"b": null, "c": "3"},
                "finalizers": null,
                "annotations": {"d": "4"},
            })
        );
        assert_eq!(merge_patch(&after, &after), json!({}));
    }
}
