//! `/version`.

use serde::Serialize;

/// `version.Info` of apimachinery.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Info {
    major: &'static str,
    minor: &'static str,
    emulation_major: &'static str,
    emulation_minor: &'static str,
    min_compatibility_major: &'static str,
    min_compatibility_minor: &'static str,
    git_version: &'static str,
    git_commit: &'static str,
    git_tree_state: &'static str,
    build_date: &'static str,
    go_version: &'static str,
    compiler: &'static str,
    platform: &'static str,
}

/// The Kubernetes version whose behaviour this server has, marked as ours the way distributions mark theirs: behind a
/// plus sign, where comparisons of versions don't look. What would tell about a build in Go is empty.
pub(super) const VERSION: Info = Info {
    major: "1",
    minor: "36",
    emulation_major: "1",
    emulation_minor: "36",
    min_compatibility_major: "1",
    min_compatibility_minor: "35",
    git_version: concat!("v1.36.3+optilock.", env!("CARGO_PKG_VERSION")),
    git_commit: "",
    git_tree_state: "",
    build_date: "1970-01-01T00:00:00Z",
    go_version: "",
    compiler: "rustc",
    platform: PLATFORM,
};

/// System and architecture in Go's words.
const PLATFORM: &str = match (
    std::env::consts::OS.as_bytes(),
    std::env::consts::ARCH.as_bytes(),
) {
    (b"linux", b"x86_64") => "linux/amd64",
    (b"linux", b"aarch64") => "linux/arm64",
    (b"macos", b"x86_64") => "darwin/amd64",
    (b"macos", b"aarch64") => "darwin/arm64",
    (b"windows", b"x86_64") => "windows/amd64",
    (b"windows", b"aarch64") => "windows/arm64",
    _ => "unknown/unknown",
};

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn clients_can_parse_it() {
        let version: Value = serde_json::to_value(VERSION).expect("plain");
        for member in ["major", "minor", "emulationMajor", "emulationMinor"] {
            let number = version[member].as_str().expect("a text");
            assert!(number.parse::<u32>().is_ok(), "{member}: {number}");
        }
        let git = version["gitVersion"].as_str().expect("a text");
        assert!(git.starts_with("v1.36.3+optilock."), "{git}");
    }
}
