//! Who sends a request.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

/// A user, as whoever authenticates a request knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    /// Empty where there is none.
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    /// What else is known.
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Whoever started the server, and so sends most requests.
    pub(crate) fn admin() -> Arc<Self> {
        static ADMIN: LazyLock<Arc<User>> = LazyLock::new(|| {
            Arc::new(User {
                name: "optilock-admin".to_owned(),
                uid: String::new(),
                groups: ["system:masters", "system:authenticated"]
                    .map(str::to_owned)
                    .into(),
                extra: BTreeMap::new(),
            })
        });
        Arc::clone(&ADMIN)
    }

    /// Whoever shows no token. Health is all that they are told.
    pub(crate) fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            uid: String::new(),
            groups: vec!["system:unauthenticated".to_owned()],
            extra: BTreeMap::new(),
        }
    }

    /// The user as `UserInfo` of authentication.k8s.io.
    pub(crate) fn info(&self) -> Value {
        json!({
            "username": self.name,
            "uid": self.uid,
            "groups": self.groups,
            "extra": self.extra,
        })
    }
}
