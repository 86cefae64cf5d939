//! The reference control plane as processes on this machine: etcd, kube-apiserver and, if wanted,
//! kube-controller-manager, on free loopback ports, with all their files in a folder of their own
//! below the target folder.

mod cluster;
mod etcd;
mod kubeconfig;

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

pub(crate) use self::cluster::Cluster;
pub(crate) use self::etcd::Etcd;
use self::kubeconfig::{User, kubeconfig, write_json};
use crate::daemon::{Daemon, Record};
use crate::peers::{ETCD, Go, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, SETUP};
use crate::workspace;

/// How long each stage of the start may take, as Go writes it.
const READY_LIMIT: &str = "120s";
/// Pause between two looks at the processes while they start.
const POLL: Duration = Duration::from_millis(20);
/// How often the start is tried when another process takes one of the free ports first.
const TRIES: usize = 3;
/// What is published as the API server's address in the Service `kubernetes`: an address for
/// documentation, so that the machine needs no network and the answer is the same on each.
const ADVERTISED: &str = "192.0.2.1";
/// What is sent is written down, but not that of Secrets and tokens.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
  resources:
  - {group: '', resources: [secrets, serviceaccounts/token]}
  - {group: authentication.k8s.io, resources: [tokenreviews]}
- level: Request
";
/// The file in an instance's folder that tells other runs of xtask about it.
const STATE_FILE: &str = "state.json";

/// The name of an instance: several can run at the same time under different names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name(String);

impl FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            !name.is_empty() && name.chars().all(allowed),
            "a name is made of a-z, 0-9 and '-'"
        );
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Name of the instance.
    pub(crate) name: Name,
    /// With kube-controller-manager.
    pub(crate) controllers: bool,
    /// Authorize by RBAC, and have a second context, `unprivileged`, of a user without rights.
    /// Without it everything is allowed.
    pub(crate) rbac: bool,
    /// Serve `ConfigMaps` from etcd, not from the watch cache, whose history goes by its own ways: what etcd forgets
    /// is forgotten.
    pub(crate) uncached: bool,
    /// Let etcd wait for the disk, as it does in production.
    pub(crate) fsync: bool,
    /// Where to write an audit log, with what was sent; none by default.
    pub(crate) audit_log: Option<PathBuf>,
    /// Where to write the kubeconfig; by default in the instance's folder.
    pub(crate) kubeconfig: Option<PathBuf>,
}

impl Options {
    /// One for this run of xtask alone, which does `what`: as quick and as open as can be.
    pub(crate) fn of_run(what: &str) -> Result<Self> {
        Ok(Self {
            name: format!("{what}-{}", process::id()).parse()?,
            controllers: false,
            rbac: false,
            uncached: false,
            fsync: false,
            audit_log: None,
            kubeconfig: None,
        })
    }
}

/// What other runs of xtask need to know of an instance.
#[derive(Debug, Deserialize, Serialize)]
struct State {
    server: String,
    etcd: String,
    kubeconfig: PathBuf,
    daemons: Vec<Record>,
}

/// A control plane. It is stopped and its files are removed when this is dropped, unless it is
/// [detached](Self::detach).
#[derive(Debug)]
pub(crate) struct ControlPlane {
    name: Name,
    dir: PathBuf,
    server: String,
    etcd: String,
    kubeconfig: PathBuf,
    /// In the order of their start.
    daemons: Vec<Daemon>,
    /// From the start of etcd until kube-apiserver said that it was ready.
    ready_after: Duration,
    detached: bool,
}

impl ControlPlane {
    /// Builds what is needed, starts it, and waits until it answers.
    ///
    /// # Errors
    /// When an instance of this name exists, when a program can't be built, and when one of them
    /// ends or isn't ready in time. Nothing is left running then.
    pub(crate) fn start(options: &Options) -> Result<Self> {
        let programs = Programs::build(options)?;
        let mut tries = 1;
        loop {
            match Self::try_start(&programs, options) {
                Err(error) if tries < TRIES && lost_a_port(&error) => tries += 1,
                result => return result,
            }
        }
    }

