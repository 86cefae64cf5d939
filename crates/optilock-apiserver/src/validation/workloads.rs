//! Rules of deployments, replica sets, stateful sets, daemon sets and jobs that are about several
//! members. Each is named by a row of the table of rules.

use serde_json::Value;

use super::field::{BadValue, Error, ErrorList};
use super::path::Path;
use super::rules::LABEL_SELECTOR;
use super::walk::{NEGATIVE, Scope, canonical};
use super::{format, gofmt, metadata};
use crate::selector::LabelSelector;

/// A selector has to be there.
pub(super) fn required_selector(spec: &Scope<'_>, errors: &mut ErrorList) {
    if spec.get("selector").is_none() {
        errors.push(Error::required(&spec.path.child("selector"), ""));
    }
}

/// A selector may not match everything.
pub(super) fn empty_selector(spec: &Scope<'_>, owner: &str, errors: &mut ErrorList) {
    if let Some(selector) = spec.get("selector")
        && LabelSelector::from_meta(Some(selector)).is_ok_and(|parsed| parsed.is_everything())
    {
        errors.push(Error::invalid(
            &spec.path.child("selector"),
            canonical(LABEL_SELECTOR, selector),
            format!("empty selector is invalid for {owner}"),
        ));
    }
}

/// The pods that are made have to be the pods that are counted. `complaint` is about a selector
/// that is none; without it nothing is said about that here.
pub(super) fn selector_matches_template(
    spec: &Scope<'_>,
    complaint: Option<&str>,
    errors: &mut ErrorList,
) {
    let selector = spec.get("selector");
    let path = spec.path;
    match (LabelSelector::from_meta(selector), complaint) {
        (Err(_), None) => {}
        (Err(_), Some(complaint)) => errors.push(Error::invalid(
            &path.child("selector"),
            canonical(LABEL_SELECTOR, selector.unwrap_or(&Value::Null)),
            complaint,
        )),
        // An empty selector is complained about already.
        (Ok(parsed), _) if parsed.is_everything() => {}
        (Ok(parsed), _) => {
            let labels = spec.at(&["template", "metadata", "labels"]);
            if !parsed.matches_labels(labels.as_object()) {
                errors.push(Error::invalid(
                    &path.child("template").child("metadata").child("labels"),
                    labels,
                    "`selector` does not match template `labels`",
                ));
            }
        }
    }
}

/// The pods of a template are restarted for ever.
pub(super) fn runs_forever(spec: &Scope<'_>, owner: &str, errors: &mut ErrorList) {
    let pods = spec.at(&["template", "spec"]);
    let path = spec.path.child("template");
    let path = path.child("spec");
    let policy = pods["restartPolicy"].as_str().unwrap_or_default();
    if !policy.is_empty() && policy != "Always" {
        errors.push(Error::not_supported(
            &path.child("restartPolicy"),
            policy,
            &["Always"],
        ));
    }
    if !pods["activeDeadlineSeconds"].is_null() {
        errors.push(Error::forbidden(
            &path.child("activeDeadlineSeconds"),
            format!("activeDeadlineSeconds in {owner} is not Supported"),
        ));
    }
}

/// The pods of a job end.
pub(super) fn runs_to_completion(spec: &Scope<'_>, errors: &mut ErrorList) {
    let path = spec.path.child("template");
    let path = path.child("spec");
    let path = path.child("restartPolicy");
    let policy = spec.at(&["template", "spec", "restartPolicy"]);
    match policy.as_str().unwrap_or_default() {
        "OnFailure" | "Never" => {}
        "" | "Always" => {
            let detail = r#"valid values: "OnFailure", "Never""#;
            errors.push(Error::required(&path, detail));
        }
        other => errors.push(Error::not_supported(&path, other, &["OnFailure", "Never"])),
    }
}

