//! The annotation in which `kubectl apply` without `--server-side` keeps what it has applied.
//!
//! An apply by kubectl's own manager keeps it in step, so that kubectl can go back to the other mode.

use serde_json::Value;

use super::object::metadata_mut;
use crate::validation::ANNOTATIONS_MAX;
use crate::validation::gofmt;

/// The manager that kubectl applies as, unless it is told another.
pub(super) const MANAGER: &str = "kubectl";

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Puts `configuration` into the annotation of an object that has it. It goes where it would be too large.
pub(super) fn bring_up_to_date(object: &mut Value, configuration: &Value) {
    let annotations = metadata_mut(object).get_mut("annotations");
    let Some(annotations) = annotations.and_then(Value::as_object_mut) else {
        return;
    };
    if !annotations.contains_key(ANNOTATION) {
        return;
    }
    let mut configuration = configuration.clone();
    // Not what it was before, too.
    if let Some(Value::Object(sent)) = configuration.pointer_mut("/metadata/annotations") {
        sent.remove(ANNOTATION);
    }
    let text = gofmt::json(&configuration) + "\n";
    let size = |(key, value): (&String, &Value)| key.len() + value.as_str().map_or(0, str::len);
    let others = annotations.iter().filter(|(key, _)| *key != ANNOTATION);
    let total = others.map(size).sum::<usize>() + ANNOTATION.len() + text.len();
    if total > ANNOTATIONS_MAX {
        annotations.remove(ANNOTATION);
    } else {
        annotations.insert(ANNOTATION.to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(annotations: &Value, configuration: &Value) -> Value {
        let mut object = json!({"metadata": {"annotations": annotations}});
        bring_up_to_date(&mut object, configuration);
        object["metadata"]["annotations"].take()
    }

    #[test]
    fn what_is_there_follows_what_is_applied() {
        let configuration = json!({
            "kind": "ConfigMap",
            "metadata": {"name": "s", "annotations": {"x": "<&>", ANNOTATION: "mine"}},
            "data": {"a": "2"},
        });
        let text = "{\"data\":{\"a\":\"2\"},\"kind\":\"ConfigMap\",\"metadata\":{\"annotations\":\
                    {\"x\":\"\\u003c\\u0026\\u003e\"},\"name\":\"s\"}}\n";
        assert_eq!(
            after(&json!({ANNOTATION: "old", "y": "z"}), &configuration),
            json!({ANNOTATION: text, "y": "z"})
        );
        assert_eq!(after(&json!({"y": "z"}), &configuration), json!({"y": "z"}));
        assert_eq!(after(&Value::Null, &configuration), Value::Null);
    }

    #[test]
    fn what_is_too_large_goes() {
        let configuration = json!({"data": {"a": "x".repeat(ANNOTATIONS_MAX)}});
        let left = after(&json!({ANNOTATION: "old", "y": "z"}), &configuration);
        assert_eq!(left, json!({"y": "z"}));
    }
}