    fn try_start(programs: &Programs, options: &Options) -> Result<Self> {
        let dir = claim(&options.name)?;
        let [etcd_port, server_port, controllers_port] = free_ports()?;
        // From here on dropping it cleans up.
        let mut this = Self {
            name: options.name.clone(),
            kubeconfig: match &options.kubeconfig {
                Some(path) => std::path::absolute(path)?,
                None => dir.join("kubeconfig"),
            },
            dir,
            server: format!("https://127.0.0.1:{server_port}"),
            etcd: format!("http://127.0.0.1:{etcd_port}"),
            daemons: Vec::new(),
            ready_after: Duration::ZERO,
            detached: false,
        };
        this.write_state()?;
        this.make_keys(programs)?;
        let admin = this.make_kubeconfig(options)?;

        let started = Instant::now();
        let etcd = etcd::command(&programs.etcd, &this.dir, &this.etcd, options.fsync);
        this.start_daemon(ETCD.name, etcd)?;
        let server = this.server_command(programs, options, server_port)?;
        this.start_daemon(KUBE_APISERVER.name, server)?;
        this.wait_for(programs, "/readyz")?;
        this.ready_after = started.elapsed();
        // It is made a moment after the server says that it is ready.
        this.wait_for(programs, "/api/v1/namespaces/default")?;
        if let Some(program) = &programs.controllers {
            let command = this.controllers_command(program, &admin, controllers_port);
            this.start_daemon(KUBE_CONTROLLER_MANAGER.name, command)?;
            // A controller makes it, so that they all work.
            this.wait_for(
                programs,
                "/api/v1/namespaces/default/serviceaccounts/default",
            )?;
        }
        if this.kubeconfig != admin {
            let users = this.users(options)?;
            write_json(&this.kubeconfig, &this.render_kubeconfig(&users)?)?;
        }
        Ok(this)
    }

