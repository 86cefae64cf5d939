//! The body of an answer: bytes, or the events of a watch as they happen.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use http_body::{Frame, SizeHint};

type Events = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// Body of a response of the API server.
pub struct Body(Inner);

enum Inner {
    Whole(Option<Bytes>),
    Events(Events),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Whole(bytes) => f
                .debug_tuple("Whole")
                .field(&bytes.as_ref().map(Bytes::len))
                .finish(),
            Inner::Events(_) => f.write_str("Events"),
        }
    }
}

impl Body {
    pub(crate) fn events(events: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Inner::Events(Box::pin(events)))
    }

    /// The bytes, where they are all there.
    pub(super) fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Inner::Whole(bytes) => bytes.as_ref(),
            Inner::Events(_) => None,
        }
    }

    /// Whether these are events as they happen.
    #[cfg(feature = "tls")]
    pub(super) fn is_events(&self) -> bool {
        matches!(self.0, Inner::Events(_))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Inner::Whole((!bytes.is_empty()).then_some(bytes)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Events(events) => events
                .as_mut()
                .poll_next(context)
                .map(|event| event.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Inner::Events(_) => SizeHint::default(),
        }
    }
}
