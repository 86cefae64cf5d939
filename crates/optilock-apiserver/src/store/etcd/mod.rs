//! The store in an etcd, which several servers may share.
//!
//! What is read is in memory, as in the other stores: everything below `/registry/` is read at the start and then
//! followed by a watch ([`feed`]). A read waits until memory is as new as etcd ([`freshness`]), a commit is one transaction.

mod api;
mod client;
mod compact;
mod definition;
mod error;
mod feed;
mod freshness;
mod lease;
mod options;
mod supervisor;
mod value;

pub use error::EtcdError;
pub use options::EtcdOptions;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinSet;
use tonic::Code;

use self::api::{
    Compare, DeleteRangeRequest, KeyValue, PutRequest, RangeRequest, Request, TxnRequest, revision,
    signed, unsigned,
};
use self::client::{CallError, Client};
use self::feed::Feed;
use self::freshness::Freshness;
use self::lease::Leases;
use self::supervisor::supervised;
use super::log::EventLog;
use super::state::State;
use super::{
    CommitError, Cursor, Entry, Expected, Fault, Page, Range, ReadError, Retention, Store,
};

/// Compaction is not for shorter intervals.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// A store in an etcd, with the keys and values of kube-apiserver: several servers on one etcd act as one API, and a
/// kube-apiserver may be one of them.
///
/// Revisions are etcd's. A commit is acknowledged when etcd has committed it. Reads are answered from memory, and are as
/// new as if etcd had answered them. All objects are held in memory as well.
///
/// Runs tasks: it is opened and used within one Tokio runtime.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use optilock_apiserver::Server;
/// use optilock_apiserver::store::{EtcdOptions, EtcdStore, Retention};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = EtcdOptions::new("http://127.0.0.1:2379")?;
/// let store = Arc::new(EtcdStore::connect(&options, Retention::default()).await?);
/// let server = Server::builder().store(store).build();
/// # let _ = server;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EtcdStore {
    client: Arc<Client>,
    state: Arc<State>,
    feed: Arc<Feed>,
    freshness: Freshness,
    leases: Leases,
    closed: AtomicBool,
    /// They end with the store.
    _tasks: JoinSet<()>,
}

impl EtcdStore {
    /// Connects to an etcd and reads what it holds.
    ///
    /// History in memory is kept as `retention` says; etcd's own is compacted when it is as old, in turns with
    /// other servers on the same etcd.
    ///
    /// # Errors
    /// When etcd can't be reached, lets nobody in, or holds values that can't be read.
    pub async fn connect(options: &EtcdOptions, retention: Retention) -> Result<Self, EtcdError> {
        let client = Arc::new(Client::connect(options).await?);
        let (entries, revision) = Feed::load(&client).await?;
        let log = EventLog::new(revision, retention);
        let state = Arc::new(State::new(entries, revision, log));
        let feed = Arc::new(Feed::new(Arc::clone(&client), Arc::clone(&state)));
        let (freshness, asked) = freshness::channel();
        let mut tasks = JoinSet::new();
        let follow = Arc::clone(&feed);
        tasks.spawn(supervised("follows etcd", move |panicked| {
            if panicked {
                // What it was at may be half done.
                follow.rewound();
            }
            Arc::clone(&follow).follow()
        }));
        let answers = Arc::new(asked.answered_by(&client, &state, &feed));
        tasks.spawn(supervised("asks etcd how new it is", move |_| {
            Arc::clone(&answers).give()
        }));
        let interval = retention.age.max(SHORTEST_INTERVAL);
        let compacted = Arc::clone(&client);
        tasks.spawn(supervised("compacts etcd", move |_| {
            compact::run(Arc::clone(&compacted), interval)
        }));
        Ok(Self {
            client,
            state,
            feed,
            freshness,
            leases: Leases::default(),
            closed: AtomicBool::new(false),
            _tasks: tasks,
        })
    }

    /// A lease for what goes by itself; 0 for everything else.
    async fn lease(&self, key: &str) -> Result<i64, CommitError> {
        match value::lifetime(key) {
            None => Ok(0),
            Some(lifetime) => {
                let lease = self.leases.get(&self.client, lifetime).await;
                // The key itself is not written yet.
                lease.map_err(|error| CommitError::Refused(fault(&error)))
            }
        }
    }

