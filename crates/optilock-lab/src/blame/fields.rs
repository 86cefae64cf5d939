//! Which fields differ between two versions, and who owns them.

use serde_json::{Map, Value};

/// The way to a field. A list is its last step: who owns which of its items is told by keys, not by places.
pub(super) type Path = Vec<String>;

/// The fields that differ, but for those that every write changes.
pub(super) fn changed(old: &Value, new: &Value) -> Vec<Path> {
    let mut paths = Vec::new();
    differ(&mut Vec::new(), old, new, &mut paths);
    paths.retain(|path| !is_bookkeeping(path));
    paths
}

fn is_bookkeeping(path: &[String]) -> bool {
    let told = ["resourceVersion", "managedFields", "generation"];
    matches!(path, [metadata, field, ..] if metadata == "metadata" && told.contains(&field.as_str()))
}

fn differ(at: &mut Path, old: &Value, new: &Value, found: &mut Vec<Path>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let keys = old
                .keys()
                .chain(new.keys().filter(|key| !old.contains_key(*key)));
            for key in keys {
                at.push(key.clone());
                let side =
                    |object: &Map<String, Value>| object.get(key).cloned().unwrap_or(Value::Null);
                differ(at, &side(old), &side(new), found);
                at.pop();
            }
        }
        // An object that comes or goes is told by its fields, as managedFields do.
        (Value::Object(fields), Value::Null) | (Value::Null, Value::Object(fields))
            if !fields.is_empty() =>
        {
            for (key, value) in fields {
                at.push(key.clone());
                differ(at, value, &Value::Null, found);
                at.pop();
            }
        }
        _ if old != new => found.push(at.clone()),
        _ => {}
    }
}

/// Whether an entry's `fieldsV1` has a field, or something in it.
pub(super) fn owns(fields: &Value, path: &[String]) -> bool {
    let mut at = fields;
    for step in path {
        match at.get(format!("f:{step}")) {
            Some(inner) => at = inner,
            None => return false,
        }
    }
    true
}

/// A path as people write it: `metadata.labels[biz-version]`, `spec.replicas`.
pub(super) fn written(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        let plain = step.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match (plain, text.is_empty()) {
            (true, true) => text.push_str(step),
            (true, false) => text.extend([".", step]),
            (false, _) => text.extend(["[", step, "]"]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(old: &Value, new: &Value) -> Vec<String> {
        changed(old, new).iter().map(|path| written(path)).collect()
    }

    #[test]
    fn tells_the_leaves_that_differ() {
        let old = json!({"metadata": {"labels": {"a": "1"}, "resourceVersion": "1"}, "spec": {"replicas": 1, "list": [1]}});
        let new = json!({"metadata": {"labels": {"a": "2", "biz-version": "1"}, "resourceVersion": "2"}, "spec": {"replicas": 1, "list": [2]}, "status": {"ready": {"n": 1}}});
        assert_eq!(
            told(&old, &new),
            [
                "metadata.labels.a",
                "metadata.labels[biz-version]",
                "spec.list",
                "status.ready.n"
            ]
        );
        assert_eq!(told(&old, &old), Vec::<String>::new());
        assert_eq!(told(&new, &old).len(), 4);
    }

    #[test]
    fn owners_of_a_field_own_what_is_around_it() {
        let fields = json!({"f:spec": {"f:replicas": {}, "f:list": {"k:{\"name\":\"a\"}": {}}}});
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Path>();
        assert!(owns(&fields, &path("spec.replicas")));
        assert!(owns(&fields, &path("spec.list")));
        assert!(!owns(&fields, &path("spec.paused")));
        assert!(!owns(&fields, &path("status")));
    }
}
