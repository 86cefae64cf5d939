//! When a machine has to wake up.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// After so long without a request a machine sleeps.
const DOZES: Duration = Duration::from_millis(1);

/// Whether anybody has asked within the last moment.
#[derive(Debug)]
pub(super) struct Wake {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    under_way: usize,
    /// When the last one has ended.
    ended: Option<Instant>,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct UnderWay<'a>(&'a Wake);

impl Default for Wake {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                under_way: 0,
                ended: None,
            }),
        }
    }
}

impl Wake {
    /// Somebody asks; whether the machine has slept.
    pub(super) fn ask(&self) -> (bool, UnderWay<'_>) {
        let mut state = self.state.lock();
        let has_slept =
            state.under_way == 0 && state.ended.is_none_or(|ended| ended.elapsed() > DOZES);
        state.under_way += 1;
        (has_slept, UnderWay(self))
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.under_way -= 1;
        state.ended = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_machine_sleeps_when_nobody_has_asked_for_a_while() {
        let wake = Wake::default();
        let (slept, first) = wake.ask();
        assert!(slept);
        advance(DOZES * 5).await;
        let (slept, second) = wake.ask();
        assert!(!slept, "the first is under way");
        drop((first, second));
        advance(DOZES).await;
        let (slept, third) = wake.ask();
        assert!(!slept);
        drop(third);
        advance(DOZES * 2).await;
        assert!(wake.ask().0);
    }
}
