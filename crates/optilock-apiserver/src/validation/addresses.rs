//! Rules of the addresses of Services, and of what goes with their types.

use std::net::IpAddr;

use serde_json::Value;

use super::field::{Error, ErrorList};
use super::metadata::IMMUTABLE;
use super::path::Path;
use super::walk::Scope;

/// What `clusterIP` says where there is no address on purpose.
pub(crate) const HEADLESS: &str = "None";

/// The IP family of an address.
pub(crate) fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// Addresses, their families and how many of them there are to be.
pub(super) fn cluster_ips(spec: &Scope<'_>, errors: &mut ErrorList) {
    if spec.text("type") == "ExternalName" {
        for name in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            let set = match spec.get(name) {
                None => false,
                Some(Value::Array(items)) => !items.is_empty(),
                Some(_) => true,
            };
            if set {
                let detail = "may not be set for ExternalName services";
                errors.push(Error::forbidden(&spec.path.child(name), detail));
            }
        }
        return;
    }
    families(spec, errors);
    let path = spec.path.child("clusterIPs");
    let (first, all) = (spec.text("clusterIP"), spec.items("clusterIPs"));
    let shown = || Value::from(all.to_vec());
    if !all.is_empty() {
        let complaint = if first.is_empty() {
            Some("must be empty when `clusterIP` is not specified")
        } else if all[0] != first {
            Some("first value must match `clusterIP`")
        } else {
            None
        };
        if let Some(complaint) = complaint {
            errors.push(Error::invalid(&path, &shown(), complaint));
        }
    }
    let mut parsed = Vec::new();
    for (at, text) in all
        .iter()
        .map(|ip| ip.as_str().unwrap_or_default())
        .enumerate()
    {
        if text == HEADLESS {
            if all.len() > 1 {
                let complaint = "'None' must be the first and only value";
                errors.push(Error::invalid(&path.index(at), text, complaint));
            }
            continue;
        }
        match text.parse::<IpAddr>() {
            Ok(address) => parsed.push((at, address)),
            Err(_) => {
                let complaint = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
                errors.push(Error::invalid(&path.index(at), text, complaint));
            }
        }
    }
    if all.len() > 2 {
        let complaint = "may only hold up to 2 values";
        errors.push(Error::invalid(&path, &shown(), complaint));
    }
    if parsed.len() < all.len() {
        return;
    }
    let of = |at: usize| family(parsed[at].1);
    if parsed.len() > 1 && of(0) == of(1) {
        let complaint = "may specify no more than one IP for each IP family";
        errors.push(Error::invalid(&path, &shown(), complaint));
    }
    for ((at, address), expected) in parsed.iter().zip(spec.items("ipFamilies")) {
        let expected = expected.as_str().unwrap_or_default();
        if expected != family(*address) {
            let complaint =
                format!("expected an {expected} value as indicated by `ipFamilies[{at}]`");
            let text = all[*at].as_str().unwrap_or_default();
            errors.push(Error::invalid(&path.index(*at), text, complaint));
        }
    }
}

fn families(spec: &Scope<'_>, errors: &mut ErrorList) {
    const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];
    let path = spec.path.child("ipFamilies");
    let families = spec.items("ipFamilies");
    for (at, family) in families.iter().enumerate() {
        let text = family.as_str().unwrap_or_default();
        if !FAMILIES.contains(&text) {
            errors.push(Error::not_supported(&path.index(at), text, &FAMILIES));
        }
        if families[..at].contains(family) {
            errors.push(Error::duplicate(&path.index(at), text));
        }
    }
}

/// Members that only some types have.
pub(super) fn by_type(spec: &Scope<'_>, errors: &mut ErrorList) {
    let kind = spec.text("type");
    let balanced = kind == "LoadBalancer";
    let outside = balanced
        || kind == "NodePort"
        || (kind == "ClusterIP" && !spec.items("externalIPs").is_empty());
    let policy = spec.text("externalTrafficPolicy");
    if !outside && !policy.is_empty() {
        let path = spec.path.child("externalTrafficPolicy");
        let complaint = "may only be set for externally-accessible services";
        errors.push(Error::invalid(&path, policy, complaint));
    }
    let health = spec.int("healthCheckNodePort").unwrap_or(0);
    if health != 0 && !(balanced && policy == "Local") {
        let path = spec.path.child("healthCheckNodePort");
        let complaint =
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.push(Error::invalid(&path, health, complaint));
    }
    for name in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
        if !balanced && spec.get(name).is_some() {
            let detail = "may only be used when `type` is 'LoadBalancer'";
            errors.push(Error::forbidden(&spec.path.child(name), detail));
        }
    }
}

/// Addresses and the port of health checks stay what they are.
pub(super) fn update(new: &Value, old: &Value, errors: &mut ErrorList) {
    const UNCHANGED: &str = "may not change once set";
    let (new, old) = (&new["spec"], &old["spec"]);
    let spec = Path::new("spec");
    let external = |spec: &Value| spec["type"] == "ExternalName";
    if !external(new) && !external(old) {
        for name in ["clusterIPs", "ipFamilies"] {
            let path = spec.child(name);
            let before = old[name].as_array().map_or(&[][..], Vec::as_slice);
            let after = new[name].as_array().map_or(&[][..], Vec::as_slice);
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                if before != after {
                    errors.push(Error::invalid(&path.index(at), &new[name], UNCHANGED));
                }
            }
        }
    }
    let number = |spec: &Value| spec["healthCheckNodePort"].as_i64().unwrap_or(0);
    if number(old) != 0 && number(new) != 0 && number(old) != number(new) {
        errors.push(Error::forbidden(
            &spec.child("healthCheckNodePort"),
            IMMUTABLE,
        ));
    }
    let both_balanced = new["type"] == "LoadBalancer" && old["type"] == "LoadBalancer";
    if both_balanced && new["loadBalancerClass"] != old["loadBalancerClass"] {
        let path = spec.child("loadBalancerClass");
        errors.push(Error::invalid(&path, &new["loadBalancerClass"], UNCHANGED));
    }
}
