//! Filling in the defaults of a structural schema.

use serde_json::Value;

use super::Structural;

/// Fills in what is not there. Doing it twice changes nothing more.
pub(crate) fn fill(schema: &Structural, value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, schema) in &schema.properties {
                let Some(default) = &schema.default else {
                    continue;
                };
                let unset = match object.get(&**name) {
                    None => true,
                    Some(Value::Null) => !schema.nullable,
                    Some(_) => false,
                };
                if unset {
                    object.insert(String::from(&**name), default.clone());
                }
            }
            for (name, value) in object {
                let inner = schema
                    .properties
                    .get(name.as_str())
                    .or(schema.additional.as_deref());
                if let Some(inner) = inner {
                    if value.is_null()
                        && !inner.nullable
                        && let Some(default) = &inner.default
                    {
                        *value = default.clone();
                    }
                    fill(inner, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                for item in items {
                    fill(schema, item);
                }
            }
        }
        _ => {}
    }
}
