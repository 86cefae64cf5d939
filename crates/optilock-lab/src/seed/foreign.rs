//! Who else wrote the object.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry,
};
use kube::ResourceExt;

use crate::{FieldManager, worker::FIELD_MANAGER};

/// Those besides the lab who wrote between `before` and `after`.
///
/// The timestamps of managedFields have a resolution of a second and no entry tells how often its manager wrote. Where
/// nobody's entry has changed, everybody else's is suspect.
pub(crate) fn writers(before: &Deployment, after: &Deployment) -> Vec<FieldManager> {
    let foreign = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() != Some(FIELD_MANAGER);
    let changed = |entry: &&ManagedFieldsEntry| !before.managed_fields().contains(entry);
    let entries = || after.managed_fields().iter().filter(foreign);
    let mut writers: BTreeSet<_> = entries().filter(changed).map(FieldManager::from).collect();
    if writers.is_empty() {
        writers = entries().map(FieldManager::from).collect();
    }
    writers.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(entries: &[(&str, &str, &str)]) -> Deployment {
        let entries: Vec<_> = entries
            .iter()
            .map(|(manager, subresource, time)| {
                serde_json::json!({
                    "manager": manager, "operation": "Update", "subresource": subresource, "time": time
                })
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "metadata": {"managedFields": entries}, "spec": {"selector": {}, "template": {}}
        }))
        .unwrap()
    }

    fn names(before: &[(&str, &str, &str)], after: &[(&str, &str, &str)]) -> Vec<String> {
        let writers = writers(&object(before), &object(after));
        writers.iter().map(ToString::to_string).collect()
    }

    const EARLY: &str = "2024-04-27T22:58:13Z";
    const LATE: &str = "2024-04-27T22:58:14Z";

    #[test]
    fn names_those_whose_entry_is_new() {
        let before = [(FIELD_MANAGER, "", EARLY), ("kubectl", "", EARLY)];
        let after = [
            (FIELD_MANAGER, "", LATE),
            ("kubectl", "", EARLY),
            ("kube-controller-manager", "status", LATE),
        ];
        assert_eq!(
            names(&before, &after),
            ["kube-controller-manager (Update of status)"]
        );
    }

    #[test]
    fn suspects_all_others_within_one_second() {
        let entries = [(FIELD_MANAGER, "", EARLY), ("kubectl", "", EARLY)];
        assert_eq!(names(&entries, &entries), ["kubectl (Update)"]);
        assert!(names(&[], &[(FIELD_MANAGER, "", LATE)]).is_empty());
    }
}
