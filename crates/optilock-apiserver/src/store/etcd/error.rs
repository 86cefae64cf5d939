//! Why there is no store in an etcd.

/// Why an [`EtcdStore`](super::EtcdStore) can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EtcdError {
    /// It is no URL of an etcd.
    #[error("{url:?} is no URL of an etcd: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The certificates or the key can't be used.
    #[error("the certificates for etcd can't be used: {0}")]
    Tls(String),
    /// There is no answer.
    #[error("{urls} can't be reached: {why}")]
    Unreachable {
        /// Where it was looked for.
        urls: String,
        /// What went wrong last.
        why: String,
    },
    /// etcd does not let us in.
    #[error("{urls} refuses: {why}")]
    Refused {
        /// Who said so.
        urls: String,
        /// In its words.
        why: String,
    },
    /// The values are encrypted by a kube-apiserver, whose keys are not known here.
    #[error(
        "the value of {key} is encrypted: decrypt it first, by writing it anew through a kube-apiserver with the provider \"identity\""
    )]
    Encrypted {
        /// The first key that was found.
        key: String,
    },
    /// A value is no object that is known here.
    #[error("the value of {key} can't be read: {why}")]
    Unreadable {
        /// The first key that was found.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}
