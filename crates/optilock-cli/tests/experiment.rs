//! `optilock run`, `compare`, `proxy` and `tune`.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    pin::pin,
    process::{Child, Stdio},
};

use common::{Serve, optilock, run, text, wait_for};
use futures::StreamExt;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use optilock_lab::Summary;

fn summary(json: &str) -> Summary {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_run_in_virtual_time_is_the_same_again() {
    let args = [
        "run",
        "--virtual",
        "--strategy",
        "optilock",
        "--workers",
        "10",
        "--updates",
        "5",
        "--seed",
        "3",
        "--json",
        "-",
    ];
    let (one, other) = (run(&args), run(&args));
    assert_eq!(one.code, Some(0), "{one:?}");
    assert_eq!(one.stdout, other.stdout);
    let told = summary(&one.stdout);
    assert_eq!(
        told.command,
        args.iter()
            .fold("optilock".to_owned(), |line, word| line + " " + word)
    );
    assert_eq!(told.runs[0].updates.applied, 50);
}

#[test]
fn a_comparison_is_kept_in_every_form() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let (json, csv, markdown, page) = (file("r.json"), file("r.csv"), file("r.md"), file("r.html"));
    let histories = file("histories");
    let said = run(&[
        "compare",
        "--virtual",
        "--strategy",
        "blind,once,retry-on-conflict,combined",
        "--workers",
        "3,6",
        "--updates",
        "3",
        "--seed",
        "1",
        "--json",
        text(&json),
        "--csv",
        text(&csv),
        "--markdown",
        text(&markdown),
        "--report",
        text(&page),
        "--history",
        text(&histories),
    ]);
    // Blind writes lose updates, and the checker names them.
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.stdout.contains("VIOLATED") && said.stdout.contains("blind × 6: "),
        "{}",
        said.stdout
    );
    let told = summary(&fs::read_to_string(&json).unwrap());
    assert_eq!(told.runs.len(), 8);
    assert!(
        told.runs
            .iter()
            .all(|run| run.verdict.ok == (run.strategy != "blind"))
    );
    let lines = fs::read_to_string(&csv).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 9);
    let commas = lines[0].matches(',').count();
    assert!(lines.iter().all(|line| line.matches(',').count() == commas));
    assert!(
        fs::read_to_string(&markdown)
            .unwrap()
            .contains("| combined | 6 |")
    );
    assert!(fs::read_to_string(&page).unwrap().contains("<html"));
    for one in &told.runs {
        let checked = run(&["check", one.history.as_deref().unwrap()]);
        let expected = if one.strategy == "blind" { 1 } else { 0 };
        assert_eq!(checked.code, Some(expected), "{checked:?}");
    }
}

#[test]
fn wrong_usage_says_what_is_right() {
    for (args, said) in [
        (&["run"] as &[&str], "--strategy"),
        (&["run", "--strategy", "hope"], "take one of blind, once,"),
        (
            &[
                "run",
                "--strategy",
                "once",
                "--virtual",
                "--kubeconfig",
                "x",
            ],
            "cannot be used with",
        ),
        (
            &["run", "--strategy", "once", "--fault", "rain"],
            "there is no fault \"rain\"",
        ),
        (
            &["run", "--strategy", "apply", "--workload", "quota"],
            "can't make the change quota",
        ),
        (
            &["run", "--strategy", "once", "--updates", "0"],
            "can't be 0",
        ),
        (
            &["run", "--strategy", "once", "--reads", "2"],
            "the share of reads can't be 2",
        ),
        (
            &[
                "run",
                "--strategy",
                "once",
                "--workers",
                "501",
                "--kubeconfig",
                "x",
            ],
            "--max-workers",
        ),
        (
            &[
                "run",
                "--strategy",
                "once",
                "--warm-up",
                "20000",
                "--kubeconfig",
                "x",
            ],
            "--max-operations",
        ),
        (
            &[
                "run",
                "--strategy",
                "once",
                "--objects",
                "100001",
                "--kubeconfig",
                "x",
            ],
            "--max-operations",
        ),
        (
            &["run", "--strategy", "once", "--virtual", "--rate", "-3"],
            "the rate can't be -3",
        ),
        (
            &["compare", "--workload", "append", "--for", "1s"],
            "append at most",
        ),
        (
            &["proxy", "--to", "x", "--fault", "hang:p=7"],
            "p=7 can't be",
        ),
        (&["tune", "--workers", "0"], "0 workers"),
        (
            &["compare", "--with-peer", "client-go"],
            "take NAME=COMMAND",
        ),
        (
            &["compare", "--with-peer", "a=b", "--workload", "append"],
            "the peer a adds to a counter",
        ),
    ] {
        let told = run(args);
        assert_eq!(told.code, Some(2), "{args:?}: {told:?}");
        assert!(told.stderr.contains(said), "{args:?}: {}", told.stderr);
    }
}

