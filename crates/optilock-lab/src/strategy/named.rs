//! Strategies by their names.

use std::{sync::Arc, time::Duration};

use optilock::Backoff;

use super::{
    Apply, BlindPut, Jitter, Jittered, JsonPatch, KubeDefault, LeaseLock, MergePatch, Once,
    OptilockCombined, OptilockSharing, OptilockUpdate, RetryOnConflict, Strategy, WatchFed,
};

/// The longest sleep of the strategies with jitter, where the backoff has no cap: that of AWS's simulator.
const CAP: Duration = Duration::from_secs(2);

type Make = fn(Backoff) -> Arc<dyn Strategy>;

/// Every strategy: its name, what it is in a few words, and how it is made with a backoff's parameters.
const ALL: &[(&str, &str, Make)] = &[
    (
        BlindPut::ID,
        "PUT without resourceVersion: loses updates",
        |_| Arc::new(BlindPut),
    ),
    (Once::ID, "get, change, PUT, no retry", |_| Arc::new(Once)),
    (
        RetryOnConflict::ID,
        "client-go's RetryOnConflict",
        |backoff| Arc::new(RetryOnConflict::new(backoff)),
    ),
    (
        "default-retry",
        "the same with client-go's DefaultRetry",
        |_| Arc::new(RetryOnConflict::default_retry()),
    ),
    (
        "default-backoff",
        "the same with client-go's DefaultBackoff",
        |_| Arc::new(RetryOnConflict::default_backoff()),
    ),
    (
        KubeDefault::ID,
        "RetryOnConflict with kube's default client, which resends after 504",
        |backoff| Arc::new(KubeDefault { backoff }),
    ),
    (
        Jitter::Full.id(),
        "AWS's full jitter, without end",
        |backoff| jittered(Jitter::Full, backoff),
    ),
    (
        Jitter::Decorrelated.id(),
        "AWS's decorrelated jitter, without end",
        |backoff| jittered(Jitter::Decorrelated, backoff),
    ),
    (
        MergePatch::ID,
        "merge patch with resourceVersion",
        |backoff| Arc::new(MergePatch { backoff }),
    ),
    (JsonPatch::ID, "JSON patch with test", |backoff| {
        Arc::new(JsonPatch { backoff })
    }),
    (
        Apply::ID,
        "server-side apply, a field for each worker",
        |_| Arc::new(Apply),
    ),
    (
        LeaseLock::ID,
        "a Lease as a lock around get, change, PUT",
        |backoff| {
            Arc::new(LeaseLock {
                poll: backoff.duration(),
            })
        },
    ),
    (
        WatchFed::ID,
        "PUT of what a shared watch tells",
        |backoff| Arc::new(WatchFed { backoff }),
    ),
    (
        OptilockUpdate::ID,
        "optilock's update, every worker on its own",
        |_| Arc::new(OptilockUpdate),
    ),
    (
        OptilockSharing::ID,
        "the same, the workers sharing what they know",
        |_| Arc::new(OptilockSharing),
    ),
    (OptilockCombined::ID, "optilock's combiner", |_| {
        Arc::new(OptilockCombined)
    }),
];

/// The names of all strategies, each with what it is in a few words.
pub const NAMES: [(&str, &str); ALL.len()] = {
    let mut names = [("", ""); ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = (ALL[index].0, ALL[index].1);
        index += 1;
    }
    names
};

/// There is no strategy of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no strategy {0:?}")]
pub struct UnknownStrategy(pub String);

/// The strategy of this name. Those that have a backoff use this one: all of it where they are client-go's, duration
/// and cap (or 2 s) where they are AWS's, and the duration as the time between two looks where there is a lock.
///
/// # Errors
/// [`UnknownStrategy`] where [`NAMES`] doesn't have it.
///
/// ```
/// use optilock::DEFAULT_RETRY;
///
/// let strategy = optilock_lab::named("full-jitter", DEFAULT_RETRY)?;
/// assert_eq!(strategy.parameters(), "base 10ms, cap 2s");
/// assert!(optilock_lab::named("hope", DEFAULT_RETRY).is_err());
/// # Ok::<(), optilock_lab::UnknownStrategy>(())
/// ```
pub fn named(name: &str, backoff: Backoff) -> Result<Arc<dyn Strategy>, UnknownStrategy> {
    let found = ALL.iter().find(|(known, ..)| *known == name);
    found
        .map(|(.., make)| make(backoff))
        .ok_or_else(|| UnknownStrategy(name.to_owned()))
}

fn jittered(rule: Jitter, backoff: Backoff) -> Arc<dyn Strategy> {
    Arc::new(Jittered {
        rule,
        base: backoff.duration(),
        cap: backoff.cap().unwrap_or(CAP),
    })
}
