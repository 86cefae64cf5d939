//! Empty lists and maps become none.
//!
//! kube-apiserver stores built-in objects as protobuf, which does not tell an empty list from a missing one: what was
//! `[]` in a request is `null` (or left out) in every answer.

use serde_json::{Map, Value};

use super::model::{Omit, Shape, StructType};

/// Turns empty lists and maps of an object into none, wherever its type has them.
pub(super) fn forget_empty(ty: &StructType, object: &mut Map<String, Value>) {
    object.retain(|name, value| {
        let Some(field) = ty.field(name) else {
            return true;
        };
        let empty = match (&field.shape, &*value) {
            (Shape::List(_) | Shape::WrappedList(_), Value::Array(items)) => items.is_empty(),
            (Shape::Map(_), Value::Object(members)) => members.is_empty(),
            _ => false,
        };
        if !empty {
            inside(&field.shape, value);
        } else if field.omit == Omit::Never {
            *value = Value::Null;
        }
        !empty || field.omit == Omit::Never
    });
}

fn inside(shape: &Shape, value: &mut Value) {
    match (shape, value) {
        (Shape::Struct(ty), Value::Object(object)) => forget_empty(ty, object),
        (Shape::List(item) | Shape::WrappedList(item), Value::Array(items)) => {
            for value in items {
                inside(item, value);
            }
        }
        (Shape::Map(item), Value::Object(members)) => {
            for value in members.values_mut() {
                inside(item, value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::Schema;
    use serde_json::json;

    #[test]
    fn empty_is_null_where_go_writes_it_and_gone_where_it_does_not() {
        let ty = Schema::builtin().kind("apps", "v1", "Deployment").unwrap();
        let mut object = json!({"metadata": {"labels": {}}, "spec": {
            "selector": {}, "template": {"spec": {"containers": [], "volumes": []}},
        }});
        Schema::builtin().forget_empty(&ty, &mut object);
        let expected = json!({"metadata": {}, "spec": {"selector": {}, "template": {"spec": {"containers": null}}}});
        assert_eq!(object, expected);
    }
}
