//! What a request to an API server asks, by its method and URL.

use http::{Method, Uri};

/// What is asked of the server; Kubernetes' own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Asks {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Asks {
    pub(crate) const ALL: [(Self, &'static str); 7] = [
        (Self::Get, "get"),
        (Self::List, "list"),
        (Self::Watch, "watch"),
        (Self::Create, "create"),
        (Self::Update, "update"),
        (Self::Patch, "patch"),
        (Self::Delete, "delete"),
    ];

    pub(crate) fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// A request for objects.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) asks: Asks,
    /// The path of the object, without a subresource; of the collection, where there is no name.
    pub(crate) path: String,
    /// As `deployments`.
    pub(crate) resource: String,
    pub(crate) name: Option<String>,
    pub(crate) is_subresource: bool,
}

impl Route {
    /// None for what isn't about objects: discovery, health, and the like.
    pub(crate) fn of(method: &Method, uri: &Uri) -> Option<Self> {
        let segments: Vec<&str> = uri
            .path()
            .split('/')
            .filter(|part| !part.is_empty())
            .collect();
        let mut at = match *segments.first()? {
            "apis" => 3,
            "api" => 2,
            _ => return None,
        };
        if segments.get(at) == Some(&"namespaces") && segments.len() > at + 2 {
            at += 2;
        }
        let resource = *segments.get(at)?;
        let name = segments.get(at + 1).copied();
        let asks = match (method, name) {
            (&Method::GET, _) if has(uri, "watch", &["true", "1"]) => Asks::Watch,
            (&Method::GET, None) => Asks::List,
            (&Method::GET, Some(_)) => Asks::Get,
            (&Method::POST, _) => Asks::Create,
            (&Method::PUT, Some(_)) => Asks::Update,
            (&Method::PATCH, Some(_)) => Asks::Patch,
            (&Method::DELETE, _) => Asks::Delete,
            _ => return None,
        };
        let end = segments.len().min(at + 2);
        Some(Self {
            asks,
            path: segments[..end].join("/"),
            resource: resource.to_owned(),
            name: name.map(str::to_owned),
            is_subresource: segments.len() > at + 2,
        })
    }
}

/// Whether the query sets a parameter to one of these values.
pub(crate) fn has(uri: &Uri, parameter: &str, values: &[&str]) -> bool {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .any(|(name, value)| name == parameter && values.contains(&value))
}
