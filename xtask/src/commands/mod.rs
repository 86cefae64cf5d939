//! The subcommands. To add one: a file with its `Args` and `run`, and a variant here.

use std::process::ExitCode;

use anyhow::Result;

mod api;
mod bench;
mod client_go;
mod control_plane;
mod deny;
mod fuzz;
mod kubectl;
mod record;
mod schema;
mod semver;
mod soak;
mod strategies;
mod test;

/// The subcommands of `cargo xtask`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Run all tests: those in Rust, then the programs in peers/ against the server.
    Test(test::Args),
    /// Run the long proofs, as large as one likes.
    Soak(soak::Args),
    /// Measure, beside the control plane and other servers, and write docs/benchmarks.md.
    Bench(bench::Args),
    /// The page that sets all strategies beside each other, of runs that were measured.
    Strategies(strategies::Args),
    /// The reference control plane: etcd, kube-apiserver and, if wanted, kube-controller-manager.
    #[command(subcommand)]
    ControlPlane(control_plane::Command),
    /// kubectl of the reference's version.
    #[command(subcommand)]
    Kubectl(kubectl::Command),
    /// The client-go programs.
    #[command(subcommand)]
    ClientGo(client_go::Command),
    /// What the library promises its users: list it, and check it.
    Api(api::Args),
    /// Whether a change of the library breaks its users; needs cargo-semver-checks.
    Semver(semver::Args),
    /// Whether the dependencies are what deny.toml allows; needs cargo-deny.
    Deny(deny::Args),
    /// Fuzz the API server; fuzz/README.md has the targets.
    Fuzz(fuzz::Args),
    /// Record what the control plane answers to the requests in conformance/corpus.
    Record(record::Args),
    /// Generate the data of the built-in types, and its test vectors, from the Go types and a
    /// control plane.
    Schema(schema::Args),
}

impl Command {
    /// Runs the subcommand; an error is printed by the caller and means exit code 1.
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Test(args) => test::run(&args),
            Self::Soak(args) => soak::run(&args),
            Self::Bench(args) => bench::run(&args),
            Self::Strategies(args) => strategies::run(&args),
            Self::ControlPlane(command) => command.run(),
            Self::Kubectl(command) => command.run(),
            Self::ClientGo(command) => command.run(),
            Self::Api(args) => api::run(&args),
            Self::Semver(args) => semver::run(&args),
            Self::Deny(args) => deny::run(&args),
            Self::Fuzz(args) => fuzz::run(&args),
            Self::Record(args) => record::run(&args),
            Self::Schema(args) => schema::run(&args),
        }
    }
}