    /// What a range held that memory has forgotten.
    async fn past(&self, range: &Range<'_>, at: u64) -> Result<Page, ReadError> {
        let start = range.start.unwrap_or(range.prefix).max(range.prefix);
        let request = RangeRequest {
            key: Bytes::copy_from_slice(start.as_bytes()),
            range_end: end_of(range.prefix),
            limit: i64::try_from(range.limit).unwrap_or(i64::MAX),
            revision: signed(at),
            count_only: false,
        };
        let page = match self.client.range(request).await {
            Ok(page) => page,
            Err(CallError::Refused(status)) if status.code() == Code::OutOfRange => {
                return Err(ReadError::Compacted {
                    asked: at,
                    oldest: self.state.compacted(),
                });
            }
            Err(error) => return Err(ReadError::Unavailable(fault(&error))),
        };
        let read = page.kvs.len();
        let entries = page.kvs.into_iter().map(entry).collect::<Result<_, _>>();
        Ok(Page {
            entries: entries.map_err(ReadError::Unavailable)?,
            revision: at,
            remaining: usize::try_from(page.count)
                .unwrap_or(0)
                .saturating_sub(read),
        })
    }

    /// Sees to it that what etcd has done is visible here, if that is possible at all: it is done either way, and reads
    /// wait for it.
    async fn show(&self, revision: u64) {
        if let Err(error) = self.feed.reached(revision).await {
            tracing::warn!(%error, "a change is acknowledged that watches don't see yet");
        }
    }
}

#[async_trait]
impl Store for EtcdStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, ReadError> {
        self.sync().await?;
        Ok(self.state.get(key))
    }

    async fn range(&self, range: Range<'_>) -> Result<Page, ReadError> {
        if range.at.is_none_or(|at| at > self.state.revision()) {
            self.sync().await?;
        }
        match (self.state.range(&range), range.at) {
            (Err(ReadError::Compacted { .. }), Some(at)) => self.past(&range, at).await,
            (page, _) => page,
        }
    }

    async fn commit(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
    ) -> Result<u64, CommitError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(CommitError::Refused(Fault::Closed));
        }
        let name = Bytes::copy_from_slice(key.as_bytes());
        let compare = match expected {
            Expected::Absent => Compare::mod_revision(name.clone(), 0),
            Expected::Revision(revision) => Compare::mod_revision(name.clone(), signed(revision)),
        };
        let lease = match &value {
            Some(_) => self.lease(key).await?,
            None => 0,
        };
        // It is on its way until this returns.
        let written = value.map(|value| self.feed.write(&name, value));
        let change = match &written {
            Some(written) => Request::Put(PutRequest {
                key: name.clone(),
                value: written.value.clone(),
                lease,
            }),
            None => Request::DeleteRange(DeleteRangeRequest { key: name.clone() }),
        };
        let done = self
            .client
            .transact(TxnRequest::on_key(name, compare, change))
            .await;
        let done = match done {
            Ok(done) => done,
            Err(error @ CallError::Unanswered(_)) => {
                return Err(CommitError::Unknown(fault(&error)));
            }
            Err(error) => {
                // The next write gets another one, if that is what it was.
                self.leases.forget(lease).await;
                return Err(CommitError::Refused(fault(&error)));
            }
        };
        let at = revision(done.header.as_ref());
        self.show(at).await;
        if done.succeeded {
            return Ok(at);
        }
        match done.read().map(entry).transpose() {
            Ok(current) => Err(CommitError::Mismatch(current)),
            Err(fault) => Err(CommitError::Refused(fault)),
        }
    }

    fn revision(&self) -> u64 {
        self.state.revision()
    }

    async fn sync(&self) -> Result<u64, ReadError> {
        let revision = self.freshness.revision().await?;
        self.feed.reached(revision).await?;
        Ok(self.state.revision())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn watch(&self, prefix: &str, after: u64) -> Result<Cursor, ReadError> {
        self.state.watch(prefix, after)
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// What a failed call means for those who read and write.
fn fault(error: &CallError) -> Fault {
    match error {
        CallError::Refused(status) if status.message().ends_with("database space exceeded") => {
            Fault::NoSpace
        }
        CallError::Refused(status) => Fault::Rejected(status.message().to_owned()),
        CallError::Unreachable(_) | CallError::Unanswered(_) => {
            Fault::Unreachable(error.to_string())
        }
    }
}

/// A key and its value as they are known here.
fn entry(kv: KeyValue) -> Result<Entry, Fault> {
    let key = String::from_utf8_lossy(&kv.key);
    let value = value::decode(kv.value)
        .map_err(|error| Fault::Rejected(feed::unreadable(&key, error).to_string()))?;
    Ok(Entry {
        key: key.into(),
        value,
        revision: unsigned(kv.mod_revision),
    })
}

/// The first key that does not begin with a prefix.
fn end_of(prefix: &str) -> Bytes {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end.into();
        }
    }
    // All keys: etcd's own way to say so.
    Bytes::from_static(b"\0")
}
