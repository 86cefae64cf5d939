//! HTTP/1.1 as a load client needs it: buffers that are used again and again, one write for a request, and of an answer no more is
//! looked at than tells its code and where it ends.

use std::fmt;
use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use http::{HeaderValue, StatusCode};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::connection::{Answer, Call, Keep};

/// Bytes that are read at a time; the head of an answer has to fit in.
const BUFFER: usize = 64 << 10;
/// Fields that the head of an answer may have.
const MAX_FIELDS: usize = 32;

/// A connection of HTTP/1.1, on which one request follows the other.
pub(crate) struct Http1<S> {
    stream: S,
    /// Lines of the head that all requests have, `\r\n` after each.
    fields: Vec<u8>,
    request: Vec<u8>,
    buffer: Vec<u8>,
    /// The part of the buffer that was read and not looked at.
    unread: Range<usize>,
}

// Without the bearer.
impl<S> fmt::Debug for Http1<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").finish_non_exhaustive()
    }
}

/// How the length of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Bytes(usize),
    Chunks,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http1<S> {
    /// A connection to this host, for this bearer.
    pub(crate) fn new(stream: S, host: &str, bearer: &HeaderValue) -> Self {
        let mut fields = format!("host: {host}\r\nauthorization: ").into_bytes();
        fields.extend_from_slice(bearer.as_bytes());
        fields.extend_from_slice(b"\r\n");
        Self {
            stream,
            fields,
            request: Vec::new(),
            buffer: vec![0; BUFFER],
            unread: 0..0,
        }
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, call: &Call, keep: Keep) -> Result<Answer> {
        self.put(call);
        self.stream.write_all(&self.request).await?;
        self.stream.flush().await?;
        let (code, length) = self.head().await?;
        let mut kept = Kept::of(code, keep);
        match length {
            Length::Bytes(length) => self.data(length, &mut kept).await?,
            Length::Chunks => self.chunks(&mut kept).await?,
        }
        let body = kept.body;
        Ok(Answer { code, body })
    }

    /// Writes a request into its buffer.
    fn put(&mut self, call: &Call) {
        let request = &mut self.request;
        request.clear();
        for part in [call.method.as_str(), " ", &call.path, " HTTP/1.1\r\n"] {
            request.extend_from_slice(part.as_bytes());
        }
        request.extend_from_slice(&self.fields);
        if !call.body.is_empty() {
            request.extend_from_slice(b"content-type: ");
            request.extend_from_slice(call.content.as_bytes());
            let length = format!("\r\ncontent-length: {}\r\n", call.body.len());
            request.extend_from_slice(length.as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(&call.body);
    }

    /// The head of an answer: its code, and how long the body is.
    async fn head(&mut self) -> Result<(StatusCode, Length)> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut head = httparse::Response::new(&mut fields);
            let unread = &self.buffer[self.unread.clone()];
            if let httparse::Status::Complete(size) = head.parse(unread)? {
                let code = StatusCode::from_u16(head.code.context("an answer without a code")?)?;
                let length = length(head.headers)?;
                self.unread.start += size;
                return Ok((code, length));
            }
            self.more().await?;
        }
    }

    /// So much of a body.
    async fn data(&mut self, mut length: usize, kept: &mut Kept) -> Result<()> {
        while length > 0 {
            if self.unread.is_empty() {
                self.more().await?;
            }
            let there = self.unread.len().min(length);
            let end = self.unread.start + there;
            kept.take(&self.buffer[self.unread.start..end]);
            self.unread.start = end;
            length -= there;
        }
        Ok(())
    }

    /// A body in chunks, each after its length.
    async fn chunks(&mut self, kept: &mut Kept) -> Result<()> {
        loop {
            let line = self.line().await?;
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let digits = std::str::from_utf8(digits)?.trim();
            let length = usize::from_str_radix(digits, 16)
                .with_context(|| format!("a chunk of length {digits:?}"))?;
            if length == 0 {
                break;
            }
            self.data(length, kept).await?;
            ensure!(self.line().await?.is_empty(), "a chunk is longer than told");
        }
        while !self.line().await?.is_empty() {}
        Ok(())
    }

    /// A line, without its end.
    async fn line(&mut self) -> Result<&[u8]> {
        loop {
            let unread = &self.buffer[self.unread.clone()];
            if let Some(length) = memmem::find(unread, b"\r\n") {
                let start = self.unread.start;
                self.unread.start += length + 2;
                return Ok(&self.buffer[start..start + length]);
            }
            self.more().await?;
        }
    }

    /// Reads more, behind what is not looked at yet.
    async fn more(&mut self) -> Result<()> {
        let length = self.unread.len();
        ensure!(
            length < BUFFER,
            "a head or a line is longer than {BUFFER} bytes"
        );
        if length == 0 || self.unread.end == BUFFER {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..length;
        }
        let read = self
            .stream
            .read(&mut self.buffer[self.unread.end..])
            .await?;
        ensure!(read > 0, "the server has closed the connection");
        self.unread.end += read;
        Ok(())
    }
}

