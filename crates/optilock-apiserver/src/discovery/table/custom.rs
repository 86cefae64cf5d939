//! The cells of custom resources: what the paths of the definition find.

use serde_json::Value;

use super::row::Row;
use crate::schema::Column;

/// The cells of a row, in the order of the columns. What is not there, or not of the column's type, is null.
pub(super) fn cells(columns: &[Column], row: Row<'_>) -> Vec<Value> {
    columns.iter().map(|column| cell(column, row)).collect()
}

fn cell(column: &Column, row: Row<'_>) -> Value {
    let found = find(&column.path, row.object);
    let Some(first) = found.first() else {
        return Value::Null;
    };
    match &*column.kind {
        "integer" => match first {
            Value::Number(number) => number
                .as_i64()
                .or_else(|| number.as_f64().map(|float| float as i64))
                .map_or(Value::Null, Value::from),
            _ => Value::Null,
        },
        "number" if first.is_number() => (*first).clone(),
        "boolean" if first.is_boolean() => (*first).clone(),
        "date" if first.is_string() => row.since(first).into(),
        "string" => {
            let texts: Vec<String> = found.iter().map(|value| printed(value)).collect();
            texts.join(" ").into()
        }
        _ => Value::Null,
    }
}

/// A value as text: objects and lists are JSON.
fn printed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    /// From the end when negative.
    Index(i64),
    /// All items, or all members.
    All,
    /// The items whose member is this text: `[?(@.type=="Ready")]`.
    Where(String, String),
}

/// What a JSONPath of a definition finds.
///
/// Understood are `.name`, `\\.` for a dot in a name, `['name']`, `[0]`, `[*]` and `[?(@.name=="text")]`.
fn find<'a>(path: &str, object: &'a Value) -> Vec<&'a Value> {
    let Some(steps) = parse(path) else {
        return Vec::new();
    };
    let mut found = vec![object];
    for step in &steps {
        found = found
            .into_iter()
            .flat_map(|value| take(step, value))
            .collect();
    }
    found.retain(|value| !value.is_null());
    found
}

fn take<'a>(step: &Step, value: &'a Value) -> Vec<&'a Value> {
    match (step, value) {
        (Step::Member(name), value) => value.get(name).into_iter().collect(),
        (Step::Index(at), Value::Array(items)) => {
            let at = usize::try_from(*at).ok().or_else(|| {
                let back = usize::try_from(at.unsigned_abs()).ok()?;
                items.len().checked_sub(back)
            });
            at.and_then(|at| items.get(at)).into_iter().collect()
        }
        (Step::All, Value::Array(items)) => items.iter().collect(),
        (Step::All, Value::Object(members)) => members.values().collect(),
        (Step::Where(member, text), Value::Array(items)) => items
            .iter()
            .filter(|item| {
                let path = member.split('.');
                path.fold(*item, |value, name| &value[name]) == text.as_str()
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn parse(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (inside, after) = bracket(inside)?;
            steps.push(bracketed(inside)?);
            rest = after;
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let mut name = String::new();
        let mut chars = rest.char_indices();
        let mut end = rest.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => name.extend(chars.next().map(|(_, c)| c)),
                '.' | '[' => {
                    end = at;
                    break;
                }
                c => name.push(c),
            }
        }
        rest = &rest[end..];
        if name == "*" {
            steps.push(Step::All);
        } else if !name.is_empty() {
            steps.push(Step::Member(name));
        } else if !rest.starts_with('[') {
            return None;
        }
    }
    Some(steps)
}

/// Splits behind the bracket that ends what has begun; brackets in quotes do not.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (c, quote) {
            (']', None) => return Some((&text[..at], &text[at + 1..])),
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

fn bracketed(inside: &str) -> Option<Step> {
    if inside == "*" {
        return Some(Step::All);
    }
    if let Some(condition) = inside.strip_prefix("?(").and_then(|c| c.strip_suffix(')')) {
        let (member, text) = condition.split_once("==")?;
        let member = member.trim().strip_prefix("@.")?;
        return Some(Step::Where(
            member.to_owned(),
            unquoted(text.trim())?.to_owned(),
        ));
    }
    if let Some(name) = unquoted(inside) {
        return Some(Step::Member(name.to_owned()));
    }
    inside.parse().ok().map(Step::Index)
}

fn unquoted(text: &str) -> Option<&str> {
    ['\'', '"']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find_what_they_name() {
        let object = json!({
            "spec": {"a.b": 1, "list": [{"n": "x"}, {"n": "y"}]},
            "status": {"conditions": [
                {"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"},
            ]},
        });
        for (path, expected) in [
            (".spec.list[0].n", vec![json!("x")]),
            (".spec.list[-1].n", vec![json!("y")]),
            (".spec.list[*].n", vec![json!("x"), json!("y")]),
            (".spec.a\\.b", vec![json!(1)]),
            (".spec['a.b']", vec![json!(1)]),
            (
                ".status.conditions[?(@.type==\"Ready\")].status",
                vec![json!("True")],
            ),
            (".spec.list[7].n", vec![]),
            (".nope.x", vec![]),
            (".spec.list[", vec![]),
        ] {
            let found: Vec<Value> = find(path, &object).into_iter().cloned().collect();
            assert_eq!(found, expected, "{path}");
        }
    }
}
