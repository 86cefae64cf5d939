use serde::{Deserialize, Serialize};

/// What must hold in every history of a server that keeps its promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// A write is computed from the version just before the one that it makes. One that was computed
    /// from an older version has overwritten what came between.
    LostUpdate,
    /// A version is made by one write.
    SharedVersion,
    /// A write makes a version above its base.
    VersionBack,
    /// A version has one value, and it is its base's plus what its write adds; who isn't one of the
    /// workers leaves the counter alone.
    Value,
    /// At the end the counter has moved by the acknowledged updates, and by unknown ones at most.
    Count,
    /// An update makes one version at most.
    AppliedTwice,
    /// An update whose every attempt was refused makes none.
    AppliedThoughRefused,
    /// A version that was acknowledged to an update is the one that a watch tells of.
    AcknowledgedLost,
    /// A read sees everything that was acknowledged, or seen, before it began.
    StaleRead,
    /// A write makes a version above everything that was acknowledged, or seen, before it began.
    StaleWrite,
    /// A conflict is answered only where the base was no longer the current version.
    SpuriousConflict,
    /// A watch tells versions in their order.
    WatchOrdered,
    /// A watch tells a version once.
    WatchUnique,
    /// A watch leaves no version out.
    WatchReliable,
    /// A watch that is resumed goes on just after the version that it asked for.
    WatchResumable,
    /// A bookmark comes after everything up to its version.
    WatchBookmarkable,
}

impl Rule {
    /// All rules, in the order in which verdicts tell them.
    pub const ALL: &[Self] = &[
        Self::LostUpdate,
        Self::SharedVersion,
        Self::VersionBack,
        Self::Value,
        Self::Count,
        Self::AppliedTwice,
        Self::AppliedThoughRefused,
        Self::AcknowledgedLost,
        Self::StaleRead,
        Self::StaleWrite,
        Self::SpuriousConflict,
        Self::WatchOrdered,
        Self::WatchUnique,
        Self::WatchReliable,
        Self::WatchResumable,
        Self::WatchBookmarkable,
    ];

    /// Its name, as in the JSON of a verdict.
    pub const fn id(self) -> &'static str {
        match self {
            Self::LostUpdate => "lost-update",
            Self::SharedVersion => "shared-version",
            Self::VersionBack => "version-back",
            Self::Value => "value",
            Self::Count => "count",
            Self::AppliedTwice => "applied-twice",
            Self::AppliedThoughRefused => "applied-though-refused",
            Self::AcknowledgedLost => "acknowledged-lost",
            Self::StaleRead => "stale-read",
            Self::StaleWrite => "stale-write",
            Self::SpuriousConflict => "spurious-conflict",
            Self::WatchOrdered => "watch-ordered",
            Self::WatchUnique => "watch-unique",
            Self::WatchReliable => "watch-reliable",
            Self::WatchResumable => "watch-resumable",
            Self::WatchBookmarkable => "watch-bookmarkable",
        }
    }
}
