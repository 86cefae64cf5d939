//! Requests on a connection, as cheap as a client can be: heads and bodies are made beforehand, and what nobody looks at is not kept.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use optilock_apiserver::ApiService;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower::ServiceExt;

use crate::http1::{Http1, Kept};

/// How requests get to a server.
#[derive(Debug)]
pub(crate) enum Transport {
    Http1(Box<Http1<TlsStream<TcpStream>>>),
    Http2(http2::SendRequest<Full<Bytes>>),
    InProcess(ApiService),
}

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport,
    /// Where there is a connection.
    origin: Option<Origin>,
}

/// Whom requests are for, and by whom they are.
#[derive(Clone, Debug)]
struct Origin {
    authority: Authority,
    bearer: HeaderValue,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) content: HeaderValue,
    pub(crate) body: Bytes,
}

/// What of an answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// That it was a success.
    Nothing,
    /// Its beginning.
    Head,
    /// Everything.
    All,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    /// As much of the body as was to be kept; all of it where the code says that something went wrong.
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// A call whose body is JSON of some kind.
    pub(crate) fn new(method: Method, path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            method,
            path: path.into(),
            content: HeaderValue::from_static("application/json"),
            body: body.into(),
        }
    }

    /// The same with a content type.
    pub(crate) fn of_type(self, content: &'static str) -> Self {
        Self {
            content: HeaderValue::from_static(content),
            ..self
        }
    }
}

impl Answer {
    /// The answer, where it is a success.
    pub(crate) fn success(self) -> Result<Self> {
        ensure!(
            self.code.is_success(),
            "{}: {}",
            self.code,
            String::from_utf8_lossy(&self.body)
        );
        Ok(self)
    }
}

impl Connection {
    /// A connection to this host, for this bearer.
    pub(crate) fn new(transport: Transport, host: &str, bearer: &HeaderValue) -> Result<Self> {
        let origin = Some(Origin {
            authority: host.parse()?,
            bearer: bearer.clone(),
        });
        Ok(Self { transport, origin })
    }

    /// No connection, but the server itself.
    pub(crate) fn in_process(service: ApiService) -> Self {
        Self {
            transport: Transport::InProcess(service),
            origin: None,
        }
    }

    /// One more for requests at the same time, on the same connection where that is possible.
    pub(crate) fn share(&self) -> Option<Self> {
        let transport = match &self.transport {
            Transport::Http1(_) => return None,
            Transport::Http2(sender) => Transport::Http2(sender.clone()),
            Transport::InProcess(service) => Transport::InProcess(service.clone()),
        };
        let origin = self.origin.clone();
        Some(Self { transport, origin })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, call: &Call, keep: Keep) -> Result<Answer> {
        let answer = match &mut self.transport {
            Transport::Http1(connection) => connection.ask(call, keep).await,
            Transport::Http2(_) => read(self.open(call).await?, keep).await,
            Transport::InProcess(service) => {
                let request = request(call, self.origin.as_ref())?;
                let Ok(response) = service.oneshot(request).await;
                read(response, keep).await
            }
        };
        answer.with_context(|| format!("{} {}", call.method, call.path))
    }

    /// Sends a request whose answer is read by the caller, as it comes.
    pub(crate) async fn open(&mut self, call: &Call) -> Result<Response<Incoming>> {
        let request = request(call, self.origin.as_ref())?;
        match &mut self.transport {
            Transport::Http2(sender) => Ok(sender.send_request(request).await?),
            _ => bail!("answers are read as they come over HTTP/2 alone: --protocol h2"),
        }
    }
}

/// A request for hyper, or for what is called as it is.
fn request(call: &Call, origin: Option<&Origin>) -> Result<Request<Full<Bytes>>> {
    let path: http::uri::PathAndQuery = call.path.parse()?;
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(path);
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = call.method.clone();
    if let Some(Origin { authority, bearer }) = origin {
        uri.scheme = Some(Scheme::HTTPS);
        uri.authority = Some(authority.clone());
        request.headers_mut().insert(AUTHORIZATION, bearer.clone());
    }
    *request.uri_mut() = Uri::from_parts(uri)?;
    if !call.body.is_empty() {
        let content = call.content.clone();
        request.headers_mut().insert(CONTENT_TYPE, content);
    }
    Ok(request)
}

async fn read<B>(response: Response<B>, keep: Keep) -> Result<Answer>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let code = response.status();
    let mut kept = Kept::of(code, keep);
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            kept.take(&data);
        }
    }
    let body = kept.body;
    Ok(Answer { code, body })
}
