//! The Go programs in `peers/`: what there is, and how they are built.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// The Kubernetes release that the reference programs are, as their `go.mod` files pin it.
pub(crate) const VERSION: &str = "v1.36.3";

/// A Go program.
#[derive(Debug)]
pub(crate) struct Program {
    /// Name of the binary.
    pub(crate) name: &'static str,
    /// Folder of its module below `peers/`.
    module: &'static str,
    /// Its main package, as a path in the module.
    package: &'static str,
    /// Whether it reports the Kubernetes release as its own version.
    kubernetes: bool,
}

/// The store of the reference control plane.
pub(crate) const ETCD: Program = Program {
    name: "etcd",
    module: "control-plane",
    package: "./cmd/etcd",
    kubernetes: false,
};
/// Compare-and-swaps on an etcd.
pub(crate) const ETCD_LOAD: Program = Program {
    name: "etcd-load",
    module: "control-plane",
    package: "./cmd/etcd-load",
    kubernetes: false,
};
/// The reference API server.
pub(crate) const KUBE_APISERVER: Program = Program {
    name: "kube-apiserver",
    module: "control-plane",
    package: "./cmd/kube-apiserver",
    kubernetes: true,
};
/// The reference controllers.
pub(crate) const KUBE_CONTROLLER_MANAGER: Program = Program {
    name: "kube-controller-manager",
    module: "control-plane",
    package: "./cmd/kube-controller-manager",
    kubernetes: true,
};
/// Makes a control plane's keys and waits for its readiness.
pub(crate) const SETUP: Program = Program {
    name: "setup",
    module: "control-plane",
    package: "./cmd/setup",
    kubernetes: false,
};
/// kubectl.
pub(crate) const KUBECTL: Program = Program {
    name: "kubectl",
    module: "kubectl",
    package: ".",
    kubernetes: true,
};
/// The experiments on client-go 0.36.
pub(crate) const CLIENT_GO: Program = Program {
    name: "client-go",
    module: "client-go",
    package: ".",
    kubernetes: false,
};
/// The experiments on client-go 0.26.
pub(crate) const CLIENT_GO_0_26: Program = Program {
    name: "client-go-0.26",
    module: "client-go-0.26",
    package: ".",
    kubernetes: false,
};
/// The scenarios on controller-runtime.
pub(crate) const CONTROLLER_RUNTIME: Program = Program {
    name: "controller-runtime",
    module: "controller-runtime",
    package: ".",
    kubernetes: false,
};
/// Cuts a client off from its server while that forgets its history.
pub(crate) const GAP: Program = Program {
    name: "gap",
    module: "client-go",
    package: "./gap",
    kubernetes: false,
};
/// Asks fakes of clients, and a server, what an API server is asked.
pub(crate) const FAKES: Program = Program {
    name: "fakes",
    module: "controller-runtime",
    package: "./fakes",
    kubernetes: false,
};
/// Asks fakes of clients what the load client of the bench asks servers.
pub(crate) const FAKES_LOAD: Program = Program {
    name: "fakes-load",
    module: "controller-runtime",
    package: "./fakes-load",
    kubernetes: false,
};
/// Has envtest start the reference control plane, and asks it something.
pub(crate) const ENVTEST_START: Program = Program {
    name: "envtest-start",
    module: "controller-runtime",
    package: "./envtest-start",
    kubernetes: false,
};
/// What k3s has in the place of etcd.
pub(crate) const KINE: Program = Program {
    name: "kine",
    module: "kine",
    package: ".",
    kubernetes: false,
};
/// Prints what apimachinery's `wait.Backoff` does.
pub(crate) const CLIENT_GO_BACKOFF: Program = Program {
    name: "client-go-backoff",
    module: "client-go",
    package: "./backoff",
    kubernetes: false,
};
/// Writes the data of the built-in types.
pub(crate) const SCHEMA: Program = Program {
    name: "schema",
    module: "schema",
    package: ".",
    kubernetes: false,
};

impl Program {
    fn module_dir(&self) -> PathBuf {
        module_dir(self.module)
    }

    /// The linker's flags: no debug information, and the version where the program reports one.
    fn ldflags(&self) -> String {
        let mut flags = String::from("-s -w");
        if self.kubernetes {
            let mut numbers = VERSION.trim_start_matches('v').split('.');
            let variables = [
                ("gitVersion", Some(VERSION)),
                ("gitMajor", numbers.next()),
                ("gitMinor", numbers.next()),
            ];
            for (name, value) in variables {
                let value = value.unwrap_or_default();
                flags.push_str(&format!(" -X k8s.io/component-base/version.{name}={value}"));
            }
        }
        flags
    }
}

