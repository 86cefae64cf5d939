//! Pods, whose status is made from that of their containers.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::Value;

use super::cells;
use crate::discovery::table::duration;
use crate::discovery::table::row::{NONE, Row, at, condition, flag, instant, number, or, text};

/// The end of a pod, which `kubectl` may filter rows by.
pub(super) fn conditions(row: Row<'_>) -> Option<&'static str> {
    match row.text("/status/phase") {
        "Succeeded" => Some(
            r#"[{"type":"Completed","status":"True","reason":"Succeeded","message":"The pod has completed successfully."}]"#,
        ),
        "Failed" => Some(
            r#"[{"type":"Completed","status":"True","reason":"Failed","message":"The pod failed."}]"#,
        ),
        _ => None,
    }
}

pub(super) fn pod(row: Row<'_>) -> Vec<Value> {
    let summary = Summary::of(row);
    cells![
        row.name(),
        format!("{}/{}", summary.ready, summary.total),
        summary.reason,
        summary.restarts.shown(row.now),
        row.age(),
        or(row.text("/status/podIPs/0/ip"), NONE),
        or(row.text("/spec/nodeName"), NONE),
        or(row.text("/status/nominatedNodeName"), NONE),
        readiness_gates(row),
    ]
}

fn readiness_gates(row: Row<'_>) -> String {
    let gates = row.list("/spec/readinessGates");
    if gates.is_empty() {
        return NONE.to_owned();
    }
    let conditions = row.list("/status/conditions");
    let open = |gate: &&Value| holds(conditions, text(&gate["conditionType"]));
    format!("{}/{}", gates.iter().filter(open).count(), gates.len())
}

/// Whether the first condition of a type is true.
fn holds(conditions: &[Value], kind: &str) -> bool {
    condition(conditions, kind).is_some_and(|condition| condition["status"] == "True")
}

/// How often containers were restarted, and when the last of them ended.
#[derive(Debug, Default, Clone, Copy)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += number(&status["restartCount"]);
        let ended = instant(at(status, "/lastState/terminated/finishedAt"));
        self.last = self.last.max(ended);
    }

    fn shown(self, now: Timestamp) -> String {
        match self.last {
            Some(last) if self.count != 0 => {
                format!(
                    "{} ({} ago)",
                    self.count,
                    duration::human(now.duration_since(last))
                )
            }
            _ => self.count.to_string(),
        }
    }
}

/// What the cells of a pod say about its containers.
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: Restarts,
}

impl Summary {
    fn of(row: Row<'_>) -> Self {
        let conditions = row.list("/status/conditions");
        let gated = |condition: &Value| {
            condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated"
        };
        let reason = if conditions.iter().any(gated) {
            "SchedulingGated"
        } else {
            or(row.text("/status/reason"), row.text("/status/phase"))
        };
        let sidecars: HashSet<&str> = row
            .list("/spec/initContainers")
            .iter()
            .filter(|container| container["restartPolicy"] == "Always")
            .map(|container| text(&container["name"]))
            .collect();
        let mut summary = Self {
            ready: 0,
            total: row.list("/spec/containers").len() + sidecars.len(),
            reason: reason.to_owned(),
            restarts: Restarts::default(),
        };
        let mut of_sidecars = Restarts::default();
        let initializing = summary.init_containers(row, &sidecars, &mut of_sidecars);
        if !initializing || holds(conditions, "Initialized") {
            summary.restarts = of_sidecars;
            summary.containers(
                row.list("/status/containerStatuses"),
                holds(conditions, "Ready"),
            );
        }
        if row.is_deleted() {
            if row.at("/status/reason") == "NodeLost" {
                summary.reason = "Unknown".to_owned();
            } else if !matches!(row.text("/status/phase"), "Succeeded" | "Failed") {
                summary.reason = "Terminating".to_owned();
            }
        }
        summary
    }

    /// Goes through the init containers up to the first that is at work; whether there is one.
    fn init_containers(
        &mut self,
        row: Row<'_>,
        sidecars: &HashSet<&str>,
        of_sidecars: &mut Restarts,
    ) -> bool {
        for (index, status) in row.list("/status/initContainerStatuses").iter().enumerate() {
            self.restarts.add(status);
            let sidecar = sidecars.contains(text(&status["name"]));
            if sidecar {
                of_sidecars.add(status);
            }
            let terminated = at(status, "/state/terminated");
            if !terminated.is_null() && number(&terminated["exitCode"]) == 0 {
                continue;
            }
            if sidecar && flag(&status["started"]) {
                self.ready += usize::from(flag(&status["ready"]));
                continue;
            }
            let waiting = text(at(status, "/state/waiting/reason"));
            let reason = if !terminated.is_null() {
                end_of(terminated)
            } else if !matches!(waiting, "" | "PodInitializing") {
                waiting.to_owned()
            } else {
                format!("{index}/{}", row.list("/spec/initContainers").len())
            };
            self.reason = format!("Init:{reason}");
            return true;
        }
        false
    }

    fn containers(&mut self, statuses: &[Value], pod_is_ready: bool) {
        let mut running = false;
        let mut failure = None;
        // The first container has the last word.
        for status in statuses.iter().rev() {
            self.restarts.add(status);
            let terminated = at(status, "/state/terminated");
            let waiting = text(at(status, "/state/waiting/reason"));
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if !terminated.is_null() {
                self.reason = end_of(terminated);
                if number(&terminated["exitCode"]) != 0 {
                    failure = Some(self.reason.clone());
                }
            } else if flag(&status["ready"]) && !at(status, "/state/running").is_null() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason != "Completed" {
            return;
        }
        // One container is done, but the pod is not.
        if running && pod_is_ready {
            self.reason = "Running".to_owned();
        } else if let Some(failure) = failure {
            self.reason = failure;
        } else if running {
            self.reason = "NotReady".to_owned();
        }
    }
}

/// Why a container ended: its reason, its signal or its exit code.
fn end_of(terminated: &Value) -> String {
    match (text(&terminated["reason"]), number(&terminated["signal"])) {
        ("", 0) => format!("ExitCode:{}", number(&terminated["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}
