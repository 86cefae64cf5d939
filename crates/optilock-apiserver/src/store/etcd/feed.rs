//! What keeps the state in memory like what etcd holds: everything is read once, then followed by a watch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::super::ReadError;
use super::super::error::Fault;
use super::super::state::{Change, Entries, State};
use super::api::{
    KeyValue, RangeRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest,
    WatchRequestUnion, WatchResponse, revision, signed, unsigned,
};
use super::client::{CallError, Client};
use super::error::EtcdError;
use super::value::{self, PREFIX, PREFIX_END, Unreadable};

/// How many keys are read at a time, as kube-apiserver's cache does when it starts.
const PAGE: i64 = 10_000;
/// Changes come by themselves. When one that has to come has not for so long, etcd is asked how far it is: what was
/// changed last may be none of our keys.
const LATE: Duration = Duration::from_millis(5);
/// The same once it was asked.
const STILL_LATE: Duration = Duration::from_millis(100);
/// Who waits for a change gives up after this.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before a watch that broke is opened again, which doubles.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Follows etcd.
#[derive(Debug)]
pub(super) struct Feed {
    client: Arc<Client>,
    state: Arc<State>,
    /// Somebody waits, and wants to know how far the watch is.
    asked: Notify,
    /// etcd holds less than it did: another history has taken the place of the one that was followed.
    rewound: Notify,
    writing: Writing,
}

/// Values that are on their way to etcd, by key, with the JSON that they are of: it need not be made again when they come
/// back.
type Writing = Mutex<HashMap<Bytes, (Bytes, Bytes)>>;

/// A value that is on its way to etcd until this is dropped.
pub(super) struct Written<'a> {
    pub(super) value: Bytes,
    key: Bytes,
    writing: &'a Writing,
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        self.writing.lock().remove(&self.key);
    }
}

/// Why a watch has ended.
enum Ended {
    /// etcd has forgotten what comes next, or holds another history: everything has to be read again.
    Lost(String),
    /// It can go on where it was.
    Broken(String),
}

impl Feed {
    /// Reads what etcd holds.
    pub(super) async fn load(client: &Client) -> Result<(Entries, u64), EtcdError> {
        let mut entries = Vec::new();
        let mut start = Bytes::from_static(PREFIX.as_bytes());
        let mut at = 0;
        loop {
            let request = RangeRequest {
                key: start,
                range_end: Bytes::from_static(PREFIX_END.as_bytes()),
                limit: PAGE,
                revision: at,
                ..RangeRequest::default()
            };
            let page = client.range(request).await;
            let page = page.map_err(|error| client.opening(error))?;
            if at == 0 {
                at = signed(revision(page.header.as_ref()));
            }
            let last = page.kvs.last().map(|kv| kv.key.clone());
            for kv in page.kvs {
                let Ok(key) = std::str::from_utf8(&kv.key) else {
                    continue;
                };
                let held = value::decode(kv.value).map_err(|error| unreadable(key, error))?;
                entries.push((Arc::<str>::from(key), (held, unsigned(kv.mod_revision))));
            }
            match last {
                Some(last) if page.more => start = next_key(&last),
                _ => break,
            }
        }
        Ok((entries.into_iter().collect(), unsigned(at)))
    }

    pub(super) fn new(client: Arc<Client>, state: Arc<State>) -> Self {
        Self {
            client,
            state,
            asked: Notify::new(),
            rewound: Notify::new(),
            writing: Writing::default(),
        }
    }

