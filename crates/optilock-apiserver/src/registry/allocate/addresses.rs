//! Addresses of Services: one IPAddress object each, as kube-apiserver's allocator makes them.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use serde_json::json;

use super::super::{Registry, Target, WriteOptions};
use super::Lease;
use crate::status::{Reason, Status};

/// `10.0.0.0/24`: the default range of kube-apiserver, without its first address (the network) and its last one.
const HOSTS: RangeInclusive<u8> = 1..=254;

/// The first addresses are left to those who ask for a certain one, as long as there are others.
const DYNAMIC: RangeInclusive<u8> = 16..=254;

/// What a dry run shows where it would take any address: the network itself, which is nobody's.
const NOBODYS: Ipv4Addr = address(0);

/// Why an address can't be taken.
#[derive(Debug)]
pub(super) enum Refusal {
    Taken,
    OutOfRange,
    /// The IPAddress can't be written.
    Failed(Status),
}

const fn address(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, host)
}

/// Key of the IPAddress that stands for an address.
pub(super) fn key(registry: &Registry, address: &str) -> Option<String> {
    Some(resource(registry, address)?.key())
}

fn resource(registry: &Registry, address: &str) -> Option<Target> {
    Some(Target {
        resource: registry.resource("networking.k8s.io", "v1", "ipaddresses")?,
        namespace: String::new(),
        name: address.to_owned(),
    })
}

/// Takes this address for a Service.
pub(super) async fn take(
    registry: &Registry,
    service: &Target,
    name: &str,
    address: IpAddr,
    dry_run: bool,
    lease: &mut Lease,
) -> Result<(), Refusal> {
    let in_range = match address {
        IpAddr::V4(v4) => {
            let [a, b, c, host] = v4.octets();
            [a, b, c] == [10, 0, 0] && HOSTS.contains(&host)
        }
        IpAddr::V6(_) => false,
    };
    let place = resource(registry, &address.to_string()).filter(|_| in_range);
    let Some(place) = place else {
        return Err(Refusal::OutOfRange);
    };
    let object = json!({
        "metadata": {
            "name": place.name,
            "labels": {
                "ipaddress.kubernetes.io/ip-family": crate::validation::addresses::family(address),
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": {"parentRef": {"resource": "services", "namespace": service.namespace, "name": name}},
    });
    let object = place.resource.complete(&object).map_err(Refusal::Failed)?;
    let options = WriteOptions {
        dry_run,
        ..WriteOptions::kube_apiserver()
    };
    // Boxed: a creation may allocate, and this one is part of an allocation.
    match Box::pin(registry.create(&place, object, &options)).await {
        Ok(_) => {
            if !dry_run {
                lease.taken.push(place.key());
            }
            Ok(())
        }
        Err(status) if status.reason == Reason::AlreadyExists => Err(Refusal::Taken),
        Err(status) => Err(Refusal::Failed(status)),
    }
}

/// Takes any address for a Service; `None` when none is left.
pub(super) async fn take_any(
    registry: &Registry,
    service: &Target,
    name: &str,
    dry_run: bool,
    lease: &mut Lease,
) -> Result<Option<IpAddr>, Status> {
    if dry_run {
        return Ok(Some(NOBODYS.into()));
    }
    let (low, high) = (u64::from(*DYNAMIC.start()), u64::from(*DYNAMIC.end()));
    let first = u8::try_from(registry.ambient.between(low, high)).unwrap_or(*DYNAMIC.start());
    let order = (first..=*DYNAMIC.end())
        .chain(*DYNAMIC.start()..first)
        .chain(*HOSTS.start()..*DYNAMIC.start());
    for host in order {
        let candidate = address(host);
        // A look is cheaper than an attempt.
        let known = match key(registry, &candidate.to_string()) {
            Some(key) => registry.store.get(&key).await,
            None => Ok(None),
        };
        if matches!(known, Ok(Some(_))) {
            continue;
        }
        match take(registry, service, name, candidate.into(), false, lease).await {
            Ok(()) => return Ok(Some(candidate.into())),
            Err(Refusal::Failed(status)) => return Err(status),
            Err(Refusal::Taken | Refusal::OutOfRange) => {}
        }
    }
    Ok(None)
}
