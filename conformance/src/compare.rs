//! Where two answers to the same request differ.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::recording::Played;

/// Longer values are cut where a difference is shown.
const SHOWN: usize = 2000;

/// Members that are left out of a comparison, wherever they are.
#[derive(Debug, Clone, Copy)]
pub struct Ignored(&'static [&'static str]);

impl Ignored {
    /// Everything is compared.
    pub const NOTHING: Self = Self(&[]);
    /// For a server that does not keep managedFields.
    pub const MANAGED_FIELDS: Self = Self(&["managedFields"]);
}

/// One difference between the reference's answer and another.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// The file of the corpus.
    pub topic: String,
    /// The sequence.
    pub case: String,
    /// The place in the sequence, counted from 1.
    pub step: usize,
    /// What was asked.
    pub request: String,
    /// Where in the answer: `status`, `headers.warning`, `body.spec.replicas`, …
    pub path: String,
    /// What the reference has there.
    pub reference: Option<Value>,
    /// What the other one has there.
    pub answer: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            case,
            step,
            request,
            path,
            ..
        } = self;
        write!(
            f,
            "{topic}/{case}, step {step}, {request}\n  {path}\n    reference: {}\n    answer:    {}",
            shown(self.reference.as_ref()),
            shown(self.answer.as_ref())
        )
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// The differences of one step.
pub(crate) fn differences(
    topic: &str,
    reference: &Played,
    other: &Played,
    ignored: Ignored,
) -> Vec<Difference> {
    let mut found = Vec::new();
    // With another status everything else differs too.
    if reference.part("status") == other.part("status") {
        let mut path = String::new();
        compare(
            &reference.answer,
            &other.answer,
            ignored,
            &mut path,
            &mut found,
        );
    } else {
        found.push((
            "status".to_owned(),
            Some(reference.answer.clone()),
            Some(other.answer.clone()),
        ));
    }
    let difference = |(path, reference_value, answer)| Difference {
        topic: topic.to_owned(),
        case: reference.case.clone(),
        step: reference.step,
        request: reference.request.clone(),
        path,
        reference: reference_value,
        answer,
    };
    found.into_iter().map(difference).collect()
}

impl Played {
    fn part(&self, name: &str) -> Value {
        self.answer.get(name).cloned().unwrap_or_default()
    }
}

type Found = (String, Option<Value>, Option<Value>);

fn compare(
    reference: &Value,
    other: &Value,
    ignored: Ignored,
    path: &mut String,
    found: &mut Vec<Found>,
) {
    let length = path.len();
    match (reference, other) {
        (Value::Object(here), Value::Object(there)) => {
            let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
            for name in names {
                if ignored.0.contains(&name.as_str()) {
                    continue;
                }
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                match (here.get(name), there.get(name)) {
                    (Some(reference), Some(other)) => {
                        compare(reference, other, ignored, path, found);
                    }
                    (reference, other) => {
                        found.push((path.clone(), reference.cloned(), other.cloned()));
                    }
                }
                path.truncate(length);
            }
        }
        (Value::Array(here), Value::Array(there)) if here.len() == there.len() => {
            for (place, (reference, other)) in here.iter().zip(there).enumerate() {
                path.push_str(&format!("[{place}]"));
                compare(reference, other, ignored, path, found);
                path.truncate(length);
            }
        }
        (reference, other) if reference == other => {}
        (reference, other) => {
            found.push((path.clone(), Some(reference.clone()), Some(other.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn played(answer: Value) -> Played {
        Played {
            case: "c".into(),
            step: 1,
            request: "GET /".into(),
            answer,
        }
    }

    fn paths(reference: Value, other: Value, ignored: Ignored) -> Vec<String> {
        let found = differences("t", &played(reference), &played(other), ignored);
        found
            .into_iter()
            .map(|difference| difference.path)
            .collect()
    }

    #[test]
    fn differences_have_paths() {
        let here = json!({"status": 200, "body": {"a": [{"b": 1}], "c": 1, "managedFields": []}});
        let there = json!({"status": 200, "body": {"a": [{"b": 2}], "d": 1}});
        let expected = ["body.a[0].b", "body.c", "body.d"];
        assert_eq!(
            paths(here.clone(), there.clone(), Ignored::MANAGED_FIELDS),
            expected
        );
        assert_eq!(paths(here, there, Ignored::NOTHING).len(), 4);
    }

    #[test]
    fn another_status_is_the_only_difference() {
        let here = json!({"status": 200, "body": 1});
        let there = json!({"status": 404, "body": 2});
        assert_eq!(paths(here, there, Ignored::NOTHING), ["status"]);
    }
}
