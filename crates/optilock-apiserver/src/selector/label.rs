//! Label selectors: which objects they match.

use std::fmt;

use serde_json::{Map, Value};

use super::error::SelectorError;
use super::parser;

/// How a requirement relates a label to its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `=`, `==`: the label is there with the value.
    Equals,
    /// `in`: the label is there with one of the values.
    In,
    /// `!=`: the label is not there, or not with the value.
    NotEquals,
    /// `notin`: the label is not there, or with none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
    /// The label is there with a number above the value.
    GreaterThan,
    /// The label is there with a number below the value.
    LessThan,
}

/// One condition on one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    pub(super) key: String,
    pub(super) operator: Operator,
    /// Sorted and without duplicates.
    pub(super) values: Vec<String>,
}

impl Requirement {
    fn matches(&self, label: Option<&str>) -> bool {
        let listed = |label: &str| self.values.iter().any(|value| value == label);
        match (self.operator, label) {
            (Operator::Equals | Operator::In, label) => label.is_some_and(listed),
            (Operator::NotEquals | Operator::NotIn, label) => !label.is_some_and(listed),
            (Operator::Exists, label) => label.is_some(),
            (Operator::DoesNotExist, label) => label.is_none(),
            (Operator::GreaterThan, label) => self.compares(label, |label, bound| label > bound),
            (Operator::LessThan, label) => self.compares(label, |label, bound| label < bound),
        }
    }

    /// Labels that are no numbers match neither `>` nor `<`.
    fn compares(&self, label: Option<&str>, holds: fn(i64, i64) -> bool) -> bool {
        let number = label.and_then(|label| label.parse().ok());
        let bound = self.values.first().and_then(|value| value.parse().ok());
        matches!((number, bound), (Some(number), Some(bound)) if holds(number, bound))
    }
}

/// A label selector: all of its requirements hold.
///
/// The empty selector matches every object; [`LabelSelector::nothing`] matches none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelSelector {
    /// `None` matches nothing.
    requirements: Option<Vec<Requirement>>,
}

/// Everything, as no selector at all.
impl Default for LabelSelector {
    fn default() -> Self {
        Self::everything()
    }
}

impl LabelSelector {
    /// Reads the grammar of the `labelSelector` parameter: `a=b,c in (d,e),!f`.
    ///
    /// # Errors
    /// With kube-apiserver's text for the first thing that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, SelectorError> {
        Ok(Self::all(parser::parse(text)?))
    }

    /// The selector that every object matches.
    pub(crate) fn everything() -> Self {
        Self::all(Vec::new())
    }

    /// The selector that no object matches.
    pub(crate) fn nothing() -> Self {
        Self { requirements: None }
    }

    pub(super) fn all(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self {
            requirements: Some(requirements),
        }
    }

    /// Whether every object matches.
    pub(crate) fn is_everything(&self) -> bool {
        self.requirements.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether labels match; `lookup` gives the value of a label.
    pub(crate) fn matches<'l>(&self, lookup: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.requirements.as_ref().is_some_and(|requirements| {
            requirements
                .iter()
                .all(|requirement| requirement.matches(lookup(&requirement.key)))
        })
    }

    /// Whether a `labels` member matches; no labels at all are `None`.
    pub(crate) fn matches_labels(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.matches(|key| labels?.get(key)?.as_str())
    }

    /// Whether the labels of an object match.
    pub(crate) fn matches_object(&self, object: &Value) -> bool {
        self.matches_labels(object["metadata"]["labels"].as_object())
    }
}

/// The selector as text that parses to the same selector; empty for everything and for nothing.
impl fmt::Display for LabelSelector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.requirements.iter().flatten().enumerate() {
            if at > 0 {
                out.write_str(",")?;
            }
            let key = &requirement.key;
            let values = requirement.values.join(",");
            match requirement.operator {
                Operator::Equals => write!(out, "{key}={values}"),
                Operator::NotEquals => write!(out, "{key}!={values}"),
                Operator::In => write!(out, "{key} in ({values})"),
                Operator::NotIn => write!(out, "{key} notin ({values})"),
                Operator::Exists => write!(out, "{key}"),
                Operator::DoesNotExist => write!(out, "!{key}"),
                Operator::GreaterThan => write!(out, "{key}>{values}"),
                Operator::LessThan => write!(out, "{key}<{values}"),
            }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::LabelSelector;

    fn matching(selector: &str, labels: &[(&str, &str)]) -> bool {
        let selector = LabelSelector::parse(selector).expect(selector);
        selector.matches(|key| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v))
    }

    #[test]
    fn matches_like_the_api_server() {
        let labels = &[("app", "web"), ("n", "5"), ("empty", "")];
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            ("app!=web", false),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("other", false),
            ("other!=x", true),
            ("other notin (x,y)", true),
            ("app in (db,web)", true),
            ("app in (db)", false),
            ("app notin (db,web)", false),
            ("empty=", true),
            ("empty in ()", true),
            ("empty in (,)", true),
            ("app=", false),
            ("n>4", true),
            ("n>5", false),
            ("n<6", true),
            ("app>1", false),
            ("other<1", false),
            ("app=web,n>4,!other", true),
            ("app=web,n>5", false),
            (" app = web , n ", true),
        ] {
            assert_eq!(matching(selector, labels), expected, "{selector:?}");
        }
    }

    #[test]
    fn nothing_matches_nothing() {
        assert!(!LabelSelector::nothing().matches(|_| None));
        assert!(!LabelSelector::nothing().is_everything());
        assert!(LabelSelector::everything().matches(|_| None));
    }

    #[test]
    fn reads_the_labels_of_an_object() {
        let selector = LabelSelector::parse("app=web").expect("a good selector");
        assert!(selector.matches_object(&json!({"metadata": {"labels": {"app": "web"}}})));
        assert!(!selector.matches_object(&json!({"metadata": {}})));
        assert!(!selector.matches_object(&json!(null)));
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails(text in "[a-z!=<>(), \t\"/.-]{0,24}|.{0,16}") {
            if let Ok(selector) = LabelSelector::parse(&text) {
                let again = LabelSelector::parse(&selector.to_string());
                prop_assert_eq!(again, Ok(selector));
            }
        }
    }
}