/// The folder of a module below `peers/`.
fn module_dir(module: &str) -> PathBuf {
    workspace::root().join("peers").join(module)
}

/// The Go tool chain, and where it puts what it builds.
#[derive(Debug)]
pub(crate) struct Go {
    command: PathBuf,
    output: PathBuf,
}

impl Go {
    /// The tool chain that the environment variable `GO` names, else the first in `PATH`.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn find() -> Result<Self> {
        let command = PathBuf::from(std::env::var_os("GO").unwrap_or_else(|| "go".into()));
        let found = Command::new(&command).arg("version").output();
        ensure!(
            found.is_ok_and(|output| output.status.success()),
            "{} does not run: the programs in peers/ are built with Go 1.26 or newer \
             (https://go.dev/dl/); put it in PATH or set GO to its path",
            command.display()
        );
        let output = workspace::target_dir()?.join("peers").join("bin");
        Ok(Self { command, output })
    }

    /// The folder of the programs.
    pub(crate) fn programs(&self) -> &Path {
        &self.output
    }

    /// The tool chain with `args`, in the folder of `module` below `peers/`.
    pub(crate) fn command(&self, module: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.command);
        command.args(args).current_dir(module_dir(module));
        command
    }

    /// Builds `program` where its sources have changed, and returns the path of its binary.
    ///
    /// Go decides what is to be done; one build runs at a time, so that nobody starts a binary that
    /// another is writing.
    pub(crate) fn build(&self, program: &Program) -> Result<PathBuf> {
        fs::create_dir_all(&self.output)
            .with_context(|| format!("creating {}", self.output.display()))?;
        let lock_path = self.output.join(".lock");
        let lock = File::create(&lock_path)
            .with_context(|| format!("creating {}", lock_path.display()))?;
        lock.lock()
            .with_context(|| format!("locking {}", lock_path.display()))?;

        let binary = self.output.join(program.name);
        if !binary.exists() {
            eprintln!("building {} (the first time takes minutes)", program.name);
        }
        let status = self
            .command(program.module, &["build", "-buildvcs=false", "-ldflags"])
            .arg(program.ldflags())
            .arg("-o")
            .arg(&binary)
            .arg(program.package)
            .status()
            .with_context(|| format!("running {}", self.command.display()))?;
        if !status.success() {
            bail!(
                "building {} in {}: {status}",
                program.name,
                program.module_dir().display()
            );
        }
        Ok(binary)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ALL: [&Program; 14] = [
        &ETCD,
        &ETCD_LOAD,
        &KUBE_APISERVER,
        &KUBE_CONTROLLER_MANAGER,
        &SETUP,
        &KUBECTL,
        &CLIENT_GO,
        &CLIENT_GO_0_26,
        &CONTROLLER_RUNTIME,
        &FAKES_LOAD,
        &ENVTEST_START,
        &KINE,
        &CLIENT_GO_BACKOFF,
        &SCHEMA,
    ];

    #[test]
    fn every_program_is_there_and_has_a_name_of_its_own() {
        let names: HashSet<_> = ALL.iter().map(|program| program.name).collect();
        assert_eq!(names.len(), ALL.len());
        for program in ALL {
            let module = program.module_dir();
            assert!(module.join("go.mod").is_file(), "{program:?}");
            let main = module.join(program.package).join("main.go");
            assert!(main.is_file(), "{program:?}");
        }
    }

    #[test]
    fn the_linked_version_is_the_one_that_go_mod_pins() {
        let module = fs::read_to_string(KUBE_APISERVER.module_dir().join("go.mod")).unwrap();
        assert!(module.contains(&format!("k8s.io/kubernetes {VERSION}\n")));
        let staging = VERSION.replacen("v1.", "v0.", 1);
        let kubectl = fs::read_to_string(KUBECTL.module_dir().join("go.mod")).unwrap();
        assert!(kubectl.contains(&format!("k8s.io/kubectl {staging}\n")));
    }

    #[test]
    fn kubernetes_programs_are_linked_with_their_version() {
        assert_eq!(ETCD.ldflags(), "-s -w");
        let flags = KUBECTL.ldflags();
        for part in ["gitVersion=v1.36.3", "gitMajor=1", "gitMinor=36"] {
            assert!(
                flags.ends_with(part) || flags.contains(&format!("{part} ")),
                "{flags}"
            );
        }
    }
}
