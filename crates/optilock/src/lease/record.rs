//! What the fields of a Lease mean: the rules of client-go's leader election, without a clock or a network.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::Instant;

/// What a lease says while nobody holds it: the next one need not wait.
const FREE_SECONDS: i32 = 1;

/// What a candidate has seen of a lease, and when by its own clock.
///
/// The times in the lease are never compared with the own clock, which may be hours off: a holder is given
/// the lease's duration from the moment that its last change was *seen*.
#[derive(Debug, Default)]
pub(super) struct Observed(Option<(LeaseSpec, Instant)>);

impl Observed {
    /// Takes note of what the lease says now.
    pub(super) fn look(&mut self, spec: &LeaseSpec, now: Instant) {
        if self.0.as_ref().is_none_or(|(known, _)| known != spec) {
            self.0 = Some((spec.clone(), now));
        }
    }

    /// Who holds it, other than the candidate itself, and still may.
    pub(super) fn holder(&self, candidate: &str, now: Instant) -> Option<&str> {
        let (spec, seen) = self.0.as_ref()?;
        let holder = holder(spec).filter(|holder| *holder != candidate)?;
        let seconds = spec.lease_duration_seconds.unwrap_or(0);
        let duration = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        (now < *seen + duration).then_some(holder)
    }
}

/// Who holds a lease, whether or not it still may.
pub(super) fn holder(spec: &LeaseSpec) -> Option<&str> {
    let holder = spec.holder_identity.as_deref();
    holder.filter(|holder| !holder.is_empty())
}

/// The candidate takes the lease, or goes on holding it.
pub(super) fn take(spec: &mut LeaseSpec, candidate: &str, seconds: i32, now: MicroTime) {
    if holder(spec) != Some(candidate) {
        // client-go counts every change of hands, also from nobody, but not the first of all.
        spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |n| n.saturating_add(1)));
        spec.holder_identity = Some(candidate.to_owned());
        spec.acquire_time = Some(now.clone());
    }
    spec.lease_duration_seconds = Some(seconds);
    spec.renew_time = Some(now);
}

/// The holder gives the lease back.
pub(super) fn give_back(spec: &mut LeaseSpec, now: MicroTime) {
    spec.holder_identity = None;
    spec.lease_duration_seconds = Some(FREE_SECONDS);
    spec.acquire_time = Some(now.clone());
    spec.renew_time = Some(now);
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn at(second: i64) -> MicroTime {
        MicroTime(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn hands_are_counted_as_client_go_does() {
        let mut spec = LeaseSpec::default();
        take(&mut spec, "a", 15, at(1));
        assert_eq!(spec.lease_transitions, Some(0));
        take(&mut spec, "a", 15, at(2));
        assert_eq!(
            (spec.lease_transitions, &spec.acquire_time),
            (Some(0), &Some(at(1)))
        );
        assert_eq!(spec.renew_time, Some(at(2)));
        give_back(&mut spec, at(3));
        assert_eq!((holder(&spec), spec.lease_transitions), (None, Some(0)));
        take(&mut spec, "b", 15, at(4));
        assert_eq!(
            (holder(&spec), spec.lease_transitions),
            (Some("b"), Some(1))
        );
        take(&mut spec, "a", 15, at(5));
        assert_eq!(
            (holder(&spec), spec.lease_transitions),
            (Some("a"), Some(2))
        );
    }

    #[test]
    fn a_holder_has_its_time_from_when_it_was_seen() {
        let mut spec = LeaseSpec::default();
        // By its own clock it has long lost it.
        take(&mut spec, "a", 15, at(0));
        let start = Instant::now();
        let mut observed = Observed::default();
        observed.look(&spec, start);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(observed.holder("b", after(14)), Some("a"));
        assert_eq!(observed.holder("b", after(15)), None);
        assert_eq!(observed.holder("a", after(0)), None);
        // Seen again, it is no newer.
        observed.look(&spec, after(10));
        assert_eq!(observed.holder("b", after(15)), None);
        // Renewed, it is.
        take(&mut spec, "a", 15, at(1));
        observed.look(&spec, after(10));
        assert_eq!(observed.holder("b", after(24)), Some("a"));
        give_back(&mut spec, at(2));
        observed.look(&spec, after(20));
        assert_eq!(observed.holder("b", after(20)), None);
    }
}
