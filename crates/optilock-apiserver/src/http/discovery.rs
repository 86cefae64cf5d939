//! Discovery over HTTP: which document a path is, and in which form the client gets it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, ETAG, HOST, IF_NONE_MATCH, LOCATION, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::accept::{Accept, Clause};
use super::asked::Asked;
use super::format::{Format, JSON, PROTOBUF, YAML};
use super::query::Query;
use super::reply::Reply;
use super::service::wants_indentation;
use crate::discovery::{Document, ListVersion, Part, Probe, Subject};
use crate::registry::{Registry, method_not_allowed, missing_resource};
use crate::status::{Details, Reason, Status};
use crate::tokens::ISSUER;

/// The framework below kube-apiserver knows `*/*` and full media types, but not this.
const APPLICATION: &str = "application/*";

const LIST_GROUP: &str = "apidiscovery.k8s.io";
const LIST_KIND: &str = "APIGroupDiscoveryList";

/// Media types of OpenAPI 2 in protobuf: the one that is told, and the one of old clients, which is none by the book.
const OPENAPI_V2: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
];

/// Media type of a JSON Web Key Set.
const KEY_SET: &str = "application/jwk-set+json";

/// Answers a request that is not about a resource. `leaving` says that the server is about to stop.
pub(super) fn answer(
    registry: &Registry,
    asked: &Asked<'_>,
    segments: &[Cow<'_, str>],
    accept: &Accept,
    leaving: bool,
) -> Reply {
    let Asked {
        method,
        query,
        headers,
        ..
    } = *asked;
    let request = DiscoveryRequest {
        registry,
        method,
        query,
        headers,
        accept,
        leaving,
    };
    request
        .answer(segments)
        .unwrap_or_else(|status| Reply::status(&status, accept, wants_indentation(query, headers)))
}

struct DiscoveryRequest<'a> {
    registry: &'a Registry,
    method: &'a Method,
    query: &'a Query,
    headers: &'a HeaderMap,
    accept: &'a Accept,
    /// The server is about to stop.
    leaving: bool,
}

/// How kube-apiserver serves a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handler {
    /// Any method is a GET.
    Lenient,
    /// Other methods are refused.
    GetOnly,
}

