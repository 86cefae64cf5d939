//! The connections of a port, and which one has to go for another.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::http::Crowd;

/// The connections of a port.
#[derive(Debug, Default)]
pub(super) struct Connections {
    table: Mutex<Table>,
    crowd: Crowd,
}

#[derive(Debug, Default)]
struct Table {
    arrivals: u64,
    open: HashMap<u64, Arc<Connection>>,
}

/// A connection that is open.
#[derive(Debug)]
struct Connection {
    /// Requests under way, the bodies of their answers included.
    requests: AtomicUsize,
    idle_since: Mutex<Instant>,
    leave: Notify,
}

/// The place of a connection among those that there may be, and in the list, which it leaves when this goes.
#[derive(Debug)]
pub(super) struct Open {
    connections: Arc<Connections>,
    number: u64,
    connection: Arc<Connection>,
    _place: OwnedSemaphorePermit,
}

/// A request under way, or what its connection has become.
#[derive(Debug)]
pub(super) struct Busy(Arc<Open>);

impl Connections {
    /// None so far. They, and the requests on them, are counted in the crowd.
    pub(super) fn counted(crowd: Crowd) -> Self {
        let table = Mutex::default();
        Self { table, crowd }
    }

    /// Adds one.
    pub(super) fn open(self: &Arc<Self>, place: OwnedSemaphorePermit) -> Arc<Open> {
        let connection = Arc::new(Connection {
            requests: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            leave: Notify::new(),
        });
        self.crowd.join();
        let mut table = self.table.lock();
        table.arrivals += 1;
        let number = table.arrivals;
        table.open.insert(number, Arc::clone(&connection));
        Arc::new(Open {
            connections: Arc::clone(self),
            number,
            connection,
            _place: place,
        })
    }

    /// Asks the one that has been idle for longest to leave, if any is idle.
    pub(super) fn make_room(&self) {
        let table = self.table.lock();
        let idle = table
            .open
            .values()
            .filter(|connection| connection.requests.load(Ordering::Relaxed) == 0);
        if let Some(oldest) = idle.min_by_key(|connection| *connection.idle_since.lock()) {
            oldest.leave.notify_one();
        }
    }
}

impl Open {
    /// A request begins.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.connection.requests.fetch_add(1, Ordering::Relaxed);
        self.connections.crowd.join();
        Busy(Arc::clone(self))
    }

    /// Whether more than one request is under way.
    pub(super) fn is_shared(&self) -> bool {
        self.connection.requests.load(Ordering::Relaxed) > 1
    }

    /// Resolves when this connection has to go for another.
    pub(super) async fn asked_to_leave(&self) {
        self.connection.leave.notified().await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connections.table.lock().open.remove(&self.number);
        self.connections.crowd.leave();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let connection = &self.0.connection;
        *connection.idle_since.lock() = Instant::now();
        connection.requests.fetch_sub(1, Ordering::Relaxed);
        self.0.connections.crowd.leave();
    }
}

pin_project_lite::pin_project! {
    /// The body of an answer, with which its request ends.
    #[derive(Debug)]
    pub(super) struct Last<B> {
        #[pin]
        pub(super) body: B,
        pub(super) busy: Arc<Busy>,
    }
}

impl<B: http_body::Body> http_body::Body for Last<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
