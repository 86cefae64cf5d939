//! Discovery over HTTP.

use http::{HeaderMap, Method, StatusCode};

use super::accept::Accept;
use super::query::Query;
use super::reply::Reply;
use crate::registry::Registry;

/// Answers a request that is not about a resource.
pub(super) fn answer(
    _registry: &Registry,
    _method: &Method,
    _segments: &[String],
    _query: &Query,
    _headers: &HeaderMap,
    _accept: &Accept,
) -> Reply {
    Reply::text(StatusCode::NOT_FOUND, "404 page not found\n")
}
