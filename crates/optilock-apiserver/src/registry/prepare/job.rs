//! The selector of a Job and the labels that its Pods have to have.

use serde_json::Value;

use super::super::object::{member_mut, meta_str, metadata, metadata_mut, root_mut};

const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";

pub(super) fn on_create(job: &mut Value) {
    let labels = |object: &Value| metadata(object).and_then(|m| m.get("labels")).cloned();
    // Who gives a Job no labels gives it those of its Pods, those that are made here among them.
    let inherits = match labels(job) {
        None => true,
        Some(own) => Some(own) == labels(&job["spec"]["template"]),
    };
    if job["spec"]["manualSelector"] != true {
        let (uid, name) = (
            meta_str(job, "uid").to_owned(),
            meta_str(job, "name").to_owned(),
        );
        let spec = member_mut(root_mut(job), "spec");
        let template = member_mut(spec, "template");
        let labels = member_mut(member_mut(template, "metadata"), "labels");
        for (label, value) in [
            (CONTROLLER_UID, &uid),
            ("batch.kubernetes.io/job-name", &name),
            ("controller-uid", &uid),
            ("job-name", &name),
        ] {
            labels.entry(label).or_insert_with(|| value.as_str().into());
        }
        let selector = member_mut(member_mut(spec, "selector"), "matchLabels");
        selector
            .entry(CONTROLLER_UID)
            .or_insert_with(|| uid.as_str().into());
    }
    if inherits && let Some(labels) = labels(&job["spec"]["template"]) {
        metadata_mut(job).insert("labels".to_owned(), labels);
    }
}
