//! An answer before it is put into an HTTP response.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WARNING};
use http::{HeaderMap, Response, StatusCode};

use super::accept::Accept;
use super::body::Body;
use super::format::Format;
use crate::audit::Said;
use crate::status::{Details, Status};

/// Status, headers and body of an answer.
#[derive(Debug)]
pub(crate) struct Reply {
    code: StatusCode,
    headers: HeaderMap,
    body: Body,
    /// The Status that it is, for the audit log.
    said: Option<Said>,
}

impl Reply {
    /// An answer of that media type.
    pub(crate) fn new(code: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self {
            code,
            headers,
            body: body.into(),
            said: None,
        }
    }

    /// An answer without a body.
    pub(crate) fn empty(code: StatusCode) -> Self {
        Self {
            code,
            headers: HeaderMap::new(),
            body: Body::from(Bytes::new()),
            said: None,
        }
    }

    /// Plain text.
    pub(crate) fn text(code: StatusCode, text: impl Into<String>) -> Self {
        Self::new(code, "text/plain; charset=utf-8", Bytes::from(text.into()))
    }

    /// The answer to what was refused. A client that takes nothing as it is gets JSON that a person can read.
    pub(crate) fn status(status: &Status, accept: &Accept, pretty: bool) -> Self {
        let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let plain = accept.clauses().iter().filter(|clause| clause.is_plain());
        let wanted = plain.filter_map(|clause| Format::of(clause, pretty)).next();
        let format = wanted.unwrap_or(Format::Json { pretty: true });
        let mut json = status.to_json().into_bytes();
        json.push(b'\n');
        // A Status can be written in every format; `untyped` says so where it could not.
        let body = format
            .write(json)
            .unwrap_or_else(|why| why.to_json().into());
        let mut reply = Self::new(code, format.media_type(), body);
        reply.said = Some(Said::Refused(Box::new(status.clone())));
        if let Some(seconds) = status.details.as_ref().map(|d| d.retry_after_seconds)
            && seconds > 0
        {
            reply
                .headers
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }

    /// The same with a header. A value that HTTP can't carry is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The same with a media type that is made at run time.
    pub(crate) fn content_type(self, media_type: &str) -> Self {
        self.header(CONTENT_TYPE, media_type)
    }

    /// The same with warnings, each once, as `299 - "…"`.
    pub(crate) fn warnings(mut self, texts: &[String]) -> Self {
        let mut told: Vec<&String> = Vec::new();
        for text in texts {
            if told.contains(&text) {
                continue;
            }
            told.push(text);
            let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
            if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
                self.headers.append(WARNING, value);
            }
        }
        self
    }

    /// The same of what was done, where that is a Status.
    pub(super) fn done(mut self, details: Option<Details>) -> Self {
        self.said = Some(Said::Done(details.map(Box::new)));
        self
    }

    /// The Status that it is; `None` for what is none.
    pub(super) fn take_said(&mut self) -> Option<Said> {
        self.said.take()
    }

    /// The response.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.code;
        *response.headers_mut() = self.headers;
        response
            .headers_mut()
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-cache, private"));
        response
    }
}
