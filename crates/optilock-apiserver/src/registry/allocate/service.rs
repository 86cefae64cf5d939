//! What a Service needs: addresses, ports on the nodes, and a port for health checks.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::super::object::{member_mut, meta_str, root_mut};
use super::super::{Registry, Target, errors};
use super::{Lease, addresses, families, ports};
use crate::status::{Cause, Details, Reason, Status};
use crate::validation::addresses::HEADLESS;
use crate::validation::{Path, field, service_addresses};

type Spec = Map<String, Value>;

/// Whether a Service of that type has something.
type Has = fn(&Spec) -> bool;

/// Provides one write of a Service with what it needs.
pub(super) struct Provider<'a> {
    pub(super) registry: &'a Registry,
    pub(super) target: &'a Target,
    pub(super) dry_run: bool,
}

fn text<'a>(spec: &'a Spec, name: &str) -> &'a str {
    spec.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or(0)
}

fn items<'a>(spec: &'a Spec, name: &str) -> &'a [Value] {
    let list = spec.get(name).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn has_address(spec: &Spec) -> bool {
    text(spec, "type") != "ExternalName"
}

fn has_node_ports(spec: &Spec) -> bool {
    matches!(text(spec, "type"), "NodePort" | "LoadBalancer")
}

/// Whether ports that nobody asks for are given.
fn wants_node_ports(spec: &Spec) -> bool {
    let declined = spec.get("allocateLoadBalancerNodePorts") == Some(&Value::Bool(false));
    match text(spec, "type") {
        "NodePort" => true,
        "LoadBalancer" => !declined,
        _ => false,
    }
}

