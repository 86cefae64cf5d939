//! `$(NAME)` in the corpus: a variable of the file or the sequence, an earlier answer, or a part of one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Variables may name variables, so deep.
const DEPTH: usize = 8;

/// What names stand for. Earlier answers go before the corpus's own variables.
#[derive(Debug, Default)]
pub(crate) struct Scope<'a> {
    /// Answers by the name that the corpus gave them.
    pub(crate) answers: BTreeMap<&'a str, Value>,
    /// Variables of the corpus, the nearest first.
    pub(crate) variables: Vec<&'a Map<String, Value>>,
}

/// A name that stands for nothing, because an answer is not what it was when the corpus was written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("no $({0})")]
pub(crate) struct Missing(pub(crate) String);

impl Scope<'_> {
    /// What a path of names, joined by dots, stands for.
    pub(crate) fn value(&self, path: &str) -> Result<Value, Missing> {
        self.resolve(path, DEPTH)
    }

    /// The document with its placeholders filled in, those in the names of members included.
    pub(crate) fn fill(&self, document: &Value) -> Result<Value, Missing> {
        self.fill_within(document, DEPTH)
    }

    /// The same for a text.
    pub(crate) fn text(&self, text: &str) -> Result<String, Missing> {
        self.text_within(text, DEPTH)
    }

    fn resolve(&self, path: &str, depth: usize) -> Result<Value, Missing> {
        let missing = || Missing(path.to_owned());
        if let Some(repeated) = repeat(path) {
            return Ok(Value::String(repeated));
        }
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        if let Some(answer) = self.answers.get(name) {
            return part(answer, rest).cloned().ok_or_else(missing);
        }
        let depth = depth.checked_sub(1).ok_or_else(missing)?;
        let variable = self.variables.iter().find_map(|scope| scope.get(name));
        let variable = variable.ok_or_else(missing)?;
        // Nothing but the part is filled, unless the part is one of what a placeholder stands for.
        if let Some(found) = part(variable, rest) {
            return self.fill_within(found, depth);
        }
        let filled = self.fill_within(variable, depth)?;
        part(&filled, rest).cloned().ok_or_else(missing)
    }

    fn fill_within(&self, document: &Value, depth: usize) -> Result<Value, Missing> {
        Ok(match document {
            Value::String(text) => match whole(text) {
                Some(path) => self.resolve(path, depth)?,
                None => Value::String(self.text_within(text, depth)?),
            },
            Value::Array(items) => {
                let items = items.iter().map(|item| self.fill_within(item, depth));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    Ok((
                        self.text_within(name, depth)?,
                        self.fill_within(value, depth)?,
                    ))
                };
                Value::Object(members.iter().map(member).collect::<Result<_, _>>()?)
            }
            plain => plain.clone(),
        })
    }

    fn text_within(&self, text: &str, depth: usize) -> Result<String, Missing> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("$(")
            && let Some((path, after)) = after.split_once(')')
        {
            filled.push_str(before);
            match self.resolve(path, depth)? {
                Value::String(text) => filled.push_str(&text),
                other => filled.push_str(&other.to_string()),
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// The path of a text that is one placeholder and nothing else.
fn whole(text: &str) -> Option<&str> {
    let path = text.strip_prefix("$(")?.strip_suffix(')')?;
    (!path.contains("$(")).then_some(path)
}

/// `repeat TEXT TIMES`.
fn repeat(path: &str) -> Option<String> {
    let (text, times) = path.strip_prefix("repeat ")?.rsplit_once(' ')?;
    Some(text.repeat(times.parse().ok()?))
}

/// The part of a document at a path of member names and places in lists.
fn part<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    let mut names = path.split('.').filter(|name| !name.is_empty());
    names.try_fold(document, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

/// A JSON merge patch (RFC 7386) applied to a document.
pub(crate) fn merge(document: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        document.clone_from(patch);
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(members) = document else {
        return;
    };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_filled_everywhere() {
        let variables = json!({"folder": "/x/$(ns)", "ns": "a", "list": [1, {"b": true}]});
        let variables = variables.as_object().unwrap();
        let scope = Scope {
            answers: [("made", json!({"metadata": {"uid": "u"}}))].into(),
            variables: vec![variables],
        };
        assert_eq!(
            scope.text("$(folder)/$(made.metadata.uid)!").unwrap(),
            "/x/a/u!"
        );
        let document = json!({"$(ns)": ["$(list.1)", "$(list.0)-", 5, "$(repeat ab 2)"]});
        let filled = json!({"a": [{"b": true}, "1-", 5, "abab"]});
        assert_eq!(scope.fill(&document).unwrap(), filled);
        assert_eq!(scope.text("$(made.spec)"), Err(Missing("made.spec".into())));
        assert_eq!(scope.text("100 $(").unwrap(), "100 $(");
    }

    #[test]
    fn a_variable_of_itself_is_missing() {
        let variables = json!({"a": "$(a)"});
        let scope = Scope {
            variables: vec![variables.as_object().unwrap()],
            ..Scope::default()
        };
        assert_eq!(scope.value("a"), Err(Missing("a".into())));
    }

    #[test]
    fn a_merge_removes_by_null_and_replaces_lists() {
        let mut document = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1});
        merge(
            &mut document,
            &json!({"a": {"b": null, "c": [3]}, "d": {"e": 1}}),
        );
        assert_eq!(document, json!({"a": {"c": [3]}, "d": {"e": 1}}));
    }
}