    /// The instance of this name that an earlier run of xtask started and left running.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn attach(name: &Name) -> Result<Self> {
        let dir = instances_dir()?.join(&name.0);
        ensure!(dir.exists(), "no control plane {name} is running");
        // Without a state its start was cut off before anything was started.
        let state = read_state(&dir)?.unwrap_or(State {
            server: String::new(),
            etcd: String::new(),
            kubeconfig: PathBuf::new(),
            daemons: Vec::new(),
        });
        let daemons = state.daemons.into_iter();
        Ok(Self {
            name: name.clone(),
            daemons: daemons.map(|record| Daemon::adopt(record, &dir)).collect(),
            dir,
            server: state.server,
            etcd: state.etcd,
            kubeconfig: state.kubeconfig,
            ready_after: Duration::ZERO,
            detached: true,
        })
    }

    /// The names of the instances that exist.
    pub(crate) fn names() -> Result<Vec<Name>> {
        let dir = instances_dir()?;
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("reading {}", dir.display()))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("reading {}", dir.display()))?;
            names.extend(entry.file_name().to_string_lossy().parse::<Name>().ok());
        }
        names.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(names)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Path of its kubeconfig; the current context is `admin`, who may do everything.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// URL of the API server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// URL of etcd's client port.
    pub(crate) fn etcd(&self) -> &str {
        &self.etcd
    }

    /// How long it took from the start of etcd until kube-apiserver said that it was ready, to
    /// within the pauses between two questions. Zero for one that was [attached](Self::attach).
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Its processes.
    pub(crate) fn pids(&self) -> Vec<i32> {
        self.daemons
            .iter()
            .map(|daemon| daemon.record().pid)
            .collect()
    }

    /// Leaves it running after this run of xtask.
    pub(crate) fn detach(mut self) {
        self.detached = true;
    }

    /// Stops it and removes its files. kube-apiserver goes before etcd: it waits for it otherwise.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.detached = true;
        self.tear_down()
    }

    fn tear_down(&mut self) -> Result<()> {
        for daemon in self.daemons.iter_mut().rev() {
            daemon.stop()?;
        }
        fs::remove_dir_all(&self.dir).with_context(|| format!("removing {}", self.dir.display()))
    }

    fn start_daemon(&mut self, name: &str, command: Command) -> Result<()> {
        self.daemons.push(Daemon::spawn(name, command, &self.dir)?);
        self.write_state()
    }

    fn write_state(&self) -> Result<()> {
        let state = State {
            server: self.server.clone(),
            etcd: self.etcd.clone(),
            kubeconfig: self.kubeconfig.clone(),
            daemons: self.daemons.iter().map(|d| d.record().clone()).collect(),
        };
        write_json(&self.dir.join(STATE_FILE), &serde_json::to_value(state)?)
    }

    fn make_keys(&self, programs: &Programs) -> Result<()> {
        let status = Command::new(&programs.setup)
            .arg("keys")
            .arg(&self.dir)
            .status()
            .context("making the keys")?;
        ensure!(status.success(), "making the keys: {status}");
        Ok(())
    }

    /// The users, the privileged one first.
    fn users(&self, options: &Options) -> Result<Vec<User>> {
        let names: &[_] = if options.rbac {
            &["admin", "unprivileged"]
        } else {
            &["admin"]
        };
        let user = |&name: &&'static str| {
            let token = self.read(&format!("{name}.token"))?;
            Ok(User {
                name,
                token: token.trim().to_owned(),
            })
        };
        names.iter().map(user).collect()
    }

    fn render_kubeconfig(&self, users: &[User]) -> Result<serde_json::Value> {
        let ca = self.read("ca.crt")?;
        Ok(kubeconfig(&self.server, ca.as_bytes(), users))
    }

    /// Writes the kubeconfig in the instance's folder, and the users for kube-apiserver.
    fn make_kubeconfig(&self, options: &Options) -> Result<PathBuf> {
        let users = self.users(options)?;
        let lines: Vec<_> = users
            .iter()
            .map(|User { name, token }| {
                let groups = if *name == "admin" {
                    "system:masters"
                } else {
                    ""
                };
                format!("{token},{name},{name},{groups}\n")
            })
            .collect();
        let path = self.dir.join("tokens.csv");
        fs::write(&path, lines.concat()).with_context(|| format!("writing {}", path.display()))?;
        let path = self.dir.join("kubeconfig");
        write_json(&path, &self.render_kubeconfig(&users)?)?;
        Ok(path)
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = self.dir.join(name);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }

    fn server_command(&self, programs: &Programs, options: &Options, port: u16) -> Result<Command> {
        let authorization = if options.rbac { "RBAC" } else { "AlwaysAllow" };
        let mut command = Command::new(&programs.server);
        command
            .arg(format!("--etcd-servers={}", self.etcd))
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--secure-port={port}"))
            .arg(format!("--advertise-address={ADVERTISED}"))
            .arg(self.flag("--tls-cert-file", "server.crt"))
            .arg(self.flag("--tls-private-key-file", "server.key"))
            .arg(self.flag("--service-account-key-file", "service-account.key"))
            .arg(self.flag("--service-account-signing-key-file", "service-account.key"))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg("--service-cluster-ip-range=10.0.0.0/24")
            .arg(self.flag("--token-auth-file", "tokens.csv"))
            .arg(format!("--authorization-mode={authorization}"))
            // Pods can be made without a controller that makes the accounts.
            .arg("--disable-admission-plugins=ServiceAccount");
        if options.uncached {
            command.arg("--watch-cache-sizes=configmaps#0");
        }
        if let Some(log) = &options.audit_log {
            let log = std::path::absolute(log)?;
            let path = self.dir.join("audit-policy.yaml");
            fs::write(&path, AUDIT_POLICY)
                .with_context(|| format!("writing {}", path.display()))?;
            command
                .arg(self.flag("--audit-policy-file", "audit-policy.yaml"))
                .arg(format!("--audit-log-path={}", log.display()));
        }
        Ok(command)
    }

    fn controllers_command(&self, program: &Path, kubeconfig: &Path, port: u16) -> Command {
        let mut command = Command::new(program);
        command
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--secure-port={port}"))
            .arg(self.flag("--tls-cert-file", "server.crt"))
            .arg(self.flag("--tls-private-key-file", "server.key"))
            .arg(self.flag("--root-ca-file", "ca.crt"))
            .arg(self.flag("--service-account-private-key-file", "service-account.key"))
            .arg("--leader-elect=false");
        command
    }

    /// `flag` with a file in the instance's folder as its value.
    fn flag(&self, flag: &str, file: &str) -> String {
        format!("{flag}={}", self.dir.join(file).display())
    }

    /// Waits until the API server answers 200 on `path`, or one of the processes has ended.
    fn wait_for(&mut self, programs: &Programs, path: &str) -> Result<()> {
        let mut waiter = Command::new(&programs.setup)
            .arg("ready")
            .arg(format!("{}{path}", self.server))
            .arg(self.dir.join("ca.crt"))
            .arg(self.dir.join("admin.token"))
            .arg(READY_LIMIT)
            .stdin(Stdio::null())
            .spawn()
            .context("waiting for kube-apiserver")?;
        loop {
            if let Some(status) = waiter.try_wait().context("waiting for kube-apiserver")? {
                ensure!(status.success(), "the control plane did not become ready");
                return Ok(());
            }
            for daemon in &mut self.daemons {
                if !daemon.is_running()? {
                    waiter.kill().context("ending the wait")?;
                    waiter.wait().context("ending the wait")?;
                    bail!(DaemonEnded {
                        name: daemon.record().name.clone(),
                        log: daemon.log_tail(),
                    });
                }
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if self.detached {
            return;
        }
        if let Err(error) = self.tear_down() {
            eprintln!("error: stopping the control plane {}: {error:#}", self.name);
        }
    }
}

/// The binaries.
#[derive(Debug)]
struct Programs {
    setup: PathBuf,
    etcd: PathBuf,
    server: PathBuf,
    controllers: Option<PathBuf>,
}

impl Programs {
    fn build(options: &Options) -> Result<Self> {
        let go = Go::find()?;
        let controllers = options.controllers.then_some(&KUBE_CONTROLLER_MANAGER);
        Ok(Self {
            setup: go.build(&SETUP)?,
            etcd: go.build(&ETCD)?,
            server: go.build(&KUBE_APISERVER)?,
            controllers: controllers.map(|program| go.build(program)).transpose()?,
        })
    }
}

/// A process of the control plane ended while it was waited for.
#[derive(Debug)]
struct DaemonEnded {
    name: String,
    log: String,
}

impl fmt::Display for DaemonEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ended; the end of its log:\n{}", self.name, self.log)
    }
}

