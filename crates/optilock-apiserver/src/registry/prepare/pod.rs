//! What a new Pod gets.

use serde_json::{Value, json};

use super::super::object::{member_mut, root_mut};
use super::phase;

/// Seconds that a Pod stays on a node that is not ready or not reachable, as the DefaultTolerationSeconds plugin has it.
const TOLERATION_SECONDS: u32 = 300;

/// Taints of nodes in trouble.
const TROUBLES: [&str; 2] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
];

/// No time at all is the least that there is.
pub(super) fn on_write(pod: &mut Value) {
    const GRACE: &str = "terminationGracePeriodSeconds";
    if pod["spec"][GRACE]
        .as_i64()
        .is_some_and(|seconds| seconds < 0)
    {
        pod["spec"][GRACE] = 1.into();
    }
}

pub(super) fn on_create(pod: &mut Value) {
    phase(pod, "Pending");
    let class = quality_of_service(&pod["spec"]);
    member_mut(root_mut(pod), "status").insert("qosClass".into(), class.into());

    tolerate_trouble(pod);
}

/// An update keeps what a creation gave.
pub(super) fn on_update(pod: &mut Value, _: &Value, _: &str) {
    tolerate_trouble(pod);
}

fn tolerate_trouble(pod: &mut Value) {
    let spec = member_mut(root_mut(pod), "spec");
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    if let Some(list) = tolerations.as_array_mut() {
        for trouble in TROUBLES {
            if !list.iter().any(|toleration| tolerates(toleration, trouble)) {
                list.push(json!({
                    "key": trouble,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": TOLERATION_SECONDS,
                }));
            }
        }
    }
}

fn tolerates(toleration: &Value, key: &str) -> bool {
    let text = |member: &str| toleration[member].as_str().unwrap_or_default();
    (text("key").is_empty() || text("key") == key) && matches!(text("effect"), "" | "NoExecute")
}

/// `BestEffort` without any request or limit, `Guaranteed` when every container limits cpu and memory to what it requests,
/// else `Burstable`.
pub(crate) fn quality_of_service(spec: &Value) -> &'static str {
    const COMPUTE: [&str; 2] = ["cpu", "memory"];
    let lists = ["containers", "initContainers"];
    let containers: Vec<&Value> = lists
        .iter()
        .filter_map(|list| spec[list].as_array())
        .flatten()
        .collect();
    let amount = |container: &Value, kind: &str, name: &str| {
        let amount = container["resources"][kind][name].as_str();
        amount.filter(|amount| *amount != "0").map(str::to_owned)
    };
    let any = containers.iter().any(|container| {
        COMPUTE.iter().any(|name| {
            amount(container, "requests", name).is_some()
                || amount(container, "limits", name).is_some()
        })
    });
    let all_limited = containers.iter().all(|container| {
        COMPUTE.iter().all(|name| {
            let limit = amount(container, "limits", name);
            limit.is_some() && limit == amount(container, "requests", name)
        })
    });
    match (any, all_limited) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_follows_from_requests_and_limits() {
        let pod = |resources: Value| json!({"containers": [{"resources": resources}]});
        for (resources, class) in [
            (json!({}), "BestEffort"),
            (json!({"requests": {"cpu": "1"}}), "Burstable"),
            (
                json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}),
                "Guaranteed",
            ),
            (
                json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}),
                "Burstable",
            ),
        ] {
            assert_eq!(
                quality_of_service(&pod(resources.clone())),
                class,
                "{resources}"
            );
        }
    }
}
