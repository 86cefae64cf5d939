//! `metav1.LabelSelector`, the form that selectors have inside objects.

use serde_json::Value;

use super::error::SelectorError;
use super::label::{LabelSelector, Operator, Requirement};
use super::parser;
use crate::validation::{Path, field, format, gofmt};

impl LabelSelector {
    /// The selector that a `metav1.LabelSelector` means: `{"matchLabels": …, "matchExpressions":
    /// …}`. A missing one selects nothing, an empty one everything.
    ///
    /// # Errors
    /// When a key or a value is none of a label, or when an expression has an unknown operator,
    /// lacks the values that its operator needs or has values that it must not have.
    pub(crate) fn from_meta(selector: Option<&Value>) -> Result<Self, SelectorError> {
        let selector = match selector {
            None | Some(Value::Null) => return Ok(Self::nothing()),
            Some(selector) => selector,
        };
        let mut requirements = Vec::new();
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            requirements.push(checked(key, Operator::Equals, vec![value])?);
        }
        for expression in selector["matchExpressions"]
            .as_array()
            .into_iter()
            .flatten()
        {
            requirements.push(requirement(expression)?);
        }
        Ok(Self::all(requirements))
    }
}

fn requirement(expression: &Value) -> Result<Requirement, SelectorError> {
    let operator = match expression["operator"].as_str().unwrap_or_default() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => return Err(SelectorError::Operator(other.to_owned())),
    };
    let mut values: Vec<String> = expression["values"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|value| value.as_str().unwrap_or_default().to_owned())
        .collect();
    values.sort();
    values.dedup();
    let wants_values = matches!(operator, Operator::In | Operator::NotIn);
    if wants_values == values.is_empty() {
        let complaint = if wants_values {
            "for 'in', 'notin' operators, values set can't be empty"
        } else {
            "values set must be empty for exists and does not exist"
        };
        return Err(SelectorError::Requirement(format!(
            "values: Invalid value: {}: {complaint}",
            gofmt::json(&values.into())
        )));
    }
    checked(
        expression["key"].as_str().unwrap_or_default(),
        operator,
        values,
    )
}

/// A requirement with a label key and label values.
fn checked(
    key: &str,
    operator: Operator,
    values: Vec<String>,
) -> Result<Requirement, SelectorError> {
    let complaints = format::label_key(key);
    if !complaints.is_empty() {
        let error = field::Error::invalid(&Path::new("key"), key, complaints.join("; "));
        return Err(SelectorError::Requirement(error.to_string()));
    }
    parser::new_requirement(key, operator, values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::LabelSelector;

    #[test]
    fn means_what_the_text_form_means() {
        for (meta, text) in [
            (json!({}), ""),
            (json!({"matchLabels": {"a": "b", "c": ""}}), "a=b,c="),
            (
                json!({
                    "matchLabels": {"a": "b"},
                    "matchExpressions": [
                        {"key": "d", "operator": "In", "values": ["y", "x"]},
                        {"key": "e", "operator": "NotIn", "values": ["z"]},
                        {"key": "f", "operator": "Exists"},
                        {"key": "g", "operator": "DoesNotExist", "values": []},
                    ],
                }),
                "a=b,d in (x,y),e notin (z),f,!g",
            ),
        ] {
            let selector = LabelSelector::from_meta(Some(&meta)).expect("a good selector");
            assert_eq!(selector, LabelSelector::parse(text).expect("a good text"));
        }
        assert_eq!(LabelSelector::from_meta(None), Ok(LabelSelector::nothing()));
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for (expression, text) in [
            (
                json!({"key": "a", "operator": "Gt", "values": ["1"]}),
                r#""Gt" is not a valid label selector operator"#,
            ),
            (
                json!({"key": "a", "operator": "In"}),
                "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
            ),
            (
                json!({"key": "a", "operator": "Exists", "values": ["x"]}),
                r#"unable to parse requirement: values: Invalid value: ["x"]: values set must be empty for exists and does not exist"#,
            ),
        ] {
            let meta = json!({"matchExpressions": [expression]});
            let error = LabelSelector::from_meta(Some(&meta)).expect_err(text);
            assert_eq!(error.to_string(), text);
        }
    }
}
