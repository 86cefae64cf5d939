//! A large answer on its way: in pieces, and not for ever.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::flow::Seat;

/// Smaller answers go as they are: connections hold so much back anyhow.
pub(super) const PIECE: usize = 256 * 1024;

/// So long an answer may take, as with kube-apiserver; what the client has not taken by then it does not get.
const LIMIT: Duration = Duration::from_secs(60);

/// An answer of which a connection takes a piece when it has sent the one before, so that a client that does not read
/// holds up no more than its own connection. The request keeps its place until the last piece is taken: so the
/// memory for answers has a bound.
#[derive(Debug)]
pub(super) struct Shipment {
    rest: Arc<Mutex<Bytes>>,
    limit: AbortHandle,
    _seat: Seat,
}

impl Shipment {
    pub(super) fn new(answer: Bytes, seat: Seat) -> Self {
        let rest = Arc::new(Mutex::new(answer));
        let late = Arc::downgrade(&rest);
        let limit = tokio::spawn(async move {
            tokio::time::sleep(LIMIT).await;
            if let Some(rest) = late.upgrade() {
                // The answer ends before it is whole, which breaks the connection or the stream of HTTP/2.
                rest.lock().clear();
            }
        });
        Self {
            rest,
            limit: limit.abort_handle(),
            _seat: seat,
        }
    }

    /// How much is still to come.
    pub(super) fn len(&self) -> usize {
        self.rest.lock().len()
    }

    /// The next piece.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let mut rest = self.rest.lock();
        let length = rest.len().min(PIECE);
        (length > 0).then(|| rest.split_to(length))
    }
}

impl Drop for Shipment {
    fn drop(&mut self) {
        self.limit.abort();
    }
}
