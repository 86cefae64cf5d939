//! How widely the attempts to write a contended object are spread.

use std::time::Duration;

use tokio::time::Instant;

/// What is known of the contention for one object, and the range of the sleeps that follows from it.
///
/// Let W be the window of an attempt, from the arrival of its read to the arrival of its write, and λ
/// the rate at which the object changes. An attempt succeeds if nobody commits during its window, so
/// with x = λW the chance of a conflict is 1 − e^−x, a commit takes e^x writes, and x·e^x is the number
/// of attempts that all writers together make in a window. Whoever reads an object twice sees by how
/// much its resourceVersion has grown, and thereby x, without knowing how many writers there are. To
/// bring x to where it should be, each writer multiplies its range by (x·e^x)/(X·e^X).
///
/// The resourceVersion counts the writes to all objects, so on a busy cluster it overstates x. What
/// the writer's own attempts met are bounds: x can't be far from −ln(1 − conflicts/attempts).
///
/// The first conflict comes before anything is known but how long the write took. Where many collide,
/// they queue, so a long answer means many: the first range grows with it.
///
/// Ranges are fair only if all writers have the same, but each corrects its own by what it happens to
/// see. So a writer tells its range with each write, in the object itself, and whoever reads that moves
/// its own a part of the way there: the ranges of writers that never meet come together.
#[derive(Debug, Default)]
pub(super) struct Steering {
    /// The range of the sleeps, in seconds; none while there is no contention that is known of.
    range: Option<f64>,
    /// The window, in seconds.
    window: Option<f64>,
    /// The shortest window that has been seen: what it is when the server has no queue.
    shortest: Option<f64>,
    /// Where the last read's object came from.
    source: Option<Source>,
    /// Whether the attempt under way started from an object that an earlier update has left.
    handed: bool,
    /// The last read: when, and the version that it found.
    look: Option<(Instant, Option<u64>)>,
    /// What was seen between the last two reads, until it has been taken into account.
    seen: Option<Seen>,
    /// The range that was told last, in seconds.
    heard: Option<f64>,
    /// The version that our last successful write has left.
    left: Option<u64>,
    /// How long, in seconds, nobody else was seen to write the object.
    calm: f64,
    /// Attempts and conflicts, the older the less.
    attempts: f64,
    conflicts: f64,
    /// The shortest time that a successful write has taken.
    usual: Option<f64>,
    /// The time that the first successful write has taken, until it has been taken into account.
    first: Option<f64>,
    /// Whether a write was successful while there was contention.
    steady: bool,
    /// How many writes were refused.
    losses: u64,
    /// When this was last of use.
    used: Option<Instant>,
}

/// Where the object comes from that an attempt starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// From a read that took so long. It was the newest half of that ago, as far as one can tell.
    Read(Duration),
    /// From a watch that tells what there is so much later than the answers to writes do.
    Watch(Duration),
}

impl Source {
    /// How long was waited for it, in seconds.
    fn waited(self) -> f64 {
        match self {
            Self::Read(took) => took.as_secs_f64(),
            Self::Watch(_) => 0.0,
        }
    }
}

/// What has happened between two reads.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The growth of the version.
    changes: f64,
    /// Whether somebody else has written the object.
    foreign: bool,
    /// In seconds.
    time: f64,
}

/// Where x is steered to and how hard.
#[derive(Debug)]
struct Law {
    /// The x to be reached.
    target: f64,
    /// How many changes must have been seen for most of the correction to be made.
    changes: f64,
    /// The exponent of the correction.
    gain: f64,
    /// The longest window that counts, in shortest ones.
    longest_window: f64,
    /// The most that the range is multiplied or divided by at once, as logarithms. It is multiplied the
    /// more the more conflicts there were: those of a first round all meet at once and say little.
    growth: fn(u64) -> f64,
    shrinkage: f64,
    /// The part of the range that each conflict leaves of it for the update that has met it.
    age: f64,
    /// The share of the range that is slept in any case.
    fixed: f64,
    /// The shortest range, in windows.
    shortest: f64,
    /// How far a burst is looked ahead in: this share of those who got in isn't there next time.
    leaving: f64,
}

/// For an update that knows nothing but what it sees itself: a burst that will be over soon. The object
/// is kept busy: 45 % conflicts.
const BURST: Law = Law {
    target: 0.5,
    changes: 0.0,
    gain: 1.0,
    longest_window: f64::INFINITY,
    growth: |losses| (0.02 * (losses as f64).powi(2)).min(1.4),
    shrinkage: 0.5,
    age: 1.0,
    fixed: 0.2,
    shortest: 0.9,
    leaving: 0.4,
};

