//! Binding: a scheduler assigns a Pod to a node.

use serde_json::{Value, json};

use super::super::object::{is_deleting, member_mut, meta_str, metadata, metadata_mut};
use super::super::{Registry, Target, WriteOptions};
use super::set_condition;
use crate::status::{Details, Reason, Status};
use crate::validation::gofmt::quote;
use crate::validation::{Path, field};

impl Registry {
    pub(super) async fn bind(
        &self,
        pod: &Target,
        binding: &Value,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        let problems: Vec<String> = problems(binding).iter().map(ToString::to_string).collect();
        match problems.as_slice() {
            [] => {}
            [one] => return Err(Status::untyped(one)),
            several => return Err(Status::untyped(format!("[{}]", several.join(", ")))),
        }
        let now = self.ambient.now_text();
        let assign = |object: &mut Value| {
            if let Some(why) = unassignable(object) {
                return Err(conflict(&pod.name, &why));
            }
            object["spec"]["nodeName"] = binding["target"]["name"].clone();
            for member in ["annotations", "labels"] {
                let sent = metadata(binding).and_then(|metadata| metadata.get(member));
                if let Some(sent) = sent.and_then(Value::as_object) {
                    member_mut(metadata_mut(object), member).extend(sent.clone());
                }
            }
            let scheduled = json!({"type": "PodScheduled", "status": "True"});
            set_condition(object, scheduled, &now);
            Ok(())
        };
        self.rewrite(pod, meta_str(binding, "uid"), options.dry_run, &assign)
            .await?;
        Ok(())
    }
}

fn problems(binding: &Value) -> Vec<field::Error> {
    let target = &binding["target"];
    let text = |name: &str| target[name].as_str().unwrap_or_default();
    let path = Path::new("target");
    let mut problems = Vec::new();
    if !matches!(text("kind"), "" | "Node") {
        let supported = ["Node", "<empty>"];
        let path = path.child("kind");
        problems.push(field::Error::not_supported(&path, text("kind"), &supported));
    }
    if text("name").is_empty() {
        problems.push(field::Error::required(&path.child("name"), ""));
    }
    problems
}

/// Why a Pod can't be assigned to a node.
fn unassignable(pod: &Value) -> Option<String> {
    let name = meta_str(pod, "name");
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if is_deleting(pod) {
        Some(format!(
            "pod {name} is being deleted, cannot be assigned to a host"
        ))
    } else if !node.is_empty() {
        Some(format!(
            "pod {name} is already assigned to node {}",
            quote(node)
        ))
    } else if pod["spec"]["schedulingGates"]
        .as_array()
        .is_some_and(|gates| !gates.is_empty())
    {
        Some(format!("pod {name} has non-empty .spec.schedulingGates"))
    } else {
        None
    }
}

fn conflict(name: &str, why: &str) -> Status {
    const RESOURCE: &str = "pods/binding";
    let text = format!(
        "Operation cannot be fulfilled on {RESOURCE} {}: {why}",
        quote(name)
    );
    Status::new(409, Reason::Conflict, text).with_details(Details {
        name: name.to_owned(),
        kind: RESOURCE.to_owned(),
        ..Details::default()
    })
}
