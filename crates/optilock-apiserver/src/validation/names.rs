//! How the objects of a resource may be called, and how often that is looked at.

use super::format::{self, Format};

/// Rules for the metadata of one resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameRule {
    /// Format of a name.
    pub(super) format: Format,
    /// Finalizers need a domain (or are one of the standard ones).
    pub(super) qualified_finalizers: bool,
    /// How the kind's own validation of an update looks at the metadata once more. It only shows
    /// in the causes of an answer, which then repeat.
    pub(super) on_update: OnUpdate,
}

/// What a kind's own validation of an update does with the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnUpdate {
    /// Nothing.
    Skip,
    /// The rules of an update.
    Update,
    /// The rules of an update and those of a creation.
    Both,
}

const fn rule(format: Format, on_update: OnUpdate) -> NameRule {
    NameRule {
        format,
        qualified_finalizers: true,
        on_update,
    }
}

const DEFAULT: NameRule = rule(format::dns1123_subdomain, OnUpdate::Update);
const REVALIDATED: NameRule = rule(format::dns1123_subdomain, OnUpdate::Both);
const RBAC: NameRule = rule(format::path_segment, OnUpdate::Both);
const LABEL: NameRule = rule(format::dns1123_label, OnUpdate::Update);
/// Of definitions and of custom resources.
pub(super) const CUSTOM: NameRule = NameRule {
    qualified_finalizers: false,
    ..rule(format::dns1123_subdomain, OnUpdate::Skip)
};
const UNCHECKED: NameRule = rule(|_| Vec::new(), OnUpdate::Skip);

/// The rules of a resource; `group` is empty for core.
pub(super) fn name_rule(group: &str, resource: &str) -> NameRule {
    TABLE
        .iter()
        .find(|(g, r, _)| *g == group && *r == resource)
        .map_or(DEFAULT, |(_, _, rule)| *rule)
}

#[rustfmt::skip] // a table
const TABLE: &[(&str, &str, NameRule)] = &[
    ("", "configmaps", REVALIDATED),
    ("", "endpoints", REVALIDATED),
    ("", "events", UNCHECKED),
    ("", "namespaces", rule(format::dns1123_label, OnUpdate::Both)),
    ("", "nodes", REVALIDATED),
    ("", "persistentvolumeclaims", REVALIDATED),
    ("", "persistentvolumes", REVALIDATED),
    ("", "pods", REVALIDATED),
    ("", "secrets", REVALIDATED),
    ("", "serviceaccounts", REVALIDATED),
    ("", "services", LABEL),
    ("apiextensions.k8s.io", "customresourcedefinitions", CUSTOM),
    ("apps", "controllerrevisions", REVALIDATED),
    ("apps", "statefulsets", LABEL),
    ("batch", "cronjobs", rule(cron_job, OnUpdate::Update)),
    ("batch", "jobs", REVALIDATED),
    ("certificates.k8s.io", "certificatesigningrequests", rule(|_| Vec::new(), OnUpdate::Update)),
    ("events.k8s.io", "events", NameRule { on_update: OnUpdate::Skip, ..DEFAULT }),
    ("networking.k8s.io", "ingressclasses", REVALIDATED),
    ("networking.k8s.io", "ingresses", REVALIDATED),
    ("node.k8s.io", "runtimeclasses", REVALIDATED),
    ("policy", "poddisruptionbudgets", UNCHECKED),
    ("rbac.authorization.k8s.io", "clusterrolebindings", RBAC),
    ("rbac.authorization.k8s.io", "clusterroles", RBAC),
    ("rbac.authorization.k8s.io", "rolebindings", RBAC),
    ("rbac.authorization.k8s.io", "roles", RBAC),
    ("resource.k8s.io", "resourceclaims", REVALIDATED),
    ("storage.k8s.io", "storageclasses", REVALIDATED),
    ("apiregistration.k8s.io", "apiservices", rule(|_| Vec::new(), OnUpdate::Update)),
];

/// The names of its jobs have eleven characters more, and have to be labels.
fn cron_job(name: &str) -> Vec<String> {
    let mut errors = format::dns1123_subdomain(name);
    if name.len() > 52 {
        errors.push("must be no more than 52 characters".to_owned());
    }
    errors
}