    /// The value in which etcd is to hold an object.
    pub(super) fn write(&self, key: &Bytes, json: Bytes) -> Written<'_> {
        let value = value::encode(&json);
        // Here, where it is the caller's: others read what etcd holds, and they must see the same.
        debug_assert_eq!(value::decode(value.clone()).as_ref(), Ok(&json));
        let both = (value.clone(), json);
        self.writing.lock().insert(key.clone(), both);
        Written {
            value,
            key: key.clone(),
            writing: &self.writing,
        }
    }

    /// What a value is here. Mostly it has been made here.
    fn decode(&self, kv: &KeyValue) -> Result<Bytes, Unreadable> {
        let known = match self.writing.lock().get(&kv.key) {
            Some((value, json)) if *value == kv.value => Some(json.clone()),
            _ => None,
        };
        known.map_or_else(|| value::decode(kv.value.clone()), Ok)
    }

    /// Waits until everything up to a revision is visible.
    pub(super) async fn reached(&self, revision: u64) -> Result<(), ReadError> {
        let mut heads = self.state.heads();
        if *heads.borrow() >= revision {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        let mut look = Instant::now() + LATE;
        loop {
            match timeout_at(look, wait_for(&mut heads, revision)).await {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() >= deadline => {
                    let seconds = PATIENCE.as_secs();
                    return Err(ReadError::Unavailable(Fault::Unreachable(format!(
                        "revision {revision} of etcd did not arrive within {seconds} s"
                    ))));
                }
                Err(_) => {
                    self.asked.notify_one();
                    look = Instant::now() + STILL_LATE;
                }
            }
        }
    }

    /// Says that etcd's newest revision is before one that was seen.
    pub(super) fn rewound(&self) {
        self.rewound.notify_one();
    }

    /// Follows for ever.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut pause = PAUSE;
        loop {
            let before = self.state.revision();
            let ended = tokio::select! {
                ended = self.watch() => ended,
                () = self.rewound.notified() => Ended::Lost("etcd holds another history".to_owned()),
            };
            if self.state.revision() != before {
                pause = PAUSE;
            }
            match ended {
                Ended::Broken(why) => {
                    tracing::warn!(%why, "the watch of etcd broke and is opened again");
                }
                Ended::Lost(why) => {
                    tracing::warn!(%why, "everything is read from etcd again, and watches start anew");
                    match Self::load(&self.client).await {
                        Ok((entries, revision)) => self.state.replace(entries, revision),
                        Err(error) => {
                            tracing::error!(%error, "etcd can't be read");
                            self.rewound();
                        }
                    }
                }
            }
            self.client.forget_token();
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Follows until the watch ends.
    async fn watch(self: &Arc<Self>) -> Ended {
        let broken = |error: CallError| Ended::Broken(error.to_string());
        let mut told = match self.client.watch(self.requests()).await {
            Ok(told) => told,
            Err(error) => return broken(error),
        };
        loop {
            match told.message().await {
                Ok(Some(response)) => {
                    if let Err(ended) = self.take(response) {
                        return ended;
                    }
                }
                Ok(None) => return Ended::Broken("etcd has ended it".to_owned()),
                Err(status) => return Ended::Broken(super::client::chain(&status)),
            }
        }
    }

    /// What etcd is asked on one watch: all changes from here on, and how far it is whenever somebody waits.
    fn requests(self: &Arc<Self>) -> impl Stream<Item = WatchRequest> + Send + use<> {
        let request = |request| WatchRequest {
            request: Some(request),
        };
        let create = request(WatchRequestUnion::Create(WatchCreateRequest {
            key: Bytes::from_static(PREFIX.as_bytes()),
            range_end: Bytes::from_static(PREFIX_END.as_bytes()),
            start_revision: signed(self.state.revision() + 1),
            progress_notify: true,
        }));
        let feed = Arc::clone(self);
        let progress = stream::unfold(feed, move |feed| async move {
            feed.asked.notified().await;
            let progress = WatchRequestUnion::Progress(WatchProgressRequest {});
            Some((request(progress), feed))
        });
        stream::once(std::future::ready(create)).chain(progress)
    }

    fn take(&self, response: WatchResponse) -> Result<(), Ended> {
        if response.compact_revision != 0 {
            let why = format!("it has forgotten up to {}", response.compact_revision);
            return Err(Ended::Lost(why));
        }
        if response.canceled {
            return Err(Ended::Broken(response.cancel_reason));
        }
        // The beginning of a watch says nothing of how far it is.
        if response.created {
            return Ok(());
        }
        if response.events.is_empty() {
            self.state.learn([], revision(response.header.as_ref()));
            return Ok(());
        }
        let mut changes = Vec::with_capacity(response.events.len());
        let mut newest = 0;
        for event in response.events {
            let deletion = event.is_deletion();
            let Some(kv) = event.kv else {
                continue;
            };
            newest = unsigned(kv.mod_revision);
            let Ok(key) = std::str::from_utf8(&kv.key).map(Arc::<str>::from) else {
                continue;
            };
            let held = (!deletion).then(|| match self.decode(&kv) {
                Ok(held) => held,
                Err(why) => {
                    // It is there, and whoever reads it is told that it is damaged.
                    tracing::error!(%why, %key, "a value in etcd can't be read");
                    kv.value
                }
            });
            changes.push(Change {
                revision: newest,
                key,
                value: held,
            });
        }
        self.state.learn(changes, newest);
        Ok(())
    }
}

/// The first key behind one.
pub(super) fn next_key(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

pub(super) fn unreadable(key: &str, error: Unreadable) -> EtcdError {
    let key = key.to_owned();
    match error {
        Unreadable::Encrypted => EtcdError::Encrypted { key },
        Unreadable::Damaged(why) => EtcdError::Unreadable { key, why },
    }
}

async fn wait_for(heads: &mut watch::Receiver<u64>, revision: u64) {
    if heads.wait_for(|head| *head >= revision).await.is_err() {
        // The state is as old as its feed.
        std::future::pending::<()>().await;
    }
}
