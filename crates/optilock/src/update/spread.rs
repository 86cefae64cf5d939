//! How long an update waits after a conflict when nobody says otherwise.

use std::time::Duration;

use crate::engine::Pace;

/// Waits that are random over a range, which first grows with the conflicts and then shrinks again, and
/// end by no count.
///
/// Of several writers that collide one always wins, so giving up after a number of attempts only turns
/// contention into lost updates; what bounds an update is its deadline. What sleeping buys is fewer
/// requests: the writers should be spread over about as many windows as there are writers, a window
/// being the time from the read to the arrival of the write. Nobody knows how many there are, so the
/// first conflicts make the range longer, and it is measured in windows as this writer sees them: they
/// are 1 ms on a loopback and 20 ms on a distant cluster, and they grow when the server is busy.
///
/// A range that went on growing would punish who has waited longest, and leave the server idle when
/// most are done. So from the third conflict on it shrinks: the older a waiter, the sooner its turn.
///
/// The sleep is uniform from zero to the range, for a sleep that is the same for all only moves the
/// collision. The figures are from a simulation of bursts (each writer once, all at once, 0.5 to 3 ms for
/// every way of a message), in which 5, 50, 200 and 500 writers took 3.7, 5.6, 7.8 and 10.8 requests for
/// an update; growth by half without an end took 3.7, 7.0, 10.8 and 14.3, and at 500 nearly twice the
/// time.
pub(crate) struct Spread<R> {
    random: R,
    conflicts: i32,
}

/// The first range, in windows.
const FIRST: f64 = 12.0;
/// What the range is multiplied by while it grows.
const GROWTH: f64 = 3.0;
/// The number of the longest range, from one.
const LONGEST: i32 = 3;
/// What the range is multiplied by after that.
const SHRINKAGE: f64 = 0.9;
/// The range that it shrinks to, in windows.
const LAST: f64 = 16.0;
/// The shortest window: timers are no finer.
const SHORTEST_WINDOW: Duration = Duration::from_millis(1);
/// The longest range: with more writers than that spreads, waiting longer only makes the unlucky wait.
const LONGEST_RANGE: Duration = Duration::from_secs(5);

impl<R> Spread<R> {
    pub(crate) fn new(random: R) -> Self {
        Self {
            random,
            conflicts: 0,
        }
    }

    /// The range after the next conflict, in windows.
    fn windows(&mut self) -> f64 {
        self.conflicts = self.conflicts.saturating_add(1);
        let grown = FIRST * GROWTH.powi(self.conflicts.min(LONGEST) - 1);
        let shrunk = grown * SHRINKAGE.powi((self.conflicts - LONGEST).max(0));
        if self.conflicts > LONGEST {
            shrunk.max(LAST)
        } else {
            grown
        }
    }
}

impl<R: FnMut() -> f64> Pace for Spread<R> {
    fn permits(&self) -> bool {
        true
    }

    fn pause(&mut self, window: Duration) -> Option<Duration> {
        let range = window.max(SHORTEST_WINDOW).as_secs_f64() * self.windows();
        Some(Duration::from_secs_f64(
            range.min(LONGEST_RANGE.as_secs_f64()) * (self.random)(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(window: Duration, random: f64) -> impl Iterator<Item = Duration> {
        let mut spread = Spread::new(move || random);
        std::iter::from_fn(move || {
            assert!(spread.permits());
            spread.pause(window)
        })
    }

    #[test]
    fn the_range_is_measured_in_windows_and_grows_and_shrinks() {
        let ranges: Vec<_> = pauses(Duration::from_millis(10), 1.0).take(5).collect();
        assert_eq!(
            ranges,
            [120.0, 360.0, 1080.0, 972.0, 874.8]
                .map(|millis: f64| Duration::from_secs_f64(millis / 1e3))
        );
        let last = pauses(Duration::from_millis(10), 1.0).nth(5_000);
        assert_eq!(last, Some(Duration::from_millis(160)));
    }

    #[test]
    fn the_sleep_is_any_part_of_the_range() {
        let window = Duration::from_millis(10);
        assert_eq!(pauses(window, 0.0).next(), Some(Duration::ZERO));
        assert_eq!(pauses(window, 0.5).next(), Some(Duration::from_millis(60)));
    }

    #[test]
    fn a_window_is_no_shorter_than_the_timer_can_tell() {
        let range = pauses(Duration::ZERO, 1.0).next();
        assert_eq!(range, Some(Duration::from_millis(12)));
    }

    #[test]
    fn it_goes_on_for_ever_within_the_longest_range() {
        let longest = pauses(Duration::from_secs(1), 1.0).nth(5_000);
        assert_eq!(longest, Some(LONGEST_RANGE));
    }
}