/// What the head of an answer says of the length of the body.
fn length(fields: &[httparse::Header<'_>]) -> Result<Length> {
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(field.value)?;
            let length = text.trim().parse();
            return Ok(Length::Bytes(length.context("a length that is none")?));
        }
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            ensure!(
                field.value.eq_ignore_ascii_case(b"chunked"),
                "a body in another encoding than chunks"
            );
            return Ok(Length::Chunks);
        }
    }
    bail!("an answer that does not tell its length")
}

/// As much of a body as is to be kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) body: Vec<u8>,
    most: usize,
}

impl Kept {
    /// Of an answer with this code.
    pub(crate) fn of(code: StatusCode, keep: Keep) -> Self {
        let most = match keep {
            _ if !code.is_success() => usize::MAX,
            Keep::Nothing => 0,
            Keep::Head => HEAD,
            Keep::All => usize::MAX,
        };
        let body = Vec::new();
        Self { body, most }
    }

    /// Adds what comes next.
    pub(crate) fn take(&mut self, data: &[u8]) {
        let room = self.most.saturating_sub(self.body.len());
        self.body.extend_from_slice(&data[..room.min(data.len())]);
    }
}

/// How much of an answer is kept where nobody needs it whole: a list's metadata are within it.
const HEAD: usize = 4096;

#[cfg(test)]
mod tests {
    use http::Method;
    use tokio::io::duplex;

    use super::*;

    /// What is asked and answered when the answer comes in pieces of `size` bytes.
    async fn asked(answer: &str, size: usize, keep: Keep) -> (String, Result<Answer>) {
        let (near, far) = duplex(1 << 16);
        let mut connection = Http1::new(near, "here:1", &HeaderValue::from_static("Bearer me"));
        let (mut read, mut write) = tokio::io::split(far);
        let answer = answer.as_bytes().to_vec();
        let server = tokio::spawn(async move {
            let mut request = [0; 1024];
            let length = read.read(&mut request).await.unwrap();
            for piece in answer.chunks(size) {
                write.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            write.shutdown().await.unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        let call = Call::new(Method::PUT, "/a?b", "{}");
        let answer = connection.ask(&call, keep).await;
        (server.await.unwrap(), answer)
    }

    #[tokio::test]
    async fn a_request_has_what_a_server_needs() {
        let (request, answer) = asked(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            99,
            Keep::All,
        )
        .await;
        assert_eq!(
            request,
            "PUT /a?b HTTP/1.1\r\nhost: here:1\r\nauthorization: Bearer me\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        );
        assert_eq!(answer.unwrap().code, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_however_it_comes() {
        let plain = "HTTP/1.1 201 Created\r\nA: b\r\ncontent-length: 11\r\n\r\nhello world";
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      6\r\nhello \r\n5;x=y\r\nworld\r\n0\r\nTrailer: x\r\n\r\n";
        for text in [plain, chunks] {
            for size in [1, 2, 7, 1000] {
                let (_, answer) = asked(text, size, Keep::All).await;
                assert_eq!(answer.unwrap().body, b"hello world", "{size}");
            }
            let (_, answer) = asked(text, 3, Keep::Nothing).await;
            assert_eq!(answer.unwrap().body, b"");
        }
    }

    #[tokio::test]
    async fn what_is_not_whole_is_no_answer() {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nhello world",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nhello",
            "HTTP/1.1 200",
        ] {
            let (_, answer) = asked(text, 1000, Keep::All).await;
            assert!(answer.is_err(), "{text:?}");
        }
    }

    /// A refusal is told whole, whatever was to be kept.
    #[tokio::test]
    async fn a_refusal_is_kept() {
        let text = "HTTP/1.1 409 Conflict\r\ncontent-length: 3\r\n\r\nwhy";
        let (_, answer) = asked(text, 1000, Keep::Nothing).await;
        assert_eq!(answer.unwrap().body, b"why");
    }
}
