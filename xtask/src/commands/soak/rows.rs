//! The proofs. To add one: a test that takes its size and its seed from the environment, and a row here.
//!
//! A test reads `OPTILOCK_SOAK_UPDATES` (how much, in whatever it counts) and `OPTILOCK_SOAK_SEED`, prints a
//! line for each thing that it found, and fails where something doesn't hold. `cargo test` runs it at the
//! size that it takes when nobody says otherwise, which is its share in everyday tests.

/// A test that can be as large as one likes.
#[derive(Debug)]
pub(super) struct Row {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// What it proves.
    pub(super) about: &'static str,
    pub(super) package: &'static str,
    /// The file in tests/.
    pub(super) target: &'static str,
    /// The test in it.
    pub(super) test: &'static str,
    /// How much, when nobody says otherwise.
    pub(super) size: u64,
    /// Whether it runs on a control plane, whose kubeconfig is in `OPTILOCK_TEST_KUBECONFIG`.
    pub(super) live: bool,
    /// Whether it starts etcds, of the program in `OPTILOCK_TEST_ETCD`. It is ignored in everyday tests then, and has its
    /// share in `cargo xtask test --only etcd`.
    pub(super) etcd: bool,
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "faults",
        about: "each fault alone against each strategy: what gets lost, doubled and denied",
        package: "optilock",
        target: "matrix",
        test: "faults_against_strategies",
        size: 100_000,
        live: false,
        etcd: false,
    },
    Row {
        name: "exactly-once",
        about: "all faults mixed, in virtual time: the library applies every update once",
        package: "optilock",
        target: "matrix",
        test: "soak",
        size: 1_000_000,
        live: false,
        etcd: false,
    },
    Row {
        name: "exactly-once-live",
        about: "the same in real time, on a control plane",
        package: "optilock",
        target: "matrix",
        test: "live",
        size: 20_000,
        live: true,
        etcd: false,
    },
    Row {
        name: "leases",
        about: "five candidates on faulty networks, in virtual time: never two holders of a lease",
        package: "optilock",
        target: "lease",
        test: "never_two_leaders",
        size: 5_000,
        live: false,
        etcd: false,
    },
    Row {
        name: "no-false-alarm",
        about: "histories of correct servers with faults: the checker accuses none of them",
        package: "optilock-lab",
        target: "check_bugs",
        test: "a_correct_server_is_never_accused",
        size: 10_000,
        live: false,
        etcd: false,
    },
    Row {
        name: "mangled-histories",
        about: "damaged files of histories: the checker has a verdict or names a line, and never panics",
        package: "optilock-lab",
        target: "check_mangled",
        test: "mangled_histories_crash_nothing",
        size: 100_000,
        live: false,
        etcd: false,
    },
    Row {
        name: "store-faults",
        about: "disks that lose power, tear, reorder and fail: what was acknowledged stays",
        package: "optilock-apiserver",
        target: "store_faults",
        test: "what_was_acknowledged_survives",
        size: 10_000,
        live: false,
        etcd: false,
    },
    Row {
        name: "store-kill",
        about: "`serve` killed under 32 writers: nothing acknowledged or watched is lost or undone",
        package: "optilock-cli",
        target: "store_kill",
        test: "a_killed_server_loses_nothing",
        size: 1_000,
        live: false,
        etcd: false,
    },
    Row {
        name: "store-shared",
        about: "two servers on one etcd, 64 writers, a server and etcd killed: nothing is lost or doubled",
        package: "optilock-cli",
        target: "store_shared",
        test: "two_servers_on_one_etcd_lose_nothing",
        size: 20_000,
        live: false,
        etcd: true,
    },
    Row {
        name: "watchers",
        about: "1,000 watchers in another process: each gets every event once, in order",
        package: "optilock-cli",
        target: "load",
        test: "every_watcher_gets_every_event",
        size: 10_000,
        live: false,
        etcd: false,
    },
    Row {
        name: "overload",
        about: "ten times more requests than places, for seconds: whoever asks little is served",
        package: "optilock-cli",
        target: "load",
        test: "whoever_asks_little_is_served_under_overload",
        size: 60,
        live: false,
        etcd: false,
    },
    Row {
        name: "idle-connections",
        about: "connections that say nothing: bounded memory, and others are served",
        package: "optilock-cli",
        target: "load",
        test: "idle_connections_are_bounded",
        size: 9_000,
        live: false,
        etcd: false,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::workspace;

    #[test]
    fn each_row_has_its_own_name_and_a_test() {
        let names: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        for row in ROWS {
            let tests = workspace::root()
                .join("crates")
                .join(row.package)
                .join("tests");
            let file = tests.join(format!("{}.rs", row.target));
            let folder = tests.join(row.target).join("main.rs");
            let source = fs::read_to_string(file).or_else(|_| fs::read_to_string(folder));
            assert!(
                source.unwrap().contains(&format!("fn {}(", row.test)),
                "{row:?}"
            );
        }
    }
}
