//! What the workers of a run have in common, and what each has to itself.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};
use optilock::{Combiner, Contention};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::{
    Events, TokenBucket, Worker,
    feed::Feed,
    transport::{Actor, Ledger, Probe, Ticket, instrument},
    workload::Change,
};

/// The setting in which the workers of a run are made.
pub(crate) struct Crew {
    client: Client,
    namespace: String,
    bucket: Option<Arc<TokenBucket>>,
    ledger: Arc<Ledger>,
    change: Change,
}

/// An object that the workers update, with what they share of it.
pub(crate) struct Object {
    pub(crate) name: String,
    /// A client of nobody in particular: what it sends is for more than one worker.
    pub(crate) api: Api<Deployment>,
    pub(crate) combiner: OnceLock<Combiner<Deployment>>,
    pub(crate) feed: OnceCell<Feed>,
    /// What the updates of one process tell each other.
    pub(crate) contention: Contention<Deployment>,
    /// How often each worker has written the field that only it writes.
    pub(crate) own: Mutex<HashMap<usize, i64>>,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// One worker's own part: its client and its randomness.
pub(crate) struct Seat {
    index: usize,
    seed: u64,
    client: Client,
    namespace: String,
    change: Change,
    ticket: Option<Arc<Ticket>>,
    pub(crate) probe: Probe,
}

impl Crew {
    pub(crate) fn new(
        client: &Client,
        namespace: &str,
        bucket: Option<Arc<TokenBucket>>,
        ledger: &Arc<Ledger>,
        change: Change,
    ) -> Self {
        Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
            bucket,
            ledger: Arc::clone(ledger),
            change,
        }
    }

    pub(crate) fn object(&self, name: &str) -> Arc<Object> {
        let probe = self.ledger.probe(Actor::Shared);
        let client = instrument(&self.client, self.bucket.clone(), &probe, None);
        Arc::new(Object {
            name: name.to_owned(),
            api: Api::namespaced(client, &self.namespace),
            combiner: OnceLock::new(),
            feed: OnceCell::new(),
            contention: Contention::default(),
            own: Mutex::default(),
        })
    }

    pub(crate) fn seat(&self, index: usize, seed: u64, ticket: Option<Arc<Ticket>>) -> Seat {
        let probe = self.ledger.probe(Actor::Worker(index));
        let client = instrument(&self.client, self.bucket.clone(), &probe, ticket.clone());
        Seat {
            index,
            seed,
            client,
            namespace: self.namespace.clone(),
            change: self.change,
            ticket,
            probe,
        }
    }
}

impl Seat {
    /// The worker for one of its updates, of this object.
    pub(crate) fn worker(&self, object: &Arc<Object>, update: u64, events: Events) -> Worker {
        Worker {
            index: self.index,
            api: Api::namespaced(self.client.clone(), &self.namespace),
            object: Arc::clone(object),
            update,
            seed: self.seed.wrapping_add(update),
            change: self.change,
            ticket: self.ticket.clone(),
            probe: self.probe.clone(),
            declined: Arc::new(AtomicBool::new(false)),
            events,
        }
    }
}
