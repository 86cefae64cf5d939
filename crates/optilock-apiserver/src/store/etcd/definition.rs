//! Definitions of custom resources as kube-apiserver stores them: in v1beta1, which it serves no longer.
//!
//! There, what all versions of a resource have in common stands once, in the spec.

use serde_json::{Map, Value, json};

/// How a definition in v1beta1 begins.
pub(super) const BEGINNING: &[u8] =
    br#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1beta1""#;

/// `apiVersion` of what [`to_v1`] makes.
pub(super) const API_VERSION: &str = "apiextensions.k8s.io/v1";

/// (member of the spec, the same of a version)
const COMMON: [(&str, &str); 4] = [
    ("subresources", "subresources"),
    ("validation", "schema"),
    (COLUMNS, COLUMNS),
    ("selectableFields", "selectableFields"),
];
const COLUMNS: &str = "additionalPrinterColumns";

/// A definition in v1, made of one in v1beta1.
pub(super) fn to_v1(mut definition: Value) -> Value {
    definition["apiVersion"] = API_VERSION.into();
    if let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) {
        versions(spec);
        if let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut) {
            webhook(conversion);
        }
        // Where it is not said, v1beta1 means yes and v1 no.
        match spec.get("preserveUnknownFields") {
            None => {
                spec.insert("preserveUnknownFields".into(), true.into());
            }
            Some(Value::Bool(false)) => {
                spec.remove("preserveUnknownFields");
            }
            Some(_) => {}
        }
    }
    definition
}

fn versions(spec: &mut Map<String, Value>) {
    let only = spec.remove("version");
    let common = COMMON.map(|(common, own)| (own, spec.remove(common)));
    let versions = spec.entry("versions").or_insert_with(|| json!([]));
    let Some(versions) = versions.as_array_mut() else {
        return;
    };
    if let (true, Some(name)) = (versions.is_empty(), only) {
        versions.push(json!({"name": name, "served": true, "storage": true}));
    }
    for version in versions.iter_mut().filter_map(Value::as_object_mut) {
        for (own, value) in &common {
            if let Some(value) = value {
                version.insert((*own).to_owned(), value.clone());
            }
        }
        let columns = version.get_mut(COLUMNS).and_then(Value::as_array_mut);
        for column in columns.into_iter().flatten() {
            let column = column.as_object_mut();
            if let Some((column, path)) = column.and_then(|c| c.remove("JSONPath").map(|p| (c, p)))
            {
                column.insert("jsonPath".into(), path);
            }
        }
    }
}

fn webhook(conversion: &mut Map<String, Value>) {
    let config = conversion.remove("webhookClientConfig");
    let reviews = conversion.remove("conversionReviewVersions");
    if config.is_none() && reviews.is_none() {
        return;
    }
    let mut webhook = Map::new();
    for (member, value) in [
        ("clientConfig", config),
        ("conversionReviewVersions", reviews),
    ] {
        if let Some(value) = value {
            webhook.insert(member.into(), value);
        }
    }
    conversion.insert("webhook".into(), webhook.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_versions_have_in_common_is_theirs_again() {
        let stored = json!({"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1beta1", "spec": {
            "version": "v1", "versions": [{"name": "v1"}, {"name": "v2"}], "preserveUnknownFields": false,
            "validation": {"openAPIV3Schema": {"type": "object"}},
            "additionalPrinterColumns": [{"name": "A", "JSONPath": ".a"}],
            "conversion": {"strategy": "Webhook", "conversionReviewVersions": ["v1"], "webhookClientConfig": {"url": "u"}}}});
        let version = |name| {
            json!({"name": name, "schema": {"openAPIV3Schema": {"type": "object"}},
                "additionalPrinterColumns": [{"name": "A", "jsonPath": ".a"}]})
        };
        assert_eq!(
            to_v1(stored),
            json!({"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1", "spec": {
                "versions": [version("v1"), version("v2")],
                "conversion": {"strategy": "Webhook",
                    "webhook": {"clientConfig": {"url": "u"}, "conversionReviewVersions": ["v1"]}}}})
        );
    }

    #[test]
    fn one_that_is_old_has_one_version() {
        let stored = json!({"spec": {"version": "v1", "subresources": {"status": {}}}});
        assert_eq!(
            to_v1(stored)["spec"],
            json!({"preserveUnknownFields": true, "versions": [
                {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}}]})
        );
    }
}