/// For contention that lasts. Fewer requests count now, and that nobody starves. x is the same for all,
/// and what differs is the noise in what each sees of it, so the corrections are weak, and a window that
/// was long by chance counts little. Upwards the range goes in small steps, and downwards in large ones:
/// who has let too many pass comes back soon. (So it settles where x is above its target.)
const STEADY: Law = Law {
    target: 0.3,
    changes: 6.3,
    gain: 0.45,
    longest_window: 2.5,
    growth: |_| 0.12,
    shrinkage: 0.6,
    age: 0.8,
    fixed: 0.7,
    shortest: 1.5,
    leaving: 0.0,
};

/// The part of the way to a range that was told.
const FOLLOWED: f64 = 0.45;
/// The most that a told range is followed by, as a logarithm: whoever tells nonsense is soon corrected.
const FOLLOWED_MOST: f64 = 1.0;
/// The time that an attempt takes, where it isn't known yet what a write takes.
const USUAL: f64 = 12e-3;
/// A first write that took so many times as long as others do has queued in a crowd, …
const QUEUED: f64 = 8.0;
/// …if it took so long, in seconds.
const QUEUED_LEAST: f64 = 0.1;
/// The first range, in times that the refused attempt has taken: so much of the square root of what that
/// was longer than usual. The more there are, the more it costs when their next attempts still meet in the
/// queue: reads get old in it, so hardly a write gets through, and all come back…
const FIRST: f64 = 1.4;
/// …from this…
const FIRST_LEAST: f64 = 0.25;
/// …to this. It is the first range of who was first in the queue, too: that one goes on, which the others
/// of a burst don't.
const FIRST_MOST: f64 = 3.2;
/// The longest range, in seconds.
const LONGEST: f64 = 30.0;
/// Less than this isn't left of the range by any number of conflicts.
const OLDEST: f64 = 0.45;
/// The shortest window, in seconds: timers are no finer.
const SHORTEST_WINDOW: f64 = 1e-3;
/// How far x may be above and below what the own attempts met.
const LUCK_MOST: f64 = 2.4;
const LUCK_LEAST: f64 = 0.3;
/// How much of the earlier attempts and conflicts is remembered at each attempt.
const OUTCOMES_MEMORY: f64 = 0.8;
/// Nobody else has written for so many windows: contention is over.
const CALM: f64 = 150.0;
/// So few conflicts, of which the older count less, mean that contention is over: none in 16 attempts.
const OVER: f64 = 0.03;
/// What is known is forgotten when it hasn't been of use for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

impl Steering {
    /// Forgets what is outdated, and takes note that it is of use.
    pub(super) fn wake(&mut self, now: Instant) {
        let idle = self.used.map(|used| now.duration_since(used));
        let range = Duration::from_secs_f64(self.range.unwrap_or_default());
        if idle.is_some_and(|idle| idle > FORGOTTEN_AFTER + range) {
            let usual = self.usual;
            *self = Self {
                usual,
                ..Self::default()
            };
        }
        self.used = Some(now);
    }

    /// Whether there is contention with writers elsewhere.
    pub(super) fn contended(&self) -> bool {
        self.range.is_some()
    }

    /// How many writes were refused so far.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// An attempt starts from an object that an earlier update has left.
    pub(super) fn handed(&mut self) {
        self.handed = true;
        self.source = None;
    }

    /// An attempt starts from the newest object, which came from there.
    pub(super) fn read(&mut self, now: Instant, source: Source, version: Option<u64>) {
        self.handed = false;
        self.used = Some(now);
        self.source = Some(source);
        if let Some((then, Some(before))) = self.look
            && let Some(version) = version
        {
            let changes = version.saturating_sub(before) as f64;
            self.seen = Some(Seen {
                changes,
                foreign: self.left.is_none_or(|left| left != version),
                time: now.duration_since(then).as_secs_f64(),
            });
        }
        self.look = Some((now, version));
    }

