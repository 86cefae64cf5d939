//! Requests on a connection, as cheap as a client can be: heads and bodies are made beforehand, and what nobody looks at is not kept.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use optilock_apiserver::ApiService;
use tower::ServiceExt;

/// How much of an answer is kept where nobody needs it whole: a list's metadata are within it.
const HEAD: usize = 4096;

/// How requests get to a server.
#[derive(Debug)]
pub(crate) enum Transport {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
    InProcess(ApiService),
}

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport,
    host: HeaderValue,
    authority: Option<Authority>,
    bearer: Option<HeaderValue>,
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
        Ok(Self {
            transport,
            host: HeaderValue::from_str(host)?,
            authority: Some(host.parse()?),
            bearer: Some(bearer.clone()),
        })
    }

    /// No connection, but the server itself.
    pub(crate) fn in_process(service: ApiService) -> Self {
        Self {
            transport: Transport::InProcess(service),
            host: HeaderValue::from_static("localhost"),
            authority: None,
            bearer: None,
        }
    }

    /// One more for requests at the same time, on the same connection where that is possible.
    pub(crate) fn share(&self) -> Option<Self> {
        let transport = match &self.transport {
            Transport::Http1(_) => return None,
            Transport::Http2(sender) => Transport::Http2(sender.clone()),
            Transport::InProcess(service) => Transport::InProcess(service.clone()),
        };
        Some(Self {
            transport,
            host: self.host.clone(),
            authority: self.authority.clone(),
            bearer: self.bearer.clone(),
        })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, call: &Call, keep: Keep) -> Result<Answer> {
        let request = self.request(call)?;
        let answer = match &mut self.transport {
            Transport::InProcess(service) => {
                let Ok(response) = service.oneshot(request).await;
                read(response, keep).await
            }
            Transport::Http1(_) | Transport::Http2(_) => {
                read(self.send(request).await?, keep).await
            }
        };
        answer.with_context(|| format!("{} {}", call.method, call.path))
    }

    /// Sends a request whose answer is read by the caller, as it comes.
    pub(crate) async fn open(&mut self, call: &Call) -> Result<Response<Incoming>> {
        let request = self.request(call)?;
        self.send(request).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        match &mut self.transport {
            Transport::Http1(sender) => {
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
            Transport::Http2(sender) => Ok(sender.send_request(request).await?),
            Transport::InProcess(_) => anyhow::bail!("there is no connection in process"),
        }
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>> {
        let path: http::uri::PathAndQuery = call.path.parse()?;
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(path);
        if let (Transport::Http2(_), Some(authority)) = (&self.transport, &self.authority) {
            uri.scheme = Some(Scheme::HTTPS);
            uri.authority = Some(authority.clone());
        }
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = Uri::from_parts(uri)?;
        let headers = request.headers_mut();
        if let Transport::Http1(_) = self.transport {
            headers.insert(HOST, self.host.clone());
        }
        if let Some(bearer) = &self.bearer {
            headers.insert(AUTHORIZATION, bearer.clone());
        }
        if !call.body.is_empty() {
            headers.insert(CONTENT_TYPE, call.content.clone());
        }
        Ok(request)
    }
}

async fn read<B>(response: Response<B>, keep: Keep) -> Result<Answer>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let code = response.status();
    let keep_all = keep == Keep::All || !code.is_success();
    let mut body = response.into_body();
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data()
            && (keep_all || kept.len() < HEAD)
        {
            let most = if keep_all {
                data.len()
            } else {
                HEAD.min(data.len())
            };
            kept.extend_from_slice(&data[..most]);
        }
    }
    Ok(Answer { code, body: kept })
}
