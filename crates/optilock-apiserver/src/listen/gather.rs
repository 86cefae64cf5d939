//! What a connection writes goes out together.
//!
//! With HTTP/2 many answers and watches share a connection, and hyper flushes it after every frame of some size. Each would be a TLS
//! record, a call of the system and, for the peer, a wake-up of its own. So what is written is gathered, and goes out when there is
//! much of it, or when hyper was polled and has no more. Where more than one request is under way on the connection, it steps back once
//! before: an event wakes all its watchers, and each of them wakes the connection.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::BoxError;

/// So many bytes are gathered before some go out: as many as some TLS records have.
const MOST: usize = 64 << 10;

/// A stream whose writes are gathered, if they are to be. Clones are the same one.
#[derive(Debug)]
pub(super) struct Gathered<S>(Arc<Mutex<Inner<S>>>);

#[derive(Debug)]
struct Inner<S> {
    stream: S,
    /// Otherwise all goes on as it comes.
    gathers: bool,
    waiting: Vec<u8>,
    /// How much of it has gone out.
    sent: usize,
    /// Something has gone out that the stream may hold back.
    unflushed: bool,
}

impl<S> Clone for Gathered<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Gathers what is written to a stream, where many share it; otherwise it goes on as it comes.
    pub(super) fn new(stream: S, gathers: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            stream,
            gathers,
            waiting: Vec::new(),
            sent: 0,
            unflushed: false,
        })))
    }

    /// Polls what writes to it, and lets go out what that has written: behind the tasks that are ready, if others may write soon.
    pub(super) async fn drive<T>(
        self,
        connection: impl Future<Output = Result<T, BoxError>>,
        others_may_write: impl Fn() -> bool,
    ) -> Result<T, BoxError> {
        let mut connection = pin!(connection);
        let mut stepped_back = false;
        poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx);
            let mut inner = self.0.lock();
            if ended.is_pending() && inner.is_waiting() && !stepped_back && others_may_write() {
                stepped_back = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            stepped_back = false;
            // What it has said last too, if the peer takes it.
            match (ended, inner.poll_send(cx)) {
                (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error.into())),
                (ended, _) => ended,
            }
        })
        .await
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    fn stream(&mut self) -> Pin<&mut S> {
        Pin::new(&mut self.stream)
    }

    fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Lets everything go out that was gathered.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.waiting.len() {
            let rest = &self.waiting[self.sent..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
            self.unflushed = true;
        }
        // Most connections are idle most of the time, and need no memory then.
        self.waiting = Vec::new();
        self.sent = 0;
        if self.unflushed {
            ready!(self.stream().poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Makes room for more.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.waiting.len() < MOST {
            true => Poll::Ready(Ok(())),
            false => self.poll_send(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.lock();
        if !inner.gathers {
            return inner.stream().poll_write(cx, data);
        }
        ready!(inner.poll_room(cx))?;
        inner.waiting.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.lock();
        if !inner.gathers {
            return inner.stream().poll_write_vectored(cx, parts);
        }
        ready!(inner.poll_room(cx))?;
        for part in parts {
            inner.waiting.extend_from_slice(part);
        }
        let length = parts.iter().map(|part| part.len()).sum();
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.lock().stream.is_write_vectored()
    }

    /// What was gathered goes out when the connection has been polled.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        match inner.gathers {
            true => Poll::Ready(Ok(())),
            false => inner.stream().poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        ready!(inner.poll_send(cx))?;
        inner.stream().poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().stream).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::sync::oneshot;

    use super::*;

    /// Remembers each write, and takes no more than so many bytes with one.
    #[derive(Debug, Default)]
    struct Recorder {
        most: usize,
        writes: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Recorder {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = data.len().min(self.most);
            self.writes.push(data[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// The writes of a connection that writes and flushes three times, waits, and does so again.
    async fn writes(gathers: bool, most: usize, others_may_write: bool) -> Vec<String> {
        let recorder = Recorder {
            most,
            ..Recorder::default()
        };
        let gathered = Gathered::new(recorder, gathers);
        let mut writer = gathered.clone();
        let connection = async move {
            for round in ["one ", "two "] {
                for word in ["a ", "b ", "c "] {
                    writer.write_all(round.as_bytes()).await?;
                    writer.write_all(word.as_bytes()).await?;
                    writer.flush().await?;
                }
                tokio::task::yield_now().await;
            }
            Ok(())
        };
        let driven = gathered.clone().drive(connection, || others_may_write);
        driven.await.unwrap();
        let recorder = &gathered.0.lock().stream;
        let text = |write: &Vec<u8>| String::from_utf8(write.clone()).unwrap();
        recorder.writes.iter().map(text).collect()
    }

    #[tokio::test]
    async fn what_is_written_between_two_waits_goes_out_at_once() {
        let together = ["one a one b one c ", "two a two b two c "];
        assert_eq!(writes(true, 1000, false).await, together);
        // Whatever the stream takes at a time.
        assert_eq!(writes(true, 5, false).await.concat(), together.concat());
        // Who steps back is in time for what comes next.
        assert_eq!(writes(true, 1000, true).await, [together.concat()]);
        assert_eq!(writes(false, 1000, true).await.len(), 12);
    }

    /// Who reads slowly gets all of it, and what waits meanwhile has a bound.
    #[tokio::test]
    async fn a_slow_reader_holds_up_the_writer() {
        const FRAMES: usize = 500;
        let frame = |number: usize| vec![number as u8; 1000];
        let (near, mut far) = duplex(1000);
        let gathered = Gathered::new(near, true);
        let mut writer = gathered.clone();
        let (begin, begun) = oneshot::channel();
        let connection = async move {
            let mut begin = Some(begin);
            for number in 0..FRAMES {
                if number * 1000 > MOST
                    && let Some(begin) = begin.take()
                {
                    // The next frame has no room.
                    let _ = begin.send(());
                }
                writer.write_all(&frame(number)).await?;
                writer.flush().await?;
            }
            Ok(writer.shutdown().await?)
        };
        let bound = gathered.clone();
        let reading = async {
            begun.await.unwrap();
            let mut read = Vec::new();
            let mut piece = [0; 700];
            loop {
                assert!(bound.0.lock().waiting.len() <= MOST + 1000);
                match far.read(&mut piece).await.unwrap() {
                    0 => return read,
                    length => read.extend_from_slice(&piece[..length]),
                }
            }
        };
        let (ended, read) = tokio::join!(gathered.drive(connection, || true), reading);
        ended.unwrap();
        assert_eq!(read, (0..FRAMES).flat_map(frame).collect::<Vec<_>>());
    }
}
