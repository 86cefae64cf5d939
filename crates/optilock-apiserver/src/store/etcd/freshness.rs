//! How a read from memory is as new as one from etcd.
//!
//! A reader asks etcd for its newest revision and waits until memory has come so far. All who come while a
//! question is on its way share the next one, so that questions don't grow with readers.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};

use super::super::ReadError;
use super::super::error::Fault;
use super::super::state::State;
use super::client::Client;
use super::feed::Feed;

type Answer = Result<u64, ReadError>;

/// Where readers ask.
#[derive(Debug)]
pub(super) struct Freshness(mpsc::UnboundedSender<oneshot::Sender<Answer>>);

/// What was asked, until somebody can answer it.
#[derive(Debug)]
pub(super) struct Asked(mpsc::UnboundedReceiver<oneshot::Sender<Answer>>);

/// What answers them.
#[derive(Debug)]
pub(super) struct Answers {
    /// Locked by the task that answers, as long as it runs.
    asked: Mutex<Asked>,
    client: Arc<Client>,
    state: Arc<State>,
    feed: Arc<Feed>,
}

pub(super) fn channel() -> (Freshness, Asked) {
    let (ask, asked) = mpsc::unbounded_channel();
    (Freshness(ask), Asked(asked))
}

impl Asked {
    /// Answered by an etcd, beside what is known of it.
    pub(super) fn answered_by(
        self,
        client: &Arc<Client>,
        state: &Arc<State>,
        feed: &Arc<Feed>,
    ) -> Answers {
        Answers {
            asked: Mutex::new(self),
            client: Arc::clone(client),
            state: Arc::clone(state),
            feed: Arc::clone(feed),
        }
    }
}

impl Freshness {
    /// A revision that is not older than anything that was acknowledged before this call.
    pub(super) async fn revision(&self) -> Answer {
        let gone = || ReadError::Unavailable(Fault::Closed);
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Answers {
    /// Asks etcd for all who wait, as long as anybody may.
    pub(super) async fn give(self: Arc<Self>) {
        let mut asked = self.asked.lock().await;
        while let Some(first) = asked.0.recv().await {
            let mut waiting = vec![first];
            while let Ok(next) = asked.0.try_recv() {
                waiting.push(next);
            }
            let seen = self.state.revision();
            let answer = match self.client.newest_revision().await {
                Ok(newest) if newest < seen => {
                    self.feed.rewound();
                    let why = format!("etcd is at revision {newest}, and has been at {seen}");
                    Err(ReadError::Unavailable(Fault::Unreachable(why)))
                }
                Ok(newest) => Ok(newest),
                Err(error) => Err(ReadError::Unavailable(super::fault(&error))),
            };
            for reader in waiting {
                // One who has gone needs no answer.
                let _gone = reader.send(answer.clone());
            }
        }
    }
}
