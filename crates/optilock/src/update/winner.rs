//! Who wrote the object instead.

use std::fmt;

use kube::core::ObjectMeta;

/// Who wrote an object, as its managedFields say.
///
/// It is what the server was told: managers choose their names, and times are in whole seconds. Of
/// several writes since the object was read, it is the newest that shows.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// /// What to tell whoever waits for the update.
/// fn explain(error: &optilock::UpdateError) -> String {
///     match error.winner() {
///         Some(winner) => format!("{} was faster: {winner}", winner.manager),
///         None => error.to_string(),
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let error = optilock::update(&api, "settings").apply(|_| Ok(())).await.unwrap_err();
/// # assert!(explain(&error).contains("not found"));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Winner {
    /// The field manager: a name that the writer gave, or the first part of its User-Agent.
    pub manager: String,
    /// `Update` or `Apply`; empty if the server didn't say.
    pub operation: String,
    /// The subresource that was written, such as `status`.
    pub subresource: Option<String>,
    /// When, in RFC 3339.
    pub time: Option<String>,
}

impl Winner {
    /// Who made the newest of the entries that an object has gained since `before` was read.
    ///
    /// None where it has gained none, as after two writes of the same fields by one manager within a
    /// second: any other entry would be a guess.
    pub(crate) fn since(before: &ObjectMeta, now: &ObjectMeta) -> Option<Self> {
        let known = before.managed_fields.as_deref().unwrap_or_default();
        let newest = now
            .managed_fields
            .as_ref()?
            .iter()
            .filter(|entry| !known.contains(entry))
            .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
        Some(Self {
            manager: newest.manager.clone().unwrap_or_default(),
            operation: newest.operation.clone().unwrap_or_default(),
            subresource: newest.subresource.clone(),
            time: newest.time.as_ref().map(|time| time.0.to_string()),
        })
    }
}

impl fmt::Display for Winner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.manager)?;
        if !self.operation.is_empty() {
            write!(f, " ({}", self.operation)?;
            if let Some(subresource) = &self.subresource {
                write!(f, " of {subresource}")?;
            }
            write!(f, ")")?;
        }
        match &self.time {
            Some(time) => write!(f, " at {time}"),
            None => Ok(()),
        }
    }
}