/// The members of a job spec that depend on each other.
pub(super) fn job_spec(spec: &Scope<'_>, errors: &mut ErrorList) {
    if spec.text("completionMode") == "Indexed" {
        if spec.get("completions").is_none() {
            let detail = "when completion mode is Indexed";
            errors.push(Error::required(&spec.path.child("completions"), detail));
        }
        return;
    }
    for name in ["backoffLimitPerIndex", "maxFailedIndexes"] {
        if let Some(number) = spec.int(name) {
            let path = spec.path.child(name);
            errors.push(Error::invalid(
                &path,
                number,
                "requires indexed completion mode",
            ));
        }
    }
}

/// A pod gets time to become ready.
pub(super) fn deadline_after_ready(spec: &Scope<'_>, errors: &mut ErrorList) {
    if let Some(deadline) = spec.int("progressDeadlineSeconds")
        && deadline <= spec.int("minReadySeconds").unwrap_or(0)
    {
        let path = spec.path.child("progressDeadlineSeconds");
        errors.push(Error::invalid(
            &path,
            deadline,
            "must be greater than minReadySeconds",
        ));
    }
}

/// `rollingUpdate` belongs to its type.
pub(super) fn deployment_strategy(strategy: &Scope<'_>, errors: &mut ErrorList) {
    let path = strategy.path.child("rollingUpdate");
    match strategy.text("type") {
        "Recreate" => {
            if strategy.get("rollingUpdate").is_some() {
                let detail = "may not be specified when strategy `type` is 'Recreate'";
                errors.push(Error::forbidden(&path, detail));
            }
        }
        "RollingUpdate" => {
            let rolling = strategy.at(&["rollingUpdate"]);
            let (unavailable, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
            at_least_zero_or_percent(unavailable, &path.child("maxUnavailable"), errors);
            at_least_zero_or_percent(surge, &path.child("maxSurge"), errors);
            let path = path.child("maxUnavailable");
            if is_zero(unavailable) && is_zero(surge) {
                let complaint = "may not be 0 when `maxSurge` is 0";
                errors.push(Error::invalid(&path, raw(unavailable), complaint));
            }
            if percent(unavailable).is_some_and(|percent| percent > 100) {
                let complaint = "must not be greater than 100%";
                errors.push(Error::invalid(&path, raw(unavailable), complaint));
            }
        }
        _ => unknown_strategy(
            strategy,
            "Deployment",
            &["Recreate", "RollingUpdate"],
            errors,
        ),
    }
}

/// A daemon set is updated in one of two ways.
pub(super) fn daemon_set_strategy(strategy: &Scope<'_>, errors: &mut ErrorList) {
    let types = ["RollingUpdate", "OnDelete"];
    if !types.contains(&strategy.text("type")) {
        unknown_strategy(strategy, "DaemonSet", &types, errors);
    }
}

fn unknown_strategy(strategy: &Scope<'_>, owner: &str, types: &[&str], errors: &mut ErrorList) {
    let null = || "null".to_owned();
    let rolling = strategy.get("rollingUpdate").map_or_else(null, |rolling| {
        let unset = if owner == "Deployment" {
            0.into()
        } else {
            Value::Null
        };
        let member = |name: &str| gofmt::json(rolling.get(name).unwrap_or(&unset));
        let members = [
            ("MaxUnavailable", member("maxUnavailable")),
            ("MaxSurge", member("maxSurge")),
        ];
        BadValue::internal(&members).into_text()
    });
    let kind = gofmt::json(&strategy.text("type").into());
    let shown = BadValue::internal(&[("Type", kind), ("RollingUpdate", rolling)]);
    errors.push(Error::not_supported(strategy.path, shown, types));
}

/// An int-or-string as complaints show it: JSON, also where it is a text.
fn raw(value: &Value) -> BadValue {
    BadValue::raw(gofmt::json(value))
}

fn percent(value: &Value) -> Option<i64> {
    value.as_str()?.strip_suffix('%')?.parse().ok()
}

fn is_zero(value: &Value) -> bool {
    value.as_i64().or_else(|| percent(value)) == Some(0)
}

fn at_least_zero_or_percent(value: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    match value {
        Value::String(text) => {
            for complaint in format::percent(text) {
                errors.push(Error::invalid(path, raw(value), complaint));
            }
        }
        value => {
            if let Some(number) = value.as_i64().filter(|number| *number < 0) {
                errors.push(Error::invalid(path, number, NEGATIVE));
            }
        }
    }
}

/// Policies of a stateful set.
pub(super) fn stateful_set_policies(spec: &Scope<'_>, errors: &mut ErrorList) {
    let policy = spec.text("podManagementPolicy");
    if !matches!(policy, "" | "OrderedReady" | "Parallel") {
        let path = spec.path.child("podManagementPolicy");
        let complaint = "must be 'OrderedReady' or 'Parallel'";
        errors.push(Error::invalid(&path, policy, complaint));
    }
}

/// Counts in a status are at most the number of replicas.
pub(super) fn not_more_than_replicas(status: &Scope<'_>, names: &[&str], errors: &mut ErrorList) {
    let replicas = status.int("replicas").unwrap_or(0);
    for name in names {
        let number = status.int(name).unwrap_or(0);
        if number > replicas {
            let path = status.path.child(name);
            let complaint = "cannot be greater than status.replicas";
            errors.push(Error::invalid(&path, number, complaint));
        }
    }
}

/// What is available is ready.
pub(super) fn available_are_ready(status: &Scope<'_>, errors: &mut ErrorList) {
    let available = status.int("availableReplicas").unwrap_or(0);
    if available > status.int("readyReplicas").unwrap_or(0) {
        let path = status.path.child("availableReplicas");
        let complaint = "cannot be greater than readyReplicas";
        errors.push(Error::invalid(&path, available, complaint));
    }
}

/// The expressions of a label selector.
pub(super) fn label_selector_expressions(selector: &Scope<'_>, errors: &mut ErrorList) {
    let path = selector.path.child("matchExpressions");
    for (at, expression) in selector.items("matchExpressions").iter().enumerate() {
        let path = path.index(at);
        let values: Vec<&str> = expression["values"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        match expression["operator"].as_str().unwrap_or_default() {
            "In" | "NotIn" if values.is_empty() => errors.push(Error::required(
                &path.child("values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(Error::forbidden(
                &path.child("values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.push(Error::invalid(
                &path.child("operator"),
                other,
                "not a valid selector operator",
            )),
        }
        let key = expression["key"].as_str().unwrap_or_default();
        for complaint in format::label_key(key) {
            errors.push(Error::invalid(&path.child("key"), key, complaint));
        }
        let path = path.child("values");
        for (at, value) in values.into_iter().enumerate() {
            for complaint in format::label_value(value) {
                errors.push(Error::invalid(&path.index(at), value, complaint));
            }
        }
    }
}

/// A Job does its work once: what its Pods are, and how many have to succeed, stays.
pub(super) fn job_update(new: &Value, old: &Value, errors: &mut ErrorList) {
    let (new, before) = (&new["spec"], &old["spec"]);
    let path = Path::new("spec");
    let elastic = before["completionMode"] == "Indexed"
        && !before["completions"].is_null()
        && new["completions"] == new["parallelism"];
    if !elastic {
        let path = path.child("completions");
        let (new, old) = (&new["completions"], &before["completions"]);
        metadata::immutable(Some(new), Some(old), &path, errors);
    }
    let waiting = before["suspend"] == true && old["status"]["startTime"].is_null();
    if !waiting && new["template"] != before["template"] {
        let path = path.child("template");
        let shown = canonical("io.k8s.api.core.v1.PodTemplateSpec", &new["template"]);
        errors.push(Error::invalid(&path, shown, metadata::IMMUTABLE));
    }
}
