//! Which fields of a resource a field selector may name.
//!
//! The table follows the label conversion functions and the selectable fields of kube-apiserver
//! 1.36. It is one row a resource; whatever has no row can be selected by name and namespace.

use serde_json::Value;

use super::error::SelectorError;
use super::field::FieldSelector;
use crate::validation::gofmt;

/// A field that can be selected.
#[derive(Debug)]
struct Row {
    /// Name in the selector.
    label: &'static str,
    /// Where its value is, dotted, list items by number; the first one that is set counts.
    paths: &'static [&'static str],
    /// Its value where none is set, as text.
    zero: &'static str,
}

/// A field whose name in the selector is its path.
const fn at(paths: &'static [&'static str; 1]) -> Row {
    row(paths[0], paths, "")
}

const fn row(label: &'static str, paths: &'static [&'static str], zero: &'static str) -> Row {
    Row { label, paths, zero }
}

const NAME: Row = at(&["metadata.name"]);
const NAMESPACE: Row = at(&["metadata.namespace"]);

/// How kube-apiserver words that a field cannot be selected, which depends on the resource.
#[derive(Debug)]
enum Refusal {
    /// `"x" is not a known field selector: only "metadata.name", "metadata.namespace"`.
    OnlyMetadata,
    /// `field label not supported: x`.
    Plain,
    /// `field label "x" not supported for Job`.
    ForKind(&'static str),
    /// `field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: x`.
    ForVersionedKind(&'static str),
}

/// What a field selector may name on one resource.
#[derive(Debug)]
pub(crate) struct SelectableFields {
    rows: &'static [Row],
    /// Paths that can be selected besides, under their own name.
    paths: Vec<String>,
    refusal: Refusal,
}

impl SelectableFields {
    /// Reads a selector for this resource.
    ///
    /// # Errors
    /// When it is malformed or names a field that the resource cannot be selected by.
    pub(crate) fn parse(&self, text: &str) -> Result<FieldSelector, SelectorError> {
        FieldSelector::parse(text, |label| {
            if self.row(label).is_some() || self.paths.iter().any(|path| path == label) {
                Ok(())
            } else {
                Err(self.refuse(label))
            }
        })
    }

    /// The fields of a custom resource: the metadata, and these paths.
    pub(crate) fn custom(paths: Vec<String>) -> Self {
        Self {
            rows: &[NAME, NAMESPACE],
            paths,
            refusal: Refusal::Plain,
        }
    }

    /// Whether an object of this resource matches.
    pub(crate) fn matches(&self, selector: &FieldSelector, object: &Value) -> bool {
        selector.matches(|label, value| match self.row(label) {
            Some(row) => has_value(row.paths, row.zero, object, value),
            None => has_value(&[label], "", object, value),
        })
    }

    fn row(&self, label: &str) -> Option<&'static Row> {
        self.rows.iter().find(|row| row.label == label)
    }

    fn refuse(&self, label: &str) -> SelectorError {
        SelectorError::Unsupported(match self.refusal {
            Refusal::OnlyMetadata => format!(
                r#"{} is not a known field selector: only "metadata.name", "metadata.namespace""#,
                gofmt::quote(label)
            ),
            Refusal::Plain => format!("field label not supported: {label}"),
            Refusal::ForKind(kind) => {
                format!(
                    "field label {} not supported for {kind}",
                    gofmt::quote(label)
                )
            }
            Refusal::ForVersionedKind(kind) => {
                format!("field label not supported for {kind}: {label}")
            }
        })
    }
}

fn has_value(paths: &[&str], zero: &str, object: &Value, expected: &str) -> bool {
    let found = paths.iter().find_map(|path| {
        let value = path
            .split('.')
            .try_fold(object, |value, part| match value {
                Value::Array(items) => items.get(part.parse::<usize>().ok()?),
                other => other.get(part),
            })?;
        (!matches!(value, Value::Null) && value.as_str() != Some("")).then_some(value)
    });
    match found {
        None => zero == expected,
        Some(Value::String(text)) => text == expected,
        Some(Value::Bool(flag)) => expected == if *flag { "true" } else { "false" },
        Some(Value::Number(number)) => number.to_string().as_str() == expected,
        Some(_) => false,
    }
}

/// The fields of a resource; `group` is empty for core.
pub(crate) fn selectable_fields(group: &str, resource: &str) -> &'static SelectableFields {
    TABLE
        .iter()
        .find(|row| row.0 == group && row.1 == resource)
        .map_or(&DEFAULT, |row| &row.2)
}

static DEFAULT: SelectableFields = SelectableFields {
    rows: &[NAME, NAMESPACE],
    paths: Vec::new(),
    refusal: Refusal::OnlyMetadata,
};

const fn plain(rows: &'static [Row]) -> SelectableFields {
    SelectableFields {
        rows,
        paths: Vec::new(),
        refusal: Refusal::Plain,
    }
}

#[rustfmt::skip] // a table
static TABLE: &[(&str, &str, SelectableFields)] = &[
    ("", "pods", plain(&[
        NAME, NAMESPACE,
        at(&["spec.nodeName"]),
        row("spec.host", &["spec.nodeName"], ""), // its name in old clients
        at(&["spec.restartPolicy"]),
        at(&["spec.schedulerName"]),
        at(&["spec.serviceAccountName"]),
        row("spec.hostNetwork", &["spec.hostNetwork"], "false"),
        at(&["status.phase"]),
        row("status.podIP", &["status.podIPs.0.ip", "status.podIP"], ""),
        row("status.podIPs", &[], ""), // accepted, but never has a value
        at(&["status.nominatedNodeName"]),
    ])),
    ("", "events", plain(&[
        NAME, NAMESPACE,
        at(&["involvedObject.kind"]),
        at(&["involvedObject.namespace"]),
        at(&["involvedObject.name"]),
        at(&["involvedObject.uid"]),
        at(&["involvedObject.apiVersion"]),
        at(&["involvedObject.resourceVersion"]),
        at(&["involvedObject.fieldPath"]),
        at(&["reason"]),
        at(&["reportingComponent"]),
        row("source", &["source.component", "reportingComponent"], ""),
        at(&["type"]),
    ])),
    ("events.k8s.io", "events", plain(&[
        NAME, NAMESPACE,
        at(&["regarding.kind"]),
        at(&["regarding.namespace"]),
        at(&["regarding.name"]),
        at(&["regarding.uid"]),
        at(&["regarding.apiVersion"]),
        at(&["regarding.resourceVersion"]),
        at(&["regarding.fieldPath"]),
        at(&["reason"]),
        at(&["reportingController"]),
        at(&["type"]),
    ])),
    ("", "secrets", plain(&[NAME, NAMESPACE, at(&["type"])])),
    ("", "services", plain(&[NAME, NAMESPACE, at(&["spec.clusterIP"]), at(&["spec.type"])])),
    ("", "namespaces", plain(&[NAME, at(&["status.phase"])])),
    ("", "nodes", plain(&[NAME, row("spec.unschedulable", &["spec.unschedulable"], "false")])),
    ("", "replicationcontrollers", plain(&[
        NAME, NAMESPACE,
        row("status.replicas", &["status.replicas"], "0"),
    ])),
    ("certificates.k8s.io", "certificatesigningrequests", plain(&[NAME, at(&["spec.signerName"])])),
    ("batch", "jobs", SelectableFields {
        rows: &[NAME, NAMESPACE, row("status.successful", &["status.succeeded"], "0")],
        paths: Vec::new(),
        refusal: Refusal::ForKind("Job"),
    }),
    ("resource.k8s.io", "resourceslices", SelectableFields {
        rows: &[NAME, at(&["spec.nodeName"]), at(&["spec.driver"])],
        paths: Vec::new(),
        refusal: Refusal::ForVersionedKind("resource.k8s.io/v1, Kind=ResourceSlice"),
    }),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::selectable_fields;

    #[test]
    fn matches_by_the_fields_of_the_resource() {
        let pod = json!({
            "metadata": {"name": "web-1", "namespace": "prod"},
            "spec": {"nodeName": "n1", "restartPolicy": "Always"},
            "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]},
        });
        let job = json!({"metadata": {"name": "j"}, "status": {"succeeded": 2}});
        let event = json!({"source": {}, "reportingComponent": "kubelet"});
        for (group, resource, object, selector, expected) in [
            (
                "",
                "pods",
                &pod,
                "metadata.name=web-1,metadata.namespace=prod",
                true,
            ),
            ("", "pods", &pod, "metadata.name!=web-1", false),
            ("", "pods", &pod, "status.phase!=Pending", true),
            ("", "pods", &pod, "spec.nodeName==n1,spec.host=n1", true),
            ("", "pods", &pod, "spec.hostNetwork=false", true),
            ("", "pods", &pod, "spec.hostNetwork=true", false),
            ("", "pods", &pod, "status.podIP=10.0.0.1", true),
            ("", "pods", &pod, "status.podIPs=10.0.0.1", false),
            ("", "pods", &pod, "spec.schedulerName=", true),
            ("", "pods", &pod, "", true),
            (
                "",
                "nodes",
                &json!({"spec": {"unschedulable": true}}),
                "spec.unschedulable=true",
                true,
            ),
            ("", "nodes", &json!({}), "spec.unschedulable=false", true),
            ("", "events", &event, "source=kubelet", true),
            ("batch", "jobs", &job, "status.successful=2", true),
            ("batch", "jobs", &json!({}), "status.successful=0", true),
            ("apps", "deployments", &job, "metadata.namespace=", true),
        ] {
            let fields = selectable_fields(group, resource);
            let parsed = fields.parse(selector).expect(selector);
            assert_eq!(fields.matches(&parsed, object), expected, "{selector}");
        }
    }

    #[test]
    fn a_selector_can_name_one_object() {
        let fields = selectable_fields("", "pods");
        let selector = fields
            .parse("status.phase!=a,metadata.name=b")
            .expect("a good selector");
        assert_eq!(selector.exact("metadata.name"), Some("b"));
        assert_eq!(selector.exact("status.phase"), None);
        assert!(!selector.is_everything());
        assert!(fields.parse(",").expect("a good selector").is_everything());
    }
}
