//! Tasks that have to run as long as the store is used.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::sleep;

/// The pause before a task is started again, so that one that always panics doesn't keep a processor busy.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs a task until it ends, and starts it again whenever it panics, which it is told: without it reads would wait in
/// vain, or show the past.
pub(super) async fn supervised<F>(what: &'static str, mut task: impl FnMut(bool) -> F)
where
    F: Future<Output = ()>,
{
    let mut panicked = false;
    while AssertUnwindSafe(task(panicked))
        .catch_unwind()
        .await
        .is_err()
    {
        tracing::error!("the task that {what} has panicked, and is started again");
        panicked = true;
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_started_again() {
        let mut told = Vec::new();
        let run = |panicked| {
            told.push(panicked);
            let times = told.len();
            async move { assert!(times == 3, "on purpose, for the {times}. time") }
        };
        supervised("is tested", run).await;
        assert_eq!(told, [false, true, true]);
    }
}
