//! The clients. To add one: a folder in `peers/` that keeps to the contract, and a row here.

use super::{Client, Source};
use crate::commands::test::folder::Folder;
use crate::peers::{CLIENT_GO, CLIENT_GO_0_26, CONTROLLER_RUNTIME, FAKES};

/// All clients, in the order in which they play.
pub(super) const CLIENTS: [Client; 9] = [
    Client {
        name: "client-go 0.36",
        source: Source::Go(&CLIENT_GO, &["scenarios"]),
        scenarios: &[
            "once",
            "retry",
            "crowd",
            "crud",
            "watch",
            "apply",
            "informer",
            "watch-list",
            "expired",
            "leader",
            "custom",
        ],
        strategy: Some("strategy"),
    },
    Client {
        name: "client-go 0.26",
        source: Source::Go(&CLIENT_GO_0_26, &["scenarios"]),
        // Its informers list first.
        scenarios: &[
            "once", "retry", "crowd", "crud", "watch", "apply", "informer", "expired", "leader",
            "custom",
        ],
        strategy: None,
    },
    Client {
        name: "controller-runtime",
        source: Source::Go(&CONTROLLER_RUNTIME, &[]),
        scenarios: &[
            "once", "retry", "crowd", "crud", "watch", "apply", "informer", "expired", "manager",
            "envtest",
        ],
        strategy: Some("strategy"),
    },
    Client {
        name: "what fakes are asked",
        source: Source::Go(&FAKES, &["scenario"]),
        scenarios: &["questions"],
        strategy: None,
    },
    Client {
        name: "Python",
        source: Source::Folder(Folder {
            name: "python",
            tools: &[&["python3", "-m", "venv", "--help"]],
            steps: &[
                &["python3", "-m", "venv", "venv"],
                &[
                    "venv/bin/pip",
                    "install",
                    // Compiling them takes longer than what is run of them.
                    "--no-compile",
                    "--quiet",
                    "--no-deps",
                    "-r",
                    "requirements.txt",
                ],
            ],
            run: &["venv/bin/python", "main.py"],
        }),
        scenarios: &[
            "once", "retry", "crud", "watch", "apply", "informer", "expired", "custom",
        ],
        strategy: None,
    },
    Client {
        name: "JavaScript",
        source: Source::Folder(Folder {
            name: "node",
            tools: &[&["node", "--version"], &["npm", "--version"]],
            steps: &[&["npm", "ci", "--no-audit", "--no-fund"]],
            run: &["node", "main.js"],
        }),
        scenarios: &[
            "once", "retry", "crud", "watch", "apply", "informer", "expired", "custom",
        ],
        strategy: None,
    },
    Client {
        name: "Java",
        source: Source::Folder(java(&[
            "java",
            "-cp",
            "target/classes:target/dependency/*",
            "optilock.peers.Official",
        ])),
        scenarios: &[
            "once", "retry", "crud", "watch", "apply", "informer", "expired",
        ],
        strategy: Some("optilock.peers.OfficialStrategy"),
    },
    Client {
        name: "fabric8",
        source: Source::Folder(java(&[
            "java",
            "-cp",
            "target/classes:target/dependency/*",
            "optilock.peers.Fabric8",
        ])),
        scenarios: &[
            "once", "retry", "crud", "watch", "apply", "informer", "expired",
        ],
        strategy: Some("optilock.peers.Fabric8Strategy"),
    },
    Client {
        name: "kube-rs",
        source: Source::CargoTest("kube_client"),
        scenarios: &[
            "once", "retry", "crowd", "crud", "watch", "apply", "informer", "expired", "custom",
            "manager",
        ],
        strategy: None,
    },
];

/// A class of the Java folder: both clients share its build.
const fn java(run: &'static [&'static str]) -> Folder {
    Folder {
        name: "java",
        tools: &[&["mvn", "--version"], &["java", "--version"]],
        steps: &[&["mvn", "-B", "-q", "compile", "dependency:copy-dependencies"]],
        run,
    }
}