fn has_health_port(spec: &Spec) -> bool {
    text(spec, "type") == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

/// The node ports of a Service, and its port for health checks.
fn node_ports(spec: &Spec) -> BTreeSet<i64> {
    items(spec, "ports")
        .iter()
        .map(|port| number(port, "nodePort"))
        .filter(|port| *port != 0)
        .collect()
}

fn health_port(spec: &Spec) -> i64 {
    let port = spec.get("healthCheckNodePort").and_then(Value::as_i64);
    port.unwrap_or(0)
}

/// The keys of all that a Service holds.
pub(super) fn held(registry: &Registry, spec: &Value) -> Vec<String> {
    let Some(spec) = spec.as_object() else {
        return Vec::new();
    };
    let addresses = items(spec, "clusterIPs")
        .iter()
        .filter_map(Value::as_str)
        .filter(|address| *address != HEADLESS)
        .filter_map(|address| addresses::key(registry, address));
    let mut all = node_ports(spec);
    all.insert(health_port(spec));
    all.remove(&0);
    addresses.chain(all.into_iter().map(ports::key)).collect()
}

/// What a type does not have and an update leaves as it was goes away when the type changes.
const DEPENDENT: &[(Has, &[&str])] = &[
    (
        has_address,
        &[
            "clusterIP",
            "clusterIPs",
            "ipFamilies",
            "ipFamilyPolicy",
            "internalTrafficPolicy",
        ],
    ),
    (has_health_port, &["healthCheckNodePort"]),
    (
        |spec| {
            has_node_ports(spec) || (has_address(spec) && !items(spec, "externalIPs").is_empty())
        },
        &["externalTrafficPolicy"],
    ),
    (
        |spec| text(spec, "type") == "LoadBalancer",
        &["allocateLoadBalancerNodePorts", "loadBalancerClass"],
    ),
];

fn drop_dependent(spec: &mut Spec, old: &Spec) {
    for (has, members) in DEPENDENT {
        if has(old) && !has(spec) {
            for member in *members {
                if spec.get(*member) == old.get(*member) {
                    spec.remove(*member);
                }
            }
        }
    }
    if has_node_ports(old) && !has_node_ports(spec) && node_ports(old) == node_ports(spec) {
        for port in each_port(spec) {
            port.remove("nodePort");
        }
    }
}

fn each_port(spec: &mut Spec) -> impl Iterator<Item = &mut Spec> {
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
    ports.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Keeps the ports that an update leaves out, by the name of the port.
fn carry_ports(spec: &mut Spec, old: &Spec) {
    if has_node_ports(old) && has_node_ports(spec) {
        let used: BTreeSet<i64> = node_ports(old)
            .intersection(&node_ports(spec))
            .copied()
            .collect();
        for port in each_port(spec) {
            let unset = port.get("nodePort").is_none_or(|port| *port == 0);
            let before = items(old, "ports")
                .iter()
                .find(|before| before["name"].as_str() == port.get("name").and_then(Value::as_str))
                .map_or(0, |before| number(before, "nodePort"));
            if unset && before != 0 && !used.contains(&before) {
                port.insert("nodePort".into(), before.into());
            }
        }
    }
    if has_health_port(old) && has_health_port(spec) && health_port(spec) == 0 {
        let before = health_port(old);
        if before != 0 {
            spec.insert("healthCheckNodePort".into(), before.into());
        }
    }
}

impl Provider<'_> {
    pub(super) async fn provide(
        &self,
        service: &mut Value,
        old: Option<&Value>,
        lease: &mut Lease,
    ) -> Result<(), Status> {
        let name = meta_str(service, "name").to_owned();
        let spec = member_mut(root_mut(service), "spec");
        let old = old.and_then(|old| old["spec"].as_object());
        if let Some(old) = old {
            drop_dependent(spec, old);
            carry_ports(spec, old);
        }
        let addressed = old.filter(|old| has_address(old));
        families::carry_over(spec, addressed.filter(|_| has_address(spec)));
        if has_address(spec) {
            self.refuse(&name, &service_addresses(spec))?;
            let problems = families::complete(spec);
            self.refuse(&name, &problems)?;
            if addressed.is_none() && text(spec, "clusterIP") != HEADLESS {
                self.take_addresses(spec, &name, lease).await?;
            }
        }
        self.take_ports(spec, &name, old, lease).await?;
        self.take_health_port(spec, old, lease).await?;
        if let Some(old) = old {
            let registry = self.registry;
            let before = held(registry, &Value::Object(old.clone()));
            let after = held(registry, &Value::Object(spec.clone()));
            let surplus = before.into_iter().filter(|key| !after.contains(key));
            lease.surplus.extend(surplus);
        }
        Ok(())
    }

    fn refuse(&self, name: &str, problems: &[field::Error]) -> Result<(), Status> {
        if problems.is_empty() {
            return Ok(());
        }
        Err(errors::invalid(&self.target.resource, name, problems))
    }

    async fn take_addresses(
        &self,
        spec: &mut Spec,
        name: &str,
        lease: &mut Lease,
    ) -> Result<(), Status> {
        let (registry, target) = (self.registry, self.target);
        let asked = items(spec, "clusterIPs").to_vec();
        let path = Path::new("spec");
        let path = path.child("clusterIPs");
        if asked.is_empty() {
            let taken = addresses::take_any(registry, target, name, self.dry_run, lease).await;
            let taken = match taken {
                // No IPAddress can be written for this Service: most likely for its name.
                Err(status) if status.reason == Reason::Invalid => {
                    let complaint = format!("failed to allocate IP: {}", status.message);
                    let shown = json!([""]);
                    return self.refuse(name, &[field::Error::invalid(&path, &shown, complaint)]);
                }
                taken => taken?,
            };
            let Some(address) = taken else {
                return Err(internal("failed to allocate a serviceIP: range is full"));
            };
            spec.insert("clusterIP".into(), address.to_string().into());
            spec.insert("clusterIPs".into(), json!([address.to_string()]));
            return Ok(());
        }
        let parsed = asked.iter().filter_map(Value::as_str);
        for address in parsed.filter_map(|text| text.parse::<IpAddr>().ok()) {
            let taken = addresses::take(registry, target, name, address, self.dry_run, lease).await;
            let why = match taken {
                Ok(()) => continue,
                Err(addresses::Refusal::Taken) => "provided IP is already allocated".to_owned(),
                Err(addresses::Refusal::OutOfRange) => {
                    "the provided network does not match the current range".to_owned()
                }
                Err(addresses::Refusal::Failed(status)) if status.reason == Reason::Invalid => {
                    status.message
                }
                Err(addresses::Refusal::Failed(status)) => return Err(status),
            };
            let complaint = format!("failed to allocate IP {address}: {why}");
            let shown = Value::from(asked);
            return self.refuse(name, &[field::Error::invalid(&path, &shown, complaint)]);
        }
        Ok(())
    }

    async fn take_ports(
        &self,
        spec: &mut Spec,
        name: &str,
        old: Option<&Spec>,
        lease: &mut Lease,
    ) -> Result<(), Status> {
        if !has_node_ports(spec) {
            return Ok(());
        }
        let mut mine = old.map(node_ports).unwrap_or_default();
        let asked: Vec<i64> = items(spec, "ports")
            .iter()
            .map(|port| number(port, "nodePort"))
            .collect();
        // First what is asked for, so that nothing of it is given away.
        for (at, port) in asked.iter().enumerate().filter(|(_, port)| **port != 0) {
            if mine.contains(port) {
                continue;
            }
            let taken = ports::take(self.registry, self.target, *port, self.dry_run, lease).await;
            if let Err(refusal) = taken {
                if let ports::Refusal::Failed(status) = refusal {
                    return Err(status);
                }
                let spec = Path::new("spec");
                let path = spec.child("ports");
                let path = path.index(at);
                let path = path.child("nodePort");
                let problem = field::Error::invalid(&path, *port, refusal.to_string());
                return self.refuse(name, &[problem]);
            }
            mine.insert(*port);
        }
        if !wants_node_ports(spec) {
            return Ok(());
        }
        // One port of the Service with several protocols is one port of the nodes.
        let mut given: Vec<(i64, String, i64)> = Vec::new();
        let protocol = |port: &Spec| text(port, "protocol").to_owned();
        for port in each_port(spec) {
            let service_port = port.get("port").and_then(Value::as_i64).unwrap_or(0);
            let node_port = port.get("nodePort").and_then(Value::as_i64).unwrap_or(0);
            if node_port != 0 {
                given.push((service_port, protocol(port), node_port));
                continue;
            }
            let shared = given
                .iter()
                .find(|(number, of, _)| *number == service_port && *of != protocol(port))
                .map(|(_, _, node_port)| *node_port);
            let node_port = match shared {
                Some(node_port) => node_port,
                None => ports::take_any(self.registry, self.target, self.dry_run, lease)
                    .await?
                    .ok_or_else(|| internal("failed to allocate a nodePort: range is full"))?,
            };
            given.push((service_port, protocol(port), node_port));
            port.insert("nodePort".into(), node_port.into());
        }
        Ok(())
    }

    async fn take_health_port(
        &self,
        spec: &mut Spec,
        old: Option<&Spec>,
        lease: &mut Lease,
    ) -> Result<(), Status> {
        if !has_health_port(spec) || old.is_some_and(|old| health_port(old) != 0) {
            return Ok(());
        }
        let port = health_port(spec);
        let (registry, target) = (self.registry, self.target);
        if port != 0 {
            let taken = ports::take(registry, target, port, self.dry_run, lease).await;
            return taken.map_err(|refusal| match refusal {
                ports::Refusal::Failed(status) => status,
                refusal => internal(&format!(
                    "failed to allocate requested HealthCheck NodePort {port}: {refusal}"
                )),
            });
        }
        let port = ports::take_any(registry, target, self.dry_run, lease).await?;
        let port = port
            .ok_or_else(|| internal("failed to allocate a HealthCheck NodePort: range is full"))?;
        spec.insert("healthCheckNodePort".into(), port.into());
        Ok(())
    }
}

fn internal(why: &str) -> Status {
    let text = format!("Internal error occurred: {why}");
    Status::new(500, Reason::InternalError, text).with_details(Details {
        causes: vec![Cause {
            message: why.to_owned(),
            ..Cause::default()
        }],
        ..Details::default()
    })
}
