//! What a schema declares to expressions: types, and how large values can get.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::types::Type;

/// No request is larger, and so nothing in one.
pub(super) const MAX_REQUEST: u64 = 3 * 1024 * 1024;
/// As long as instants and durations get.
const MAX_TIME: u64 = 32;
const DATE: u64 = 12;

/// A value as a schema declares it.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) ty: Type,
    /// Most items, members, bytes or characters.
    pub(super) most: u64,
    /// Length of the shortest JSON.
    pub(super) shortest: u64,
    /// Members of an object, by the names that expressions have for them.
    pub(super) fields: BTreeMap<String, Arc<Declared>>,
    /// Items of a list, values of a map.
    pub(super) element: Option<Arc<Declared>>,
}

impl Declared {
    /// What a schema declares. `None` for what expressions can't see, as a value without a type. `is_root` is an object
    /// with a kind and metadata; `name` is for the types of objects.
    pub(super) fn of(schema: &Value, is_root: bool, name: &str) -> Option<Arc<Self>> {
        Self::build(schema, is_root, name).map(Arc::new)
    }

    fn build(schema: &Value, is_root: bool, name: &str) -> Option<Self> {
        let number = |member: &str| schema[member].as_i64().map(|n| n.max(0).unsigned_abs());
        let text_limit = number("maxLength").map(|most| most.saturating_mul(4));
        if schema["x-kubernetes-int-or-string"] == true {
            return Some(Self::plain(
                Type::Dyn,
                text_limit.unwrap_or(MAX_REQUEST - 2),
                1,
            ));
        }
        match schema["type"].as_str()? {
            "array" => {
                let items = schema.get("items").filter(|items| items.is_object())?;
                let element = Self::of(items, is_embedded(items), &format!("{name}.@idx"))?;
                let most = number("maxItems");
                Some(Self {
                    ty: Type::list(element.ty.clone()),
                    most: most.unwrap_or((MAX_REQUEST - 2) / (element.shortest + 1)),
                    shortest: 2,
                    fields: BTreeMap::new(),
                    element: Some(element),
                })
            }
            "object" => {
                if let Some(values) = schema
                    .get("additionalProperties")
                    .filter(|of| of.is_object())
                {
                    let element = Self::of(values, is_embedded(values), &format!("{name}.@elem"))?;
                    let most = number("maxProperties");
                    return Some(Self {
                        ty: Type::map(Type::String, element.ty.clone()),
                        most: most.unwrap_or((MAX_REQUEST - 2) / (element.shortest + 6)),
                        shortest: 2,
                        fields: BTreeMap::new(),
                        element: Some(element),
                    });
                }
                Some(Self::object(schema, is_root, name))
            }
            "string" => Some(Self::string(schema, text_limit, number("maxLength"))),
            "boolean" => Some(Self::plain(Type::Bool, 0, 4)),
            "number" => Some(Self::plain(Type::Double, 0, 1)),
            "integer" => Some(Self::plain(Type::Int, 0, 1)),
            _ => None,
        }
    }

    fn plain(ty: Type, most: u64, shortest: u64) -> Self {
        Self {
            ty,
            most,
            shortest,
            fields: BTreeMap::new(),
            element: None,
        }
    }

    fn object(schema: &Value, is_root: bool, name: &str) -> Self {
        let mut declared = Self::plain(Type::Object(name.into()), 0, 2);
        let required = schema["required"].as_array().into_iter().flatten();
        let required: Vec<&str> = required.filter_map(Value::as_str).collect();
        for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
            let escaped = escaped(property);
            let inner = format!("{name}.{}", escaped.as_deref().unwrap_or_default());
            let Some(field) = Self::of(schema, is_embedded(schema), &inner) else {
                continue;
            };
            if required.contains(&property.as_str()) && schema.get("default").is_none() {
                declared.shortest += property.len() as u64 + field.shortest + 4;
            }
            if let Some(escaped) = escaped {
                declared.fields.insert(escaped, field);
            }
        }
        if is_root {
            let text = || Arc::new(Self::plain(Type::String, MAX_REQUEST - 2, 2));
            let mut metadata = Self::plain(Type::Object(format!("{name}.metadata").into()), 0, 2);
            for field in ["name", "generateName"] {
                metadata.fields.insert(field.to_owned(), text());
            }
            for field in ["kind", "apiVersion"] {
                declared.fields.insert(field.to_owned(), text());
            }
            declared
                .fields
                .insert("metadata".to_owned(), Arc::new(metadata));
        }
        declared
    }

    fn string(schema: &Value, limit: Option<u64>, bytes: Option<u64>) -> Self {
        match schema["format"].as_str() {
            Some("byte") => Self::plain(Type::Bytes, bytes.unwrap_or(MAX_REQUEST - 2), 2),
            Some("duration") => Self::plain(Type::Duration, MAX_TIME, 3),
            Some("date") => Self::plain(Type::Timestamp, DATE, DATE),
            Some("date-time") => Self::plain(Type::Timestamp, MAX_TIME, 21),
            _ => {
                let allowed = schema["enum"].as_array().filter(|of| !of.is_empty());
                let longest = allowed.map(|allowed| {
                    let texts = allowed.iter().filter_map(Value::as_str);
                    texts.map(|text| text.len() as u64).max().unwrap_or(0)
                });
                let most = limit.or(longest).unwrap_or(MAX_REQUEST - 2);
                Self::plain(Type::String, most, 2)
            }
        }
    }

    /// How often such a value can be in an object.
    pub(super) fn most_in_a_request(&self) -> u64 {
        MAX_REQUEST / (self.shortest + 1)
    }
}

/// Whether a schema is of an object with a kind and metadata.
pub(super) fn is_embedded(schema: &Value) -> bool {
    schema["x-kubernetes-embedded-resource"] == true
}

/// Words that are none of CEL's names.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The name that expressions have for a property; `None` where they can't name it.
pub(super) fn escaped(name: &str) -> Option<String> {
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let (length, text) = match c {
            '_' if rest.starts_with("__") => (2, "__underscores__"),
            '.' => (1, "__dot__"),
            '-' => (1, "__dash__"),
            '/' => (1, "__slash__"),
            c if c.is_ascii_alphanumeric() || c == '_' => (1, &rest[..1]),
            _ => return None,
        };
        out.push_str(text);
        rest = &rest[length..];
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_escaped() {
        for (name, expected) in [
            ("a_b", Some("a_b")),
            ("a__b", Some("a__underscores__b")),
            ("a-b.c/d", Some("a__dash__b__dot__c__slash__d")),
            ("namespace", Some("__namespace__")),
            ("1a", None),
            ("a b", None),
            ("ä", None),
        ] {
            assert_eq!(escaped(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn sizes_follow_from_limits_and_from_what_fits_into_a_request() {
        let schema = json!({
            "type": "object", "required": ["a"],
            "properties": {
                "a": {"type": "array", "items": {"type": "string", "maxLength": 10}},
                "b": {"type": "object", "maxProperties": 3, "additionalProperties": {"type": "integer"}},
                "c": {"x-kubernetes-preserve-unknown-fields": true},
            },
        });
        let declared = Declared::of(&schema, true, "self").expect("an object");
        assert_eq!(declared.shortest, 2 + 1 + 2 + 4);
        let a = &declared.fields["a"];
        assert_eq!(a.most, (MAX_REQUEST - 2) / 3);
        assert_eq!(a.element.as_ref().map(|of| of.most), Some(40));
        assert_eq!(declared.fields["b"].most, 3);
        assert!(!declared.fields.contains_key("c"));
        assert_eq!(declared.fields["metadata"].fields.len(), 2);
    }
}