/// A running `optilock proxy`, which is killed when this goes.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A proxy before a server that makes these faults, and its kubeconfig.
fn faulty(serve: &Serve, faults: &[&str]) -> (Proxy, PathBuf) {
    let out = serve.directory.path().join("faulty");
    let mut args = vec!["proxy", "--to", serve.kubeconfig(), "--kubeconfig"];
    args.extend([text(&out), "--seed", "1"]);
    args.extend(faults.iter().flat_map(|fault| ["--fault", fault]));
    let mut proxy = Proxy(optilock(&args).stderr(Stdio::piped()).spawn().unwrap());
    wait_for(&mut proxy.0, "listening on ");
    (proxy, out)
}

#[test]
fn through_the_proxy_kubes_default_client_doubles_updates_and_optilock_does_not() {
    let serve = Serve::start();
    let faults = [
        "504-after-commit:p=0.3:verb=update",
        "drop-answer:p=0.1:verb=create:nth=999",
    ];
    let (_proxy, out) = faulty(&serve, &faults);
    let json = serve.directory.path().join("json");
    let compare = |strategy: &str| {
        let said = run(&[
            "run",
            "--kubeconfig",
            text(&out),
            "--strategy",
            strategy,
            "--workers",
            "3",
            "--updates",
            "10",
            "--steps",
            "unlimited",
            "--json",
            text(&json),
        ]);
        let told = summary(&fs::read_to_string(&json).unwrap());
        (said.code, told.runs[0].clone())
    };
    let (code, kube) = compare("kube-default");
    assert_eq!(code, Some(1), "{kube:?}");
    assert!(kube.counter.excess > 0, "{kube:?}");
    let (code, optilock) = compare("optilock");
    assert_eq!(code, Some(0), "{optilock:?}");
    assert_eq!(
        (optilock.updates.applied, optilock.counter.excess),
        (30, 0),
        "{optilock:?}"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing_behind_but_the_history() {
    use rustix::process::Signal;

    let serve = Serve::start();
    let history = serve.directory.path().join("history.jsonl");
    let mut command = optilock(&[
        "run",
        "--kubeconfig",
        serve.kubeconfig(),
        "--strategy",
        "optilock",
        "--for",
        "10m",
        "--latency",
        "1ms",
        "--history",
        text(&history),
    ]);
    let mut child = Proxy(command.stderr(Stdio::piped()).spawn().unwrap());
    wait_for(&mut child.0, "1 run of up to");
    common::signal(&child.0, Signal::INT);
    assert_eq!(child.0.wait().unwrap().code(), Some(130));
    let checked = run(&["check", text(&history)]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    // Nothing of that name is there: the same run can begin again.
    let again = run(&[
        "run",
        "--kubeconfig",
        serve.kubeconfig(),
        "--strategy",
        "once",
        "--updates",
        "1",
    ]);
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_in_virtual_time_keeps_the_history() {
    use rustix::process::Signal;

    let directory = tempfile::tempdir().unwrap();
    let histories = directory.path().join("histories");
    fs::create_dir(&histories).unwrap();
    // The first run tells when it is done, so that the second one is under way.
    std::os::unix::fs::symlink("/dev/stderr", histories.join("001-once-1.jsonl")).unwrap();
    let mut command = optilock(&[
        "compare",
        "--virtual",
        "--strategy",
        "once",
        "--workers",
        "1,200",
        "--updates",
        "500",
        "--history",
        text(&histories),
    ]);
    let mut child = Proxy(command.stderr(Stdio::piped()).spawn().unwrap());
    let rest = common::after(&mut child.0, "\"version\":1");
    common::signal(&child.0, Signal::INT);
    rest.for_each(drop);
    assert_eq!(child.0.wait().unwrap().code(), Some(130));
    let kept = histories.join("002-once-200.jsonl");
    let checked = run(&["check", text(&kept)]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options);
    Client::try_from(config.await.unwrap()).unwrap()
}

#[test]
fn a_watch_through_the_proxy_tells_every_event_at_once() {
    let serve = Serve::start();
    let faults = ["drop-answer:p=0.5:verb=patch", "delay:verb=get:for=5ms"];
    let (_proxy, out) = faulty(&serve, &faults);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let maps: Api<ConfigMap> = Api::namespaced(client(&out).await, "default");
        let map: ConfigMap =
            serde_json::from_value(serde_json::json!({"metadata": {"name": "slow"}})).unwrap();
        let made = maps.create(&PostParams::default(), &map).await.unwrap();
        let version = made.metadata.resource_version.unwrap();
        let params = WatchParams::default().fields("metadata.name=slow");
        let mut events = pin!(maps.watch(&params, &version).await.unwrap());
        // None is written before the one before was told: what is held back would never come.
        let mut broken = 0;
        for number in 0..30 {
            let patch = Patch::Merge(serde_json::json!({"data": {"n": number.to_string()}}));
            let params = PatchParams::default();
            broken += usize::from(maps.patch("slow", &params, &patch).await.is_err());
            maps.get("slow").await.unwrap();
            let WatchEvent::Modified(told) = events.next().await.unwrap().unwrap() else {
                panic!("the watch told something else");
            };
            assert_eq!(told.data.unwrap()["n"], number.to_string());
        }
        assert!((1..30).contains(&broken), "{broken} answers were dropped");
    });
}

/// Waits until workers have updated a Deployment.
fn wait_for_updates(kubeconfig: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let deployments: Api<Deployment> = Api::namespaced(client(kubeconfig).await, "default");
        let events = deployments.watch(&WatchParams::default(), "0").await;
        let mut events = pin!(events.unwrap());
        loop {
            if let WatchEvent::Modified(_) = events.next().await.unwrap().unwrap() {
                return;
            }
        }
    });
}

