//! The controllers without which an API server does not feel like a cluster: namespaces that go away with their content,
//! garbage collection, and what every namespace has.
//!
//! They are clients of the registry like others, in one task that reads the event log. Their names are those
//! of kube-controller-manager.

mod garbage;
mod graph;
mod manager;
mod namespace;
mod published;

use std::collections::BTreeSet;
use std::str::FromStr;

pub(crate) use manager::{Manager, RootCa};

/// A controller, by its name in kube-controller-manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Controller {
    /// `garbage-collector-controller`: deletes what has lost its owners.
    GarbageCollector,
    /// `namespace-controller`: deletes the content of a namespace, then the namespace.
    Namespace,
    /// `root-ca-certificate-publisher-controller`: the ConfigMap `kube-root-ca.crt` in every namespace.
    RootCaCertificatePublisher,
    /// `serviceaccount-controller`: the ServiceAccount `default` in every namespace.
    ServiceAccount,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::GarbageCollector,
        Self::Namespace,
        Self::RootCaCertificatePublisher,
        Self::ServiceAccount,
    ];

    /// The name in kube-controller-manager.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GarbageCollector => "garbage-collector-controller",
            Self::Namespace => "namespace-controller",
            Self::RootCaCertificatePublisher => "root-ca-certificate-publisher-controller",
            Self::ServiceAccount => "serviceaccount-controller",
        }
    }
}

/// No controller has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no controller is called {name:?}; there are: {}", Controller::ALL.map(Controller::name).join(", "))]
pub struct UnknownController {
    name: String,
}

impl FromStr for Controller {
    type Err = UnknownController;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|controller| controller.name() == text)
            .ok_or_else(|| UnknownController {
                name: text.to_owned(),
            })
    }
}

/// The controllers that a server runs.
pub(crate) type Controllers = BTreeSet<Controller>;