impl std::error::Error for DaemonEnded {}

/// Whether a start failed because somebody else took a port that had been free.
fn lost_a_port(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<DaemonEnded>()
        .is_some_and(|ended| ended.log.contains("address already in use"))
}

/// Three loopback ports that were free a moment ago.
fn free_ports() -> Result<[u16; 3]> {
    let listen = || TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port");
    // Held together, so that no port comes twice.
    let listeners = [listen()?, listen()?, listen()?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener
            .local_addr()
            .context("looking for a free port")?
            .port();
    }
    Ok(ports)
}

fn instances_dir() -> Result<PathBuf> {
    Ok(workspace::target_dir()?.join("control-plane"))
}

/// Makes the folder of a new instance. One that was left behind by processes that have ended since
/// is removed first.
fn claim(name: &Name) -> Result<PathBuf> {
    let parent = instances_dir()?;
    fs::create_dir_all(&parent).with_context(|| format!("creating {}", parent.display()))?;
    let dir = parent.join(&name.0);
    let create = || fs::create_dir(&dir);
    match create() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            ensure!(
                is_left_behind(&dir)?,
                "a control plane {name} is there already: choose another --name, or remove it by \
                 `cargo xtask control-plane down --name {name}`"
            );
            fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
            create()
        }
        result => result,
    }
    .with_context(|| format!("creating {}", dir.display()))?;
    Ok(dir)
}

/// Whether all processes of an instance have ended. One without any is just being started.
fn is_left_behind(dir: &Path) -> Result<bool> {
    let Some(state) = read_state(dir)? else {
        return Ok(false);
    };
    for record in &state.daemons {
        if Daemon::adopt(record.clone(), dir).is_running()? {
            return Ok(false);
        }
    }
    Ok(!state.daemons.is_empty())
}

fn read_state(dir: &Path) -> Result<Option<State>> {
    let path = dir.join(STATE_FILE);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("reading {}", path.display()))?,
    };
    let state = serde_json::from_str(&text);
    Ok(Some(
        state.with_context(|| format!("reading {}", path.display()))?,
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_a_plain_word() {
        for good in ["default", "run-12", "a"] {
            assert_eq!(good.parse::<Name>().unwrap().to_string(), good);
        }
        for bad in ["", "..", "a/b", "A", "a b"] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn free_ports_differ() {
        let [a, b, c] = free_ports().unwrap();
        assert!(a != b && b != c && a != c && a > 0);
    }

    #[test]
    fn only_a_lost_port_is_tried_again() {
        let ended = |log: &str| {
            anyhow::Error::new(DaemonEnded {
                name: "etcd".into(),
                log: log.into(),
            })
        };
        assert!(lost_a_port(&ended(
            "listen tcp: bind: address already in use"
        )));
        assert!(!lost_a_port(&ended("panic")));
        assert!(!lost_a_port(&anyhow::anyhow!("address already in use")));
    }

    #[test]
    fn an_instance_is_left_behind_when_its_processes_have_ended() {
        let dir = tempfile::tempdir().unwrap();
        let write = |daemons| {
            let state = json!({"server": "s", "etcd": "e", "kubeconfig": "k", "daemons": daemons});
            write_json(&dir.path().join(STATE_FILE), &state).unwrap();
        };
        assert!(!is_left_behind(dir.path()).unwrap(), "no state yet");
        write(json!([]));
        assert!(!is_left_behind(dir.path()).unwrap(), "no processes yet");
        // A process of this number exists, but it is not one of the instance's.
        write(json!([{"name": "etcd", "pid": std::process::id()}]));
        assert!(is_left_behind(dir.path()).unwrap());
        fs::write(dir.path().join(STATE_FILE), "{").unwrap();
        assert!(is_left_behind(dir.path()).is_err());
    }
}
