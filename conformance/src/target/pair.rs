//! Two servers that show the same objects.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;

use super::{BoxBody, Target};
use crate::error::Result;

/// Two servers over one storage: requests go to the one and the other in turns, so that each reads and changes what the other
/// has written.
#[derive(Debug)]
pub struct Pair<A, B> {
    first: A,
    second: B,
    requests: AtomicUsize,
}

impl<A, B> Pair<A, B> {
    /// These two; the first one gets the first request.
    pub fn new(first: A, second: B) -> Self {
        Self {
            first,
            second,
            requests: AtomicUsize::new(0),
        }
    }
}

impl<A: Target, B: Target> Target for Pair<A, B> {
    fn send(&self, request: Request<Full<Bytes>>) -> BoxFuture<'_, Result<Response<BoxBody>>> {
        match self.requests.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => self.first.send(request),
            _ => self.second.send(request),
        }
    }
}
