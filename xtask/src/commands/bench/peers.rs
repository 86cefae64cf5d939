//! What stands beside ours, besides servers on a port.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::de::DeserializeOwned;

use super::Args;
use super::load::Client;
use crate::cargo::build_peer;
use crate::peers::{ENVTEST_START, ETCD, FAKES_LOAD, Go, KINE, KUBE_APISERVER};
use crate::signals::Signals;

/// Those that there are here.
#[derive(Debug)]
pub(super) struct Peers<'a> {
    /// Whether there is a control plane.
    pub(super) control_plane: bool,
    pub(super) fakes: Vec<Fake<'a>>,
    pub(super) envtest: Option<Envtest<'a>>,
    /// The program.
    pub(super) kine: Option<PathBuf>,
}

/// A client that stands for a server.
#[derive(Debug)]
pub(super) struct Fake<'a> {
    pub(super) column: &'static str,
    client: Client<'a>,
    /// What its program calls it; nothing where it is the only one.
    name: &'static str,
}

/// controller-runtime's way to start a control plane.
#[derive(Debug)]
pub(super) struct Envtest<'a> {
    client: Client<'a>,
    /// Where etcd and kube-apiserver are.
    programs: String,
}

impl<'a> Peers<'a> {
    /// Builds those that are wanted. What takes long to build and is for figures alone is left out of a quick look.
    pub(super) fn build(args: &Args, signals: &'a Signals) -> Result<Self> {
        let mut peers = Self {
            control_plane: false,
            fakes: Vec::new(),
            envtest: None,
            kine: None,
        };
        if args.alone {
            return Ok(peers);
        }
        let go = match Go::find() {
            Ok(go) => go,
            Err(error) => {
                eprintln!("the control plane is left out: {error:#}");
                return Ok(peers);
            }
        };
        peers.control_plane = true;
        let client = |program: &Path| Client::new(program.to_owned(), signals);
        let fakes = go.build(&FAKES_LOAD)?;
        for (name, column) in [
            ("client-go", "client-go's fake"),
            ("controller-runtime", "controller-runtime's fake"),
        ] {
            let client = client(&fakes);
            peers.fakes.push(Fake {
                column,
                client,
                name,
            });
        }
        if args.quick {
            return Ok(peers);
        }
        peers.fakes.push(Fake {
            column: "kube-fake-client",
            client: client(&build_peer(signals, "kube-fake-client", "kube-fake-load")?),
            name: "",
        });
        for program in [&ETCD, &KUBE_APISERVER] {
            go.build(program)?;
        }
        peers.envtest = Some(Envtest {
            client: client(&go.build(&ENVTEST_START)?),
            programs: go.programs().display().to_string(),
        });
        peers.kine = Some(go.build(&KINE)?);
        Ok(peers)
    }
}

impl Fake<'_> {
    /// Runs it with the arguments of this line.
    pub(super) fn run<T: DeserializeOwned>(&self, line: &str) -> Result<Vec<T>> {
        self.client.run(&format!("{} {line}", self.name))
    }
}

impl Envtest<'_> {
    /// What it says of one start.
    pub(super) fn start<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.client.figures(&[&self.programs])
    }
}