#[test]
fn a_cluster_that_dies_ends_the_run_and_leaves_the_history() {
    let directory = tempfile::tempdir().unwrap();
    let history = directory.path().join("history.jsonl");
    for strategy in ["retry-on-conflict", "optilock"] {
        let mut serve = Serve::start();
        let mut command = optilock(&[
            "run",
            "--kubeconfig",
            serve.kubeconfig(),
            "--strategy",
            strategy,
            "--for",
            "10m",
            "--latency",
            "1ms",
            "--history",
            text(&history),
        ]);
        let mut child = Proxy(command.stderr(Stdio::piped()).spawn().unwrap());
        let said = common::after(&mut child.0, "1 run of up to");
        wait_for_updates(&serve.kubeconfig);
        serve.child.kill().unwrap();
        assert_eq!(child.0.wait().unwrap().code(), Some(1));
        let said: Vec<_> = said.map(Result::unwrap).collect();
        let error = said.iter().find(|line| line.starts_with("error: "));
        let told = "no answer from the API server at https://127.0.0.1:";
        assert!(error.is_some_and(|line| line.contains(told)), "{said:?}");
        let checked = run(&["check", text(&history)]);
        assert_eq!(checked.code, Some(0), "{checked:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_peer_that_fails_is_named() {
    for (peer, told) in [
        (
            "no-such=no-such-program-here",
            "the peer no-such could not be started",
        ),
        ("silent=true", "the peer silent wrote no history"),
        ("broken=false", "the peer broken ended with exit status: 1"),
        ("talkative=echo", "the peer talkative wrote no history"),
    ] {
        let mut command = optilock(&[
            "compare",
            "--strategy",
            "once",
            "--workers",
            "1",
            "--updates",
            "1",
            "--with-peer",
            peer,
        ]);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let said = common::finish(command);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains(told), "{said:?}");
    }
}

#[test]
fn tune_tells_what_to_write() {
    let said = run(&["tune", "--workers", "3", "--seeds", "1", "--latency", "5ms"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for word in [
        "default-retry",
        "optilock",
        "wait.Backoff{Steps: 3,",
        "Backoff::new(3, ",
    ] {
        assert!(said.stdout.contains(word), "{word}: {}", said.stdout);
    }
}