impl DiscoveryRequest<'_> {
    fn answer(&self, segments: &[Cow<'_, str>]) -> Result<Reply, Status> {
        let words: Vec<&str> = segments.iter().map(|word| &**word).collect();
        match words.as_slice() {
            [] | ["index.html"] => self.plain(&Subject::Paths),
            ["version"] => self.version(),
            ["version", ..] => Err(missing_resource()),
            [".well-known", "openid-configuration"] => self.issuer(),
            ["openid", "v1", "jwks"] => self.token_keys(),
            ["api"] => self.list(Handler::GetOnly, true),
            ["apis"] => self.list(Handler::Lenient, false),
            ["api", version] => self.resources("", version),
            ["apis", group] => {
                self.document(Handler::Lenient, &Subject::Group((*group).to_owned()))
            }
            ["apis", group, version] => self.resources(group, version),
            ["openapi", "v2"] => Ok(self.openapi_v2()),
            ["openapi", "v3"] => self.openapi_index(),
            ["openapi", "v3", path @ ..] => Ok(self.openapi(path)),
            [probe, check @ ..] => {
                match Probe::ALL.into_iter().find(|known| known.name() == *probe) {
                    Some(probe) => Ok(self.health(probe, &check.join("/"))),
                    None => Ok(not_found()),
                }
            }
        }
    }

    fn subject(&self, subject: &Subject) -> Option<Arc<Document>> {
        self.registry.resources().discovery().document(subject)
    }

    /// A document that is the same for all.
    fn plain(&self, subject: &Subject) -> Result<Reply, Status> {
        let document = self.subject(subject);
        Ok(document.map_or_else(not_found, |document| {
            Reply::new(StatusCode::OK, JSON, document.body())
        }))
    }

    fn version(&self) -> Result<Reply, Status> {
        self.only_as(JSON)?;
        self.plain(&Subject::Version)
    }

    /// Refuses whoever does not read a document in its one media type.
    fn only_as(&self, media_type: &str) -> Result<(), Status> {
        self.check(Handler::GetOnly)?;
        let wanted =
            |clause: &Clause| clause.covers(media_type) && clause.media_type != APPLICATION;
        if !self.accept.clauses().iter().any(wanted) {
            return Err(unacceptable(&[media_type]));
        }
        Ok(())
    }

    /// Who issues the tokens of service accounts, for those who verify them elsewhere (`OpenID` Connect).
    fn issuer(&self) -> Result<Reply, Status> {
        self.only_as(JSON)?;
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok());
        let server = host.map_or_else(|| ISSUER.to_owned(), |host| format!("https://{host}"));
        let document = json!({
            "issuer": ISSUER,
            "jwks_uri": format!("{server}/openid/v1/jwks"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        Ok(Reply::new(
            StatusCode::OK,
            JSON,
            Bytes::from(document.to_string()),
        ))
    }

    fn token_keys(&self) -> Result<Reply, Status> {
        self.only_as(KEY_SET)?;
        let keys = self.registry.token_keys()?.to_string();
        Ok(Reply::new(StatusCode::OK, KEY_SET, Bytes::from(keys)))
    }

    fn check(&self, handler: Handler) -> Result<(), Status> {
        match handler {
            Handler::GetOnly if self.method != Method::GET => Err(method_not_allowed()),
            _ => Ok(()),
        }
    }

    /// `/api` or `/apis`: one list, or all behind it.
    fn list(&self, handler: Handler, core: bool) -> Result<Reply, Status> {
        self.check(handler)?;
        let (format, version) = self.negotiate(handler, true)?;
        let Some(version) = version else {
            let subject = if core {
                Subject::CoreVersions
            } else {
                Subject::Groups
            };
            return self.document(handler, &subject);
        };
        let Some(document) = self.subject(&Subject::Aggregated { core, version }) else {
            return Ok(not_found());
        };
        let etag = format!("\"{}\"", document.hash());
        let reply = if self.has_already(&etag) {
            Reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            let content_type = format!(
                "{};g={LIST_GROUP};v={};as={LIST_KIND}",
                format.media_type(),
                version.name()
            );
            write(format, &document)?.content_type(&content_type)
        };
        Ok(reply
            .header(ETAG, &etag)
            .header(VARY, "Accept")
            .header(CACHE_CONTROL, "public"))
    }

    /// Whether the client has that very version.
    fn has_already(&self, etag: &str) -> bool {
        let sent = self
            .headers
            .get(IF_NONE_MATCH)
            .map(http::HeaderValue::as_bytes);
        sent == Some(etag.as_bytes())
    }

    fn resources(&self, group: &str, version: &str) -> Result<Reply, Status> {
        let subject = Subject::Resources {
            group: group.to_owned(),
            version: version.to_owned(),
        };
        if self.subject(&subject).is_some() {
            return self.document(Handler::GetOnly, &subject);
        }
        if self.registry.resources().discovery().has_group(group) {
            return Err(missing_resource());
        }
        Ok(not_found())
    }

    /// A document in the format that the client wants.
    fn document(&self, handler: Handler, subject: &Subject) -> Result<Reply, Status> {
        let Some(document) = self.subject(subject) else {
            return Ok(not_found());
        };
        self.check(handler)?;
        let (format, _) = self.negotiate(handler, false)?;
        write(format, &document)
    }

    /// The first of the client's wishes that can be served; with a version where it wants all in one document.
    fn negotiate(
        &self,
        handler: Handler,
        aggregates: bool,
    ) -> Result<(Format, Option<ListVersion>), Status> {
        let pretty = wants_indentation(self.query, self.headers);
        let mut understood = false;
        for clause in self.accept.clauses() {
            if handler == Handler::GetOnly && clause.media_type == APPLICATION {
                continue;
            }
            let Some(format) = Format::of(clause, pretty) else {
                continue;
            };
            understood = true;
            if clause.is_plain() {
                return Ok((format, None));
            }
            if aggregates
                && format != Format::Protobuf
                && clause.kind == LIST_KIND
                && clause.group == LIST_GROUP
                && let Some(version) = ListVersion::parse(&clause.version)
            {
                return Ok((format, Some(version)));
            }
        }
        if handler == Handler::GetOnly && !understood {
            return Err(unacceptable(&[JSON, YAML, PROTOBUF]));
        }
        let text =
            format!("only the following media types are accepted: {JSON}, {YAML}, {PROTOBUF}");
        Err(Status::new(406, Reason::NotAcceptable, text))
    }

    /// The index of OpenAPI documents. Its media type is what kube-apiserver says it is.
    fn openapi_index(&self) -> Result<Reply, Status> {
        let reply = self.plain(&Subject::OpenApiIndex)?;
        Ok(reply.content_type("text/plain; charset=utf-8"))
    }

    /// A document of OpenAPI. With its hash it can be kept for ever; a hash that it no longer has leads to the new one.
    fn openapi(&self, path: &[&str]) -> Reply {
        let part = Part::at(path).map(Subject::OpenApi);
        let Some(document) = part.and_then(|part| self.subject(&part)) else {
            return Reply::empty(StatusCode::NOT_FOUND);
        };
        if !self
            .accept
            .clauses()
            .iter()
            .any(|clause| clause.covers(JSON))
        {
            return Reply::empty(StatusCode::NOT_ACCEPTABLE).header(VARY, "Accept");
        }
        let etag = format!("\"{}\"", document.hash());
        let (asked, hash) = (self.query.get("hash"), document.hash());
        let reply = if !asked.is_empty() && asked != hash {
            let location = format!("/openapi/v3/{}?hash={hash}", path.join("/"));
            Reply::empty(StatusCode::MOVED_PERMANENTLY).header(LOCATION, &location)
        } else if self.has_already(&etag) {
            Reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            Reply::new(StatusCode::OK, JSON, document.body())
        };
        let reply = reply.header(ETAG, &etag).header(VARY, "Accept");
        if asked == hash {
            reply.header(CACHE_CONTROL, "public, immutable, max-age=31536000")
        } else {
            reply
        }
    }

    /// OpenAPI as one document of version 2, of which both formats are the same version to a client that keeps it.
    fn openapi_v2(&self) -> Reply {
        let wanted = self.accept.clauses().iter().find_map(|clause| {
            if clause.covers(JSON) {
                return Some(false);
            }
            OPENAPI_V2
                .contains(&clause.media_type.as_str())
                .then_some(true)
        });
        let json = self.subject(&Subject::OpenApiV2 { protobuf: false });
        let (Some(protobuf), Some(json)) = (wanted, json) else {
            return Reply::empty(StatusCode::NOT_ACCEPTABLE).header(VARY, "Accept");
        };
        let etag = format!("\"{}\"", json.hash());
        let reply = if self.has_already(&etag) {
            Reply::empty(StatusCode::NOT_MODIFIED)
        } else if protobuf {
            let Some(document) = self.subject(&Subject::OpenApiV2 { protobuf }) else {
                return not_found();
            };
            Reply::new(StatusCode::OK, OPENAPI_V2[0], document.body())
        } else {
            Reply::new(StatusCode::OK, JSON, json.body())
        };
        reply.header(ETAG, &etag).header(VARY, "Accept")
    }

    fn health(&self, probe: Probe, check: &str) -> Reply {
        if !check.is_empty() {
            return match probe.one(check) {
                Some(text) => Reply::text(StatusCode::OK, text),
                None => not_found(),
            };
        }
        let excluded: Vec<&str> = self.query.all("exclude").collect();
        if self.leaving && probe == Probe::Readyz {
            let text = probe.leaving();
            return sniff_proof(Reply::text(StatusCode::INTERNAL_SERVER_ERROR, text));
        }
        // `verbose=false` is verbose too.
        let verbose = self.query.all("verbose").next().is_some();
        sniff_proof(Reply::text(StatusCode::OK, probe.all(verbose, &excluded)))
    }
}

fn write(format: Format, document: &Document) -> Result<Reply, Status> {
    let body = format.write(document.body().into())?;
    Ok(Reply::new(StatusCode::OK, format.media_type(), body))
}

/// 404 of a path that means nothing.
pub(super) fn not_found() -> Reply {
    sniff_proof(Reply::text(StatusCode::NOT_FOUND, "404 page not found\n"))
}

/// A text that no browser takes for anything else.
pub(super) fn sniff_proof(reply: Reply) -> Reply {
    reply.header(X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// 406, in the words of the framework below kube-apiserver.
fn unacceptable(available: &[&str]) -> Status {
    let available = available.join(", ");
    let text = format!("406: Not Acceptable\n\nAvailable representations: {available}");
    Status::new(406, Reason::NotAcceptable, text).with_details(Details::default())
}
