//! What the status of namespaces and services may say.

use std::net::IpAddr;

use serde_json::Value;

use super::field::{Error, ErrorList};
use super::format;
use super::path::Path;
use super::walk::formatted;

/// The phase of a namespace follows from whether it is being deleted. The path is written as kube-apiserver writes it.
pub(crate) fn namespace(new: &Value, _: &Value, errors: &mut ErrorList) {
    let phase = new["status"]["phase"].as_str().unwrap_or_default();
    let (only, complaint) = if new["metadata"]["deletionTimestamp"].is_null() {
        (
            "Active",
            "may only be 'Active' if `deletionTimestamp` is empty",
        )
    } else {
        (
            "Terminating",
            "may only be 'Terminating' if `deletionTimestamp` is not empty",
        )
    };
    if phase != only {
        let path = Path::new("status");
        errors.push(Error::invalid(&path.child("Phase"), phase, complaint));
    }
}

/// Where a load balancer can be reached, of a service that has one.
pub(crate) fn service(new: &Value, _: &Value, errors: &mut ErrorList) {
    let path = Path::new("status");
    let path = path.child("loadBalancer");
    let path = path.child("ingress");
    let points = new["status"]["loadBalancer"]["ingress"].as_array();
    let Some(points) = points.filter(|points| !points.is_empty()) else {
        return;
    };
    if new["spec"]["type"] != "LoadBalancer" {
        let detail = "may only be used when `spec.type` is 'LoadBalancer'";
        errors.push(Error::forbidden(&path, detail));
        return;
    }
    for (at, point) in points.iter().enumerate() {
        let path = path.index(at);
        let text = |name: &str| point[name].as_str().unwrap_or_default();
        if !text("ip").is_empty() {
            formatted(text("ip"), format::ip, &path.child("ip"), errors);
        }
        let mode = text("ipMode");
        if !matches!(mode, "" | "Proxy" | "VIP") {
            errors.push(Error::not_supported(
                &path.child("ipMode"),
                mode,
                &["Proxy", "VIP"],
            ));
        }
        let (name, path) = (text("hostname"), path.child("hostname"));
        if name.parse::<IpAddr>().is_ok() {
            errors.push(Error::invalid(
                &path,
                name,
                "must be a DNS name, not an IP address",
            ));
        } else if !name.is_empty() {
            formatted(name, format::dns1123_subdomain, &path, errors);
        }
    }
}