    /// The object that was read tells the range of whoever has written it.
    pub(super) fn heard(&mut self, told: Duration) {
        let told = told.as_secs_f64();
        // The same again is the same writer's, or was there before: it is no news.
        if self.heard.replace(told) == Some(told) {
            return;
        }
        let (Some(range), Some(window)) = (self.range, self.window) else {
            return;
        };
        // Only those who go on tell.
        self.steady = true;
        let way = FOLLOWED * (told / range).ln();
        let followed = range * way.clamp(-FOLLOWED_MOST, FOLLOWED_MOST).exp();
        self.range = Some(self.law().bounded(followed, window));
    }

    /// The range, where others do well to have the same.
    pub(super) fn told(&self) -> Option<Duration> {
        let range = self.range.filter(|_| self.steady)?;
        Some(Duration::from_secs_f64(range))
    }

    /// The write was carried out, and the object has this version now.
    pub(super) fn won(&mut self, took: Duration, version: Option<u64>) {
        let took = took.as_secs_f64();
        if self.usual.is_none() {
            self.first = Some(took);
        }
        let usual = self.usual.unwrap_or(took).min(took);
        self.usual = Some(usual);
        self.left = version;
        self.steady |= self.contended();
        let Some((seen, window)) = self.outcome(took, 0.0).zip(self.window) else {
            return;
        };
        if let Some(first) = self.first.filter(|_| self.range.is_none())
            && first > (QUEUED * usual).max(QUEUED_LEAST)
        {
            // We were first in a crowd's queue. The others sleep now: without this, who doesn't would
            // have the object to itself until they are back.
            self.first = None;
            self.range = Some((FIRST_MOST * first).min(LONGEST));
            return;
        }
        self.calm += seen.time;
        let calm = self.calm >= CALM * window;
        if seen.foreign {
            self.calm = 0.0;
        }
        // Nobody else has written for long, or nobody has been in our way.
        if calm && (!seen.foreign || self.conflicts < OVER) {
            self.range = None;
            return;
        }
        if self.range.is_none() && seen.foreign {
            // We always win because we are always there first: the others conflict with us.
            self.steady = true;
            self.range = Some(STEADY.shortest * window);
        }
        self.steer(seen);
    }

    /// The write was refused: somebody else was faster.
    pub(super) fn lost(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.losses += 1;
        let seen = self.outcome(took, 1.0);
        if self.range.is_some() {
            if let Some(seen) = seen {
                self.steer(seen);
            }
            return;
        }
        // Who comes first in the queue is through first, and may come back first.
        let took = (took + self.source.map_or(0.0, Source::waited)).max(SHORTEST_WINDOW);
        let longer = took / self.usual.unwrap_or(USUAL).max(SHORTEST_WINDOW);
        let windows = (FIRST * longer.sqrt()).clamp(FIRST_LEAST, FIRST_MOST);
        self.range = Some((took * windows).min(LONGEST));
    }

    /// The sleep before another attempt of an update that has met so many conflicts: `random` is from 0
    /// to 1.
    pub(super) fn sleep(&self, conflicts: i32, random: f64) -> Duration {
        let Some(range) = self.range else {
            return Duration::ZERO;
        };
        let law = self.law();
        let age = law.age.powi(conflicts).max(OLDEST);
        Duration::from_secs_f64(range * age * (law.fixed + (1.0 - law.fixed) * random))
    }

    fn law(&self) -> &'static Law {
        if self.steady { &STEADY } else { &BURST }
    }

    /// Takes the outcome of an attempt into account; gives what was seen of the others in it.
    fn outcome(&mut self, took: f64, conflicts: f64) -> Option<Seen> {
        // The first read may have had to make a connection.
        let first = self.window.is_none();
        let window = match self.source {
            Some(Source::Read(read)) if !first => (read.as_secs_f64() + took) / 2.0,
            Some(Source::Watch(late)) => late.as_secs_f64() + took,
            _ => took,
        };
        let window = window.max(SHORTEST_WINDOW);
        self.shortest = Some(self.shortest.unwrap_or(window).min(window));
        // Down at once, for a crowd that is gone leaves long windows behind, and up slowly.
        self.window = Some(match self.window {
            Some(known) if known < window => f64::midpoint(known, window),
            _ => window,
        });
        // What started from an object that a write has just given says little about the others.
        if self.handed {
            return None;
        }
        self.attempts = self.attempts * OUTCOMES_MEMORY + 1.0;
        self.conflicts = self.conflicts * OUTCOMES_MEMORY + conflicts;
        self.seen.take()
    }

    /// Corrects the range.
    fn steer(&mut self, seen: Seen) {
        let (Some(range), Some(window)) = (self.range, self.window) else {
            return;
        };
        let law = self.law();
        let shortest = self.shortest.unwrap_or(window);
        let counted = window.min(law.longest_window * shortest);
        let x = seen.changes / seen.time.max(window) * counted;
        // With one more of each, a few attempts don't prove much.
        let most =
            -LUCK_MOST * (1.0 - ((self.conflicts + 1.0) / (self.attempts + 1.0)).min(0.95)).ln();
        let least = -LUCK_LEAST * (1.0 - self.conflicts / (self.attempts + 1.0)).ln();
        let x = x.clamp(least.min(most), most).max(0.02);
        let certainty = match law.changes {
            0.0 => 1.0,
            enough => 1.0 - (-seen.changes / enough).exp(),
        };
        let mut correction = law.gain * ((x / law.target).ln() + x - law.target);
        // Of so many attempts e^−x succeed, and who has made them is gone.
        correction += (1.0 - law.leaving * (-x).exp()).ln();
        let factor = (certainty * correction)
            .clamp(-law.shrinkage, (law.growth)(self.losses))
            .exp();
        self.range = Some(law.bounded(range * factor, window));
    }
}

