//! Which request meets which fault.

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{Fault, Leg};
use crate::route::Route;

/// Rules with their counts, and the randomness that decides.
#[derive(Debug)]
pub(super) struct Draw {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Each with how many requests it could have happened to so far.
    rules: Vec<(Fault, u64)>,
    rng: StdRng,
}

impl Draw {
    pub(super) fn new(faults: impl IntoIterator<Item = Fault>, seed: u64) -> Self {
        Self {
            state: Mutex::new(State {
                rules: faults.into_iter().map(|fault| (fault, 0)).collect(),
                rng: StdRng::seed_from_u64(seed),
            }),
        }
    }

    /// What happens to this request: the first rule that fits and strikes.
    pub(super) fn fault(&self, route: &Route) -> Option<Fault> {
        let State { rules, rng } = &mut *self.state.lock();
        let mut struck = None;
        for (fault, met) in rules.iter_mut().filter(|(fault, _)| fault.fits(route)) {
            *met += 1;
            let strikes =
                fault.nth.is_none_or(|nth| nth == *met) && rng.random_bool(fault.probability);
            if strikes && struck.is_none() {
                struck = Some(fault.clone());
            }
        }
        struck
    }

    /// The time of one way.
    pub(super) fn travel(&self, leg: Leg) -> std::time::Duration {
        leg.sample(&mut self.state.lock().rng)
    }
}
