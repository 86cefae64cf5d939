//! How far a service on a port has come with its end.

use tokio::sync::watch;

/// The phases of a service, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It answers.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there are no ports"))]
    Serving,
    /// It still answers, but says that it is not ready, so that nobody new is sent to it.
    Leaving,
    /// Watches end, and so do connections, with what is under way on them.
    Closing,
}

/// When a service is about to stop, so that watches can end; in process they end with their readers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Closing(Option<watch::Receiver<Phase>>);

impl Closing {
    /// As the channel says. A channel whose sender is gone says that it is over.
    #[cfg(feature = "tls")]
    pub(crate) fn by(channel: watch::Receiver<Phase>) -> Self {
        Self(Some(channel))
    }

    /// Whether the service doesn't want to be asked any more.
    pub(super) fn is_leaving(&self) -> bool {
        let phase = self.0.as_ref().map(|channel| *channel.borrow());
        phase.is_some_and(|phase| phase >= Phase::Leaving)
    }

    /// Waits until watches have to end.
    pub(super) async fn closed(self) {
        match self.0 {
            Some(mut channel) => {
                // An error says that the sender is gone, which says the same.
                let _gone = channel.wait_for(|phase| *phase == Phase::Closing).await;
            }
            None => std::future::pending().await,
        }
    }
}
