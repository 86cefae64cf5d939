//! Services, their endpoints and the ways to them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{
    NONE, Row, UNKNOWN, UNSET, labels, list, number, optional, or, shortened, text,
};

/// So many endpoints, ports or hosts are shown.
const SHOWN: usize = 3;

pub(super) fn service(row: Row<'_>) -> Vec<Value> {
    let ports: Vec<String> = row.list("/spec/ports").iter().map(service_port).collect();
    cells![
        row.name(),
        row.text("/spec/type"),
        row.list("/spec/clusterIPs").first().map_or(NONE, text),
        external_ip(row),
        or(&ports.join(","), NONE),
        row.age(),
        labels(row.at("/spec/selector")),
    ]
}

fn service_port(port: &Value) -> String {
    let (number_, protocol) = (number(&port["port"]), text(&port["protocol"]));
    match number(&port["nodePort"]) {
        0 => format!("{number_}/{protocol}"),
        node_port => format!("{number_}:{node_port}/{protocol}"),
    }
}

fn external_ip(row: Row<'_>) -> String {
    let external: Vec<&str> = row.list("/spec/externalIPs").iter().map(text).collect();
    match row.text("/spec/type") {
        "ClusterIP" | "NodePort" => or(&external.join(","), NONE).to_owned(),
        "LoadBalancer" => {
            let balancer = addresses(row);
            let all: Vec<&str> = balancer.iter().copied().chain(external).collect();
            or(&all.join(","), "<pending>").to_owned()
        }
        "ExternalName" => row.text("/spec/externalName").to_owned(),
        _ => UNKNOWN.to_owned(),
    }
}

/// The addresses of a load balancer, sorted: its IPs, or host names where it has none.
fn addresses<'a>(row: Row<'a>) -> BTreeSet<&'a str> {
    row.list("/status/loadBalancer/ingress")
        .iter()
        .map(|ingress| or(text(&ingress["ip"]), text(&ingress["hostname"])))
        .filter(|address| !address.is_empty())
        .collect()
}

pub(super) fn endpoints(row: Row<'_>) -> Vec<Value> {
    let subsets = row.list("/subsets");
    let mut all = Vec::new();
    for subset in subsets {
        let addresses = list(&subset["addresses"])
            .iter()
            .map(|address| text(&address["ip"]));
        let ports = list(&subset["ports"]);
        if ports.is_empty() {
            // A headless service may have no ports.
            all.extend(addresses.clone().map(str::to_owned));
        }
        for port in ports {
            all.extend(
                addresses
                    .clone()
                    .map(|ip| host_and_port(ip, number(&port["port"]))),
            );
        }
    }
    let shown = if subsets.is_empty() {
        NONE.to_owned()
    } else {
        shortened(&all, SHOWN, ",")
    };
    cells![row.name(), shown, row.age()]
}

fn host_and_port(ip: &str, port: i64) -> String {
    if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    }
}

pub(super) fn endpoint_slice(row: Row<'_>) -> Vec<Value> {
    let ports: Vec<String> = row
        .list("/ports")
        .iter()
        .map(|port| match port["port"].as_i64() {
            Some(number) => number.to_string(),
            None => optional(&port["name"], "*").to_owned(),
        })
        .collect();
    let addresses: Vec<String> = row
        .list("/endpoints")
        .iter()
        .flat_map(|endpoint| list(&endpoint["addresses"]))
        .map(|address| text(address).to_owned())
        .collect();
    cells![
        row.name(),
        row.text("/addressType"),
        or(&shortened(&ports, SHOWN, ","), UNSET),
        or(&shortened(&addresses, SHOWN, ","), UNSET),
        row.age(),
    ]
}

pub(super) fn ingress(row: Row<'_>) -> Vec<Value> {
    let addresses: Vec<&str> = addresses(row).into_iter().collect();
    cells![
        row.name(),
        optional(row.at("/spec/ingressClassName"), NONE),
        hosts(row.list("/spec/rules")),
        addresses.join(","),
        if row.list("/spec/tls").is_empty() {
            "80"
        } else {
            "80, 443"
        },
        row.age(),
    ]
}

/// The hosts of the first rules that have one, and how many rules there are beyond [`SHOWN`].
fn hosts(rules: &[Value]) -> String {
    let mut shown = Vec::new();
    let mut more = false;
    for rule in rules {
        if shown.len() == SHOWN {
            more = true;
            break;
        }
        let host = text(&rule["host"]);
        if !host.is_empty() {
            shown.push(host);
        }
    }
    match shown.as_slice() {
        [] => "*".to_owned(),
        hosts if more => format!("{} + {} more...", hosts.join(","), rules.len() - SHOWN),
        hosts => hosts.join(","),
    }
}

pub(super) fn ingress_class(row: Row<'_>) -> Vec<Value> {
    let parameters = row.at("/spec/parameters");
    let shown = if parameters.is_null() {
        NONE.to_owned()
    } else {
        let group = parameters["apiGroup"]
            .as_str()
            .map(|group| format!(".{group}"));
        let (kind, name) = (text(&parameters["kind"]), text(&parameters["name"]));
        format!("{kind}{}/{name}", group.unwrap_or_default())
    };
    let default = row.annotation("ingressclass.kubernetes.io/is-default-class") == Some("true");
    let name = format!("{}{}", row.name(), if default { " (default)" } else { "" });
    cells![name, row.text("/spec/controller"), shown, row.age()]
}

pub(super) fn network_policy(row: Row<'_>) -> Vec<Value> {
    let selector = match row.at("/spec/podSelector") {
        // Held by value: a missing one is empty.
        Value::Null => NONE.to_owned(),
        _ => row.selector("/spec/podSelector"),
    };
    cells![row.name(), selector, row.age()]
}

pub(super) fn service_cidr(row: Row<'_>) -> Vec<Value> {
    let cidrs: Vec<&str> = row.list("/spec/cidrs").iter().map(text).collect();
    cells![row.name(), cidrs.join(","), row.age()]
}

/// There is one more cell than there are columns, as in kube-apiserver.
pub(super) fn ip_address(row: Row<'_>) -> Vec<Value> {
    let parent = row.at("/spec/parentRef");
    let shown = if parent.is_null() {
        NONE.to_owned()
    } else {
        let (group, namespace) = (text(&parent["group"]), text(&parent["namespace"]));
        let mut shown = text(&parent["resource"]).to_lowercase();
        if !group.is_empty() {
            shown = format!("{shown}.{}", group.to_lowercase());
        }
        if !namespace.is_empty() {
            shown = format!("{shown}/{namespace}");
        }
        format!("{shown}/{}", text(&parent["name"]))
    };
    cells![row.name(), shown, row.age()]
}
