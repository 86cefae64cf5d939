//! The body of an answer: bytes, or the events of a watch as they happen.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use http_body::{Frame, SizeHint};

use super::flow::Seat;
use super::observer::Observer;
use super::shipment::{PIECE, Shipment};

type Events = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// Body of a response of the API server.
pub struct Body(Inner);

enum Inner {
    Whole(Option<Bytes>),
    Shipped(Shipment),
    Events(Events, Option<Box<Observer>>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Whole(bytes) => f
                .debug_tuple("Whole")
                .field(&bytes.as_ref().map(Bytes::len))
                .finish(),
            Inner::Shipped(shipment) => f.debug_tuple("Shipped").field(&shipment.len()).finish(),
            Inner::Events(..) => f.write_str("Events"),
        }
    }
}

impl Body {
    pub(crate) fn events(events: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Inner::Events(Box::pin(events), None))
    }

    /// The bytes, where they are all there.
    pub(super) fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Inner::Whole(bytes) => bytes.as_ref(),
            Inner::Shipped(_) | Inner::Events(..) => None,
        }
    }

    /// Whether these are events as they happen.
    pub(super) fn is_events(&self) -> bool {
        matches!(self.0, Inner::Events(..))
    }

    /// The same, where these are events, with somebody who goes along.
    pub(super) fn observed(self, observer: Observer) -> Self {
        match self.0 {
            Inner::Events(events, _) => Self(Inner::Events(events, Some(Box::new(observer)))),
            other => Self(other),
        }
    }

    /// The same; where it is large it has the request's place as long as it is on its way.
    pub(super) fn shipped(self, seat: Option<Seat>) -> Self {
        match (self.0, seat) {
            (Inner::Whole(Some(bytes)), Some(seat)) if bytes.len() > PIECE => {
                Self(Inner::Shipped(Shipment::new(bytes, seat)))
            }
            (other, _) => Self(other),
        }
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
            Inner::Shipped(shipment) => {
                Poll::Ready(shipment.next().map(|bytes| Ok(Frame::data(bytes))))
            }
            Inner::Events(events, observer) => events.as_mut().poll_next(context).map(|event| {
                let bytes = event?;
                if let Some(observer) = observer {
                    observer.event(bytes.len());
                }
                Some(Ok(Frame::data(bytes)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(bytes) => bytes.is_none(),
            Inner::Shipped(shipment) => shipment.len() == 0,
            Inner::Events(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Inner::Shipped(shipment) => SizeHint::with_exact(shipment.len() as u64),
            Inner::Events(..) => SizeHint::default(),
        }
    }
}