impl Law {
    /// The range within its bounds, in seconds, as the window is.
    fn bounded(&self, range: f64, window: f64) -> f64 {
        range.clamp((self.shortest * window).min(LONGEST), LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn range(steering: &Steering) -> f64 {
        steering.range.unwrap_or_default()
    }

    /// An object that changes so often is read and written again and again, always in vain.
    fn beaten(changes_a_second: f64, attempts: u32) -> Steering {
        let mut steering = Steering::default();
        let mut now = Instant::now();
        let begun = now;
        for _ in 0..attempts {
            let changes = now.duration_since(begun).as_secs_f64() * changes_a_second;
            steering.read(now, Source::Read(5 * MS), Some(100 + changes as u64));
            steering.lost(5 * MS);
            now += steering.sleep(1, 0.5);
        }
        steering
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_answer_means_many_writers() {
        let first = |took: Duration| {
            let mut steering = Steering::default();
            steering.lost(took);
            range(&steering) / took.as_secs_f64()
        };
        let is = |one: f64, other: f64| (one / other - 1.0).abs() < 1e-9;
        // A quarter of what is usual, half of its root.
        assert!(is(first(3 * MS), FIRST / 2.0));
        assert!(first(50 * MS) > 2.0);
        // Very many: the queue has to drain before they come back.
        assert!(is(first(150 * MS), FIRST_MOST));
        assert!(is(first(700 * MS), FIRST_MOST));
        // What is long is known by what a write has taken before.
        let mut steering = Steering::default();
        steering.won(50 * MS, None);
        steering.lost(50 * MS);
        assert!(is(range(&steering), FIRST * 0.05));
        // No time that can be told is as long as any other.
        let mut steering = Steering::default();
        steering.won(Duration::ZERO, None);
        steering.lost(Duration::ZERO);
        assert!(is(range(&steering), FIRST * SHORTEST_WINDOW));
    }

    #[tokio::test(start_paused = true)]
    async fn the_range_follows_the_changes() {
        let (few, many) = (beaten(10.0, 40), beaten(400.0, 40));
        assert!(range(&few) < range(&many) / 20.0, "{few:?}, {many:?}");
        assert!(range(&few) >= BURST.shortest * 0.005);
        assert!(range(&many) <= LONGEST);
    }

    /// Other objects' writes look like changes of this one; the writer's own luck tells otherwise.
    #[tokio::test(start_paused = true)]
    async fn a_busy_cluster_is_not_contention() {
        let mut steering = beaten(0.0, 2);
        let mut now = Instant::now();
        for attempt in 0..40_u64 {
            now += Duration::from_secs(1);
            steering.read(now, Source::Read(5 * MS), Some(1_000_000 * (attempt + 1)));
            steering.won(5 * MS, Some(1_000_000 * (attempt + 1) + 1));
        }
        assert!(!steering.contended());
        assert_eq!(steering.sleep(0, 1.0), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn alone_again_it_waits_no_more() {
        let mut steering = beaten(100.0, 5);
        assert!(steering.contended());
        let mut now = Instant::now() + Duration::from_secs(100);
        steering.read(now, Source::Read(5 * MS), Some(1_000_000));
        steering.won(5 * MS, Some(1_000_001));
        // Nothing but our own writes for a while: that somebody else sleeps says little.
        for version in 1_000_001..1_000_201 {
            assert!(steering.contended() || version > 1_000_100);
            now += 5 * MS;
            steering.read(now, Source::Read(5 * MS), Some(version));
            steering.won(5 * MS, Some(version + 1));
        }
        assert!(!steering.contended());
    }

    #[tokio::test(start_paused = true)]
    async fn who_always_wins_makes_room_for_the_others() {
        let mut steering = Steering::default();
        let mut now = Instant::now();
        let mut version = 100;
        for round in 0..40 {
            // Every tenth time somebody else has got in.
            version += u64::from(round % 10 == 9);
            now += 10 * MS;
            steering.read(now, Source::Read(5 * MS), Some(version));
            version += 1;
            steering.won(5 * MS, Some(version));
        }
        assert!(steering.sleep(0, 0.5) > 20 * MS, "{steering:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_forgets_when_it_is_of_no_use() {
        let mut steering = beaten(100.0, 5);
        let now = Instant::now();
        steering.wake(now);
        steering.wake(now + FORGOTTEN_AFTER);
        assert!(steering.contended());
        steering.wake(now + FORGOTTEN_AFTER * 10);
        assert!(!steering.contended());
    }

    /// All the others have lost to it and sleep: nobody is seen, and nobody is in its way.
    #[tokio::test(start_paused = true)]
    async fn who_was_first_in_a_crowds_queue_sleeps_like_the_others() {
        let mut steering = Steering::default();
        let now = Instant::now();
        steering.read(now, Source::Read(400 * MS), Some(100));
        steering.won(600 * MS, Some(101));
        assert!(!steering.contended());
        steering.read(now + 600 * MS, Source::Read(3 * MS), Some(101));
        steering.won(5 * MS, Some(102));
        assert!(steering.sleep(0, 0.5) > 600 * MS, "{steering:?}");
    }

    /// A server far away takes as long each time.
    #[tokio::test(start_paused = true)]
    async fn a_slow_server_is_no_crowd() {
        let mut steering = Steering::default();
        let mut now = Instant::now();
        for version in 100..120 {
            steering.read(now, Source::Read(600 * MS), Some(version));
            steering.won(600 * MS, Some(version + 1));
            assert!(!steering.contended());
            now += 1200 * MS;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_update_that_takes_long_is_no_idleness() {
        let mut steering = beaten(100.0, 5);
        let mut now = Instant::now();
        steering.wake(now);
        for attempt in 0..10 {
            now += FORGOTTEN_AFTER;
            steering.read(now, Source::Read(5 * MS), Some(1_000 * attempt));
            steering.lost(5 * MS);
        }
        steering.wake(now + MS);
        assert!(steering.contended());
    }

    /// Two that see the same contention and have come to different ranges tell each other.
    #[tokio::test(start_paused = true)]
    async fn ranges_come_together_when_they_are_told() {
        let (mut one, mut other) = (beaten(10.0, 40), beaten(400.0, 40));
        assert_eq!(
            one.told(),
            None,
            "it isn't known yet whether the contention lasts"
        );
        one.won(5 * MS, None);
        other.won(5 * MS, None);
        let apart = range(&other) / range(&one);
        for _ in 0..10 {
            let told = one.told().unwrap();
            other.heard(told);
            one.heard(other.told().unwrap());
        }
        assert!(apart > 20.0, "{apart}");
        assert!(range(&other) / range(&one) < 1.5, "{one:?}, {other:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_is_followed_once_and_within_bounds() {
        let mut steering = beaten(100.0, 5);
        let before = range(&steering);
        steering.heard(Duration::MAX);
        let after = range(&steering);
        assert!(after > before && after / before < 3.0, "{before}, {after}");
        steering.heard(Duration::MAX);
        assert_eq!(range(&steering), after);
        for _ in 0..20 {
            steering.heard(Duration::ZERO);
            steering.heard(MS);
        }
        assert!(range(&steering) >= STEADY.shortest * 0.005);
        // Who knows of no contention doesn't make any up.
        let mut calm = Steering::default();
        calm.heard(Duration::from_secs(20));
        assert!(!calm.contended() && calm.told().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_longer_comes_sooner_in_contention_that_lasts() {
        let mut steering = beaten(100.0, 5);
        assert_eq!(steering.sleep(2, 0.5), steering.sleep(9, 0.5));
        steering.won(5 * MS, None);
        assert!(steering.sleep(2, 0.5) > steering.sleep(3, 0.5));
    }
}
