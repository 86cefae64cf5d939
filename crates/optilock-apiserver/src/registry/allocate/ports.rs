//! Ports on the nodes: one key each.

use std::ops::RangeInclusive;

use bytes::Bytes;

use super::super::{Registry, Target, errors};
use super::Lease;
use crate::status::Status;
use crate::store::{CommitError, Expected};

/// The default range of kube-apiserver.
pub(super) const RANGE: RangeInclusive<i64> = 30_000..=32_767;

/// Why a port can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("provided port is already allocated")]
    Taken,
    #[error(
        "provided port is not in the valid range. The range of valid ports is {}-{}",
        RANGE.start(),
        RANGE.end()
    )]
    OutOfRange,
    /// The key can't be written.
    #[error(transparent)]
    Failed(Status),
}

/// The key that stands for a port. It is no object's.
pub(super) fn key(port: i64) -> String {
    format!("/registry/ranges/servicenodeports/{port}")
}

/// Takes this port for a Service.
pub(super) async fn take(
    registry: &Registry,
    service: &Target,
    port: i64,
    dry_run: bool,
    lease: &mut Lease,
) -> Result<(), Refusal> {
    if !RANGE.contains(&port) {
        return Err(Refusal::OutOfRange);
    }
    let key = key(port);
    if dry_run {
        return match registry.store.get(&key).await {
            Ok(None) => Ok(()),
            _ => Err(Refusal::Taken),
        };
    }
    let owner = Bytes::from(service.key());
    match registry
        .store
        .commit(&key, Expected::Absent, Some(owner))
        .await
    {
        Ok(_) => {
            lease.taken.push(key);
            Ok(())
        }
        Err(CommitError::Mismatch(_)) => Err(Refusal::Taken),
        Err(error) => Err(Refusal::Failed(errors::unwritten(&error))),
    }
}

/// Takes any port for a Service; `None` when none is left.
pub(super) async fn take_any(
    registry: &Registry,
    service: &Target,
    dry_run: bool,
    lease: &mut Lease,
) -> Result<Option<i64>, Status> {
    let count = RANGE.end() - RANGE.start() + 1;
    let last = u64::try_from(count - 1).unwrap_or_default();
    let first = i64::try_from(registry.ambient.between(0, last)).unwrap_or_default();
    for step in 0..count {
        let port = RANGE.start() + (first + step) % count;
        match take(registry, service, port, dry_run, lease).await {
            Ok(()) => return Ok(Some(port)),
            Err(Refusal::Failed(status)) => return Err(status),
            Err(Refusal::Taken | Refusal::OutOfRange) => {}
        }
    }
    Ok(None)
}
