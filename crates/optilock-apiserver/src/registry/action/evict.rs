//! Eviction: a deletion of a Pod that its disruption budget has to allow.

use serde_json::{Value, json};

use super::super::object::{is_deleting, meta_str, metadata};
use super::super::{
    DeleteOptions, ListOptions, Propagation, Registry, Target, WriteOptions, codec, errors,
};
use super::set_condition;
use crate::selector::LabelSelector;
use crate::status::{Cause, Details, Reason, Status};

/// Pods that a budget remembers as being evicted; more are a sign that nobody brings its status up to date.
const MOST_DISRUPTED: usize = 2_000;

/// When to ask again about a budget whose status is out of date, in seconds.
const RETRY_AFTER: u32 = 10;

impl Registry {
    pub(super) async fn evict(
        &self,
        pod: &Target,
        eviction: &Value,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        let mut deletion = deletion(&eviction["deleteOptions"]);
        deletion.dry_run |= options.dry_run;
        let stored = self
            .entry(pod)
            .await?
            .ok_or_else(|| errors::not_found(&pod.resource, &pod.name))?;
        let live = codec::decode_stored(&stored)?;
        if !is_free(&live) {
            self.disrupt(pod, &live, deletion.dry_run).await?;
        }
        if deletion.dry_run {
            return Ok(());
        }
        let now = self.ambient.now_text();
        let mark = |object: &mut Value| {
            let target = json!({
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting",
            });
            set_condition(object, target, &now);
            Ok(())
        };
        let uid = deletion.uid.clone().unwrap_or_default();
        self.rewrite(pod, &uid, false, &mark).await?;
        self.delete(pod, &deletion).await?;
        Ok(())
    }

    /// Takes one disruption from the budget of a Pod, if it has one.
    async fn disrupt(&self, pod: &Target, live: &Value, dry_run: bool) -> Result<(), Status> {
        let Some(resource) = self.resource("policy", "v1", "poddisruptionbudgets") else {
            return Ok(());
        };
        let budgets = Target {
            resource,
            namespace: pod.namespace.clone(),
            name: String::new(),
        };
        let labels = metadata(live)
            .and_then(|metadata| metadata.get("labels"))
            .and_then(Value::as_object);
        let mut matching = Vec::new();
        for stored in self.list(&budgets, &ListOptions::default()).await?.items {
            let budget = codec::decode_stored(&stored)?;
            let selector = LabelSelector::from_meta(budget["spec"].get("selector"));
            if selector.is_ok_and(|selector| selector.matches_labels(labels)) {
                matching.push(budget);
            }
        }
        let budget = match matching.as_slice() {
            [] => return Ok(()),
            [budget] => budget,
            _ => {
                return Err(Status::untyped(
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
                ));
            }
        };
        if !is_ready(live) && spares_unhealthy(budget) {
            return Ok(());
        }
        let target = Target {
            name: meta_str(budget, "name").to_owned(),
            ..budgets
        };
        let now = self.ambient.now_text();
        let decrement = |budget: &mut Value| take(budget, &pod.name, &now);
        self.rewrite(&target, "", dry_run, &decrement).await?;
        Ok(())
    }
}

/// The options of the deletion, as the eviction carries them.
fn deletion(options: &Value) -> DeleteOptions {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    DeleteOptions {
        dry_run: options["dryRun"]
            .as_array()
            .is_some_and(|stages| !stages.is_empty()),
        uid: text(&options["preconditions"]["uid"]),
        resource_version: text(&options["preconditions"]["resourceVersion"]),
        grace_seconds: options["gracePeriodSeconds"].as_i64(),
        propagation: match options["propagationPolicy"].as_str() {
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            _ => None,
        },
    }
}

/// Whether a Pod serves nobody, so that no budget is asked.
fn is_free(pod: &Value) -> bool {
    let phase = pod["status"]["phase"].as_str();
    matches!(phase, Some("Succeeded" | "Failed" | "Pending")) || is_deleting(pod)
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["conditions"].as_array().is_some_and(|all| {
        all.iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    })
}

/// Whether a budget lets Pods go that are not ready.
fn spares_unhealthy(budget: &Value) -> bool {
    let number = |name: &str| budget["status"][name].as_i64().unwrap_or(0);
    let (current, desired) = (number("currentHealthy"), number("desiredHealthy"));
    budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        || (current >= desired && desired > 0)
}

fn take(budget: &mut Value, pod: &str, now: &str) -> Result<(), Status> {
    let name = meta_str(budget, "name").to_owned();
    let number = |name: &str| budget["status"][name].as_i64().unwrap_or(0);
    let generation = metadata(budget).and_then(|m| m.get("generation")?.as_i64());
    if number("observedGeneration") < generation.unwrap_or(0) {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refusal(why, RETRY_AFTER));
    }
    let allowed = number("disruptionsAllowed");
    let disrupted = budget["status"]["disruptedPods"].as_object();
    if allowed < 0 {
        return Err(forbidden(&name, "pdb disruptions allowed is negative"));
    }
    if disrupted.is_some_and(|pods| pods.len() > MOST_DISRUPTED) {
        return Err(forbidden(
            &name,
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        ));
    }
    if allowed == 0 {
        let why = format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            number("desiredHealthy"),
            number("currentHealthy")
        );
        return Err(refusal(why, 0));
    }
    budget["status"]["disruptionsAllowed"] = (allowed - 1).into();
    if allowed == 1 {
        let insufficient = json!({
            "type": "DisruptionAllowed",
            "status": "False",
            "observedGeneration": budget["status"]["observedGeneration"],
            "reason": "InsufficientPods",
            "message": "",
        });
        set_condition(budget, insufficient, now);
    }
    if !budget["status"]["disruptedPods"].is_object() {
        budget["status"]["disruptedPods"] = json!({});
    }
    budget["status"]["disruptedPods"][pod] = now.into();
    Ok(())
}

fn refusal(why: String, retry_after_seconds: u32) -> Status {
    let text = "Cannot evict pod as it would violate the pod's disruption budget.";
    Status::new(429, Reason::TooManyRequests, text).with_details(Details {
        causes: vec![Cause {
            reason: "DisruptionBudget".to_owned(),
            message: why,
            field: String::new(),
        }],
        retry_after_seconds,
        ..Details::default()
    })
}

fn forbidden(name: &str, why: &str) -> Status {
    let text = format!("poddisruptionbudget.policy \"{name}\" is forbidden: {why}");
    Status::new(403, Reason::Forbidden, text).with_details(Details {
        name: name.to_owned(),
        group: "policy".to_owned(),
        kind: "poddisruptionbudget".to_owned(),
        ..Details::default()
    })
}
