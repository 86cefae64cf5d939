//! What makes "answers like kube-apiserver" something that can be checked: a [corpus](Topic) of request sequences, a
//! [`Player`] that plays them against any server, the [`Recording`]s of what the reference control plane answered, and
//! the [differences](Recording::differences) between two of them.
//!
//! What no two servers can have in common (uids, times, resourceVersions, generated names) is replaced by symbols, in
//! the order in which they appear, so that what is left can be compared as a whole.

mod answer;
mod compare;
mod corpus;
mod error;
mod etcd;
mod known;
mod play;
mod recording;
mod symbols;
mod target;
mod template;
mod watch;
mod yaml;

pub use compare::{Difference, Ignored};
pub use corpus::{Case, Topic};
pub use error::{Error, Result};
pub use etcd::call as ask_etcd;
pub use known::{Judgement, KnownDifferences};
pub use play::Player;
pub use recording::{Played, Recording};
pub use target::{BoxBody, InProcess, Pair, Target, Tcp};

/// The folder of this crate, where the corpus and the recordings are.
fn folder() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}
