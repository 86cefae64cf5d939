//! What a request asks for, by its method, path and query alone: for those who limit, count and log requests before it
//! is known whether there is such a resource.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Method};

use super::query::Query;
use super::route::{ResourcePath, Route};
use crate::audit::{About, Received};
use crate::metrics::Labels;
use crate::registry::Registry;
use crate::selector::FieldSelector;

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) route: &'a Route<'a>,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
}

/// The path, for logs: what is no path of a resource by its parts.
impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.route {
            Route::Malformed => f.write_str("(no path)"),
            Route::Other(segments) => write!(f, "/{}", segments.join("/")),
            Route::Resource(path) => {
                let parts = [
                    &path.group,
                    &path.version,
                    &path.namespace,
                    &path.plural,
                    &path.name,
                    &path.subresource,
                ];
                let said: Vec<&str> = parts
                    .into_iter()
                    .map(|part| &**part)
                    .filter(|part| !part.is_empty())
                    .collect();
                write!(f, "{} {}", self.verb(), said.join("/"))
            }
        }
    }
}

impl<'a> Asked<'a> {
    pub(super) fn new(head: &'a Parts, route: &'a Route<'a>, query: &'a Query) -> Self {
        Self {
            method: &head.method,
            route,
            query,
            headers: &head.headers,
        }
    }

    /// The path, where it is one of a resource.
    pub(super) fn resource(&self) -> Option<&'a ResourcePath<'a>> {
        match self.route {
            Route::Resource(path) => Some(path),
            _ => None,
        }
    }

    /// The name of the health check that is asked for without more words.
    pub(super) fn health(&self) -> Option<&'a str> {
        match self.route {
            Route::Other(segments) => match segments.as_slice() {
                [probe] if ["healthz", "livez", "readyz"].contains(&&**probe) => Some(probe),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it is for whoever looks at the server, and not at what it serves.
    pub(super) fn is_about_the_server(&self) -> bool {
        match self.route {
            Route::Other(segments) => segments.first().is_some_and(|first| {
                matches!(
                    &**first,
                    "healthz" | "livez" | "readyz" | "metrics" | "debug"
                )
            }),
            _ => false,
        }
    }

    /// The verb, as rules of RBAC and audit logs have it.
    pub(super) fn verb(&self) -> &'static str {
        let resource = self.resource();
        let one = resource.is_some_and(|path| !path.name.is_empty());
        match (self.method, resource) {
            (&Method::GET | &Method::HEAD, Some(path)) => {
                let watches = || self.query.flag("watch").unwrap_or(false);
                match one {
                    _ if path.watch => "watch",
                    true => "get",
                    false if watches() => "watch",
                    false => "list",
                }
            }
            (&Method::POST, Some(_)) => "create",
            (&Method::PUT, Some(_)) => "update",
            (&Method::DELETE, Some(_)) if !one => "deletecollection",
            (&Method::GET, None) => "get",
            (&Method::HEAD, _) => "head",
            (&Method::POST, None) => "post",
            (&Method::PUT, None) => "put",
            (&Method::PATCH, _) => "patch",
            (&Method::DELETE, _) => "delete",
            (&Method::OPTIONS, _) => "options",
            _ => "other",
        }
    }

    /// By what it is counted; `None` for what kube-apiserver does not count.
    pub(super) fn labels(&self) -> Option<Labels<'a>> {
        let Some(path) = self.resource() else {
            return self.other_labels();
        };
        let verb = match self.verb() {
            "get" => "GET",
            "list" => "LIST",
            "watch" => "WATCH",
            "create" => "POST",
            "update" => "PUT",
            "patch" if self.applies() => "APPLY",
            "patch" => "PATCH",
            "delete" => "DELETE",
            "deletecollection" => "DELETECOLLECTION",
            _ => return None,
        };
        let scope = match (verb, path.name.is_empty(), path.namespace.is_empty()) {
            ("POST", ..) | (_, false, _) => "resource",
            (_, _, false) => "namespace",
            _ => "cluster",
        };
        Some(Labels {
            verb,
            dry_run: match self.query.get("dryRun") {
                "" => "",
                "All" => "All",
                _ => "invalid",
            },
            group: &path.group,
            version: &path.version,
            resource: &path.plural,
            subresource: &path.subresource,
            scope,
            component: "apiserver",
        })
    }

    fn other_labels(&self) -> Option<Labels<'a>> {
        let Route::Other(segments) = self.route else {
            return None;
        };
        let subresource = match segments.iter().map(|word| &**word).collect::<Vec<_>>()[..] {
            ["healthz"] => "/healthz",
            ["livez"] => "/livez",
            ["readyz"] => "/readyz",
            ["openapi", "v2"] => "openapi/v2",
            ["openapi", "v3", ..] => "openapi/v3",
            _ => return None,
        };
        Some(Labels {
            verb: "GET",
            dry_run: "",
            group: "",
            version: "",
            resource: "",
            subresource,
            scope: "",
            component: "",
        })
    }

    /// Whether the server knows what is asked for, so that it may be counted by its name.
    pub(super) fn is_known(&self, registry: &Registry) -> bool {
        let Some(path) = self.resource() else {
            return true;
        };
        let resource = registry.resource(&path.group, &path.version, &path.plural);
        resource.is_some_and(|resource| {
            path.subresource.is_empty() || resource.subresource(&path.subresource).is_some()
        })
    }

    /// What the audit log is told of it.
    pub(super) fn received(
        &self,
        head: &'a Parts,
        peer: Option<IpAddr>,
        id: String,
    ) -> Received<'a> {
        let agent = self.headers.get(USER_AGENT);
        let object = self.resource().map(|path| {
            // A namespace is in itself, and a selector may name one object.
            let is_namespace = path.group.is_empty() && path.plural == "namespaces";
            let selected = match (self.verb(), path.name.is_empty()) {
                ("list" | "watch", true) => FieldSelector::name_in(self.query.get("fieldSelector")),
                _ => None,
            };
            About {
                group: &path.group,
                version: &path.version,
                resource: &path.plural,
                subresource: &path.subresource,
                namespace: match is_namespace {
                    true => &path.name,
                    false => &path.namespace,
                },
                name: selected.map_or(Cow::Borrowed(&*path.name), Cow::Owned),
            }
        });
        Received {
            id,
            uri: head
                .uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            verb: self.verb(),
            agent: agent
                .and_then(|agent| agent.to_str().ok())
                .unwrap_or_default(),
            address: peer,
            object,
        }
    }

    fn applies(&self) -> bool {
        let content = self.headers.get(CONTENT_TYPE);
        content.is_some_and(|content| content.as_bytes().starts_with(b"application/apply-patch"))
    }
}
