//! The IP families of a Service, and its addresses as far as they follow from what it says and was.
//!
//! This server has one family, IPv4, as a control plane without further settings.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::validation::addresses::{HEADLESS, family};
use crate::validation::{Path, field};

/// The one family that there are addresses of.
const FAMILY: &str = "IPv4";
const OTHER_FAMILY: &str = "IPv6";

fn text<'a>(spec: &'a Map<String, Value>, name: &str) -> &'a str {
    spec.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list(spec: &Map<String, Value>, name: &str) -> Vec<Value> {
    spec.get(name)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

/// Keeps what an update leaves out, and `clusterIP` and the first of `clusterIPs` the same.
pub(super) fn carry_over(spec: &mut Map<String, Value>, old: Option<&Map<String, Value>>) {
    if let Some(old) = old {
        if text(spec, "clusterIP").is_empty() && list(spec, "clusterIPs") == list(old, "clusterIPs")
        {
            spec.remove("clusterIPs");
        }
        if text(spec, "clusterIP").is_empty() && list(spec, "clusterIPs").is_empty() {
            copy(spec, old, "clusterIP");
        }
        if list(spec, "clusterIPs").is_empty() && text(spec, "clusterIP") == text(old, "clusterIP")
        {
            copy(spec, old, "clusterIPs");
        }
        if list(spec, "ipFamilies").is_empty() {
            copy(spec, old, "ipFamilies");
        }
        if text(spec, "ipFamilyPolicy").is_empty() {
            copy(spec, old, "ipFamilyPolicy");
        }
        // Whoever knows `clusterIP` only has changed that only.
        let first = text(spec, "clusterIP").to_owned();
        let mut all = list(spec, "clusterIPs");
        if !first.is_empty()
            && first != text(old, "clusterIP")
            && !all.is_empty()
            && all == list(old, "clusterIPs")
        {
            all[0] = first.into();
            spec.insert("clusterIPs".into(), all.into());
        }
    }
    let first = text(spec, "clusterIP").to_owned();
    if !first.is_empty() && list(spec, "clusterIPs").is_empty() {
        spec.insert("clusterIPs".into(), json!([first]));
    }
}

fn copy(spec: &mut Map<String, Value>, old: &Map<String, Value>, name: &str) {
    if let Some(value) = old.get(name) {
        spec.insert(name.to_owned(), value.clone());
    }
}

/// Fills in the families and the policy.
pub(super) fn complete(spec: &mut Map<String, Value>) -> Vec<field::Error> {
    let mut errors = Vec::new();
    let root = Path::new("spec");
    let addresses = list(spec, "clusterIPs");
    let mut families = list(spec, "ipFamilies");
    let path = root.child("clusterIPs");
    for (at, address) in addresses.iter().enumerate().skip(families.len()) {
        let Some(address) = address
            .as_str()
            .and_then(|text| text.parse::<IpAddr>().ok())
        else {
            continue;
        };
        let family = family(address);
        if family == FAMILY {
            families.push(family.into());
        } else {
            let complaint = format!("{family} is not configured on this cluster");
            let shown = Value::from(addresses.clone());
            errors.push(field::Error::invalid(&path.index(at), &shown, complaint));
        }
    }
    if !errors.is_empty() {
        return errors;
    }
    let policy = text(spec, "ipFamilyPolicy").to_owned();
    let asked = families.len();
    if families.is_empty() {
        families.push(FAMILY.into());
    }
    let selects = spec
        .get("selector")
        .and_then(Value::as_object)
        .is_some_and(|selector| !selector.is_empty());
    let policy = if text(spec, "clusterIP") == HEADLESS && !selects {
        // Somebody else says where its endpoints are: they may be of both families.
        if policy != "SingleStack" && families.len() == 1 {
            let other = if families[0] == FAMILY {
                OTHER_FAMILY
            } else {
                FAMILY
            };
            families.push(other.into());
        }
        if policy.is_empty() {
            "RequireDualStack".to_owned()
        } else {
            policy
        }
    } else {
        let policy = match &*policy {
            "" if addresses.len() > 1 || asked > 1 => "RequireDualStack".to_owned(),
            "" => "SingleStack".to_owned(),
            _ => policy,
        };
        if policy == "RequireDualStack" {
            let complaint = "this cluster is not configured for dual-stack services";
            let path = root.child("ipFamilyPolicy");
            errors.push(field::Error::invalid(&path, policy.as_str(), complaint));
        }
        let path = root.child("ipFamilies");
        for (at, family) in families.iter().enumerate().filter(|(_, f)| **f != FAMILY) {
            let complaint = "not configured on this cluster";
            errors.push(field::Error::invalid(&path.index(at), family, complaint));
        }
        policy
    };
    spec.insert("ipFamilies".into(), families.into());
    spec.insert("ipFamilyPolicy".into(), policy.into());
    errors
}
