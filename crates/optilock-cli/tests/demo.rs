//! `optilock demo`, on the embedded server and on one behind a port.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use common::{Said, Serve, finish, optilock, run, text};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, Config, ResourceExt, api::PostParams, config::Kubeconfig};

/// The lines with this text.
fn count(said: &Said, text: &str) -> usize {
    said.stdout
        .lines()
        .filter(|line| line.contains(text))
        .count()
}

/// The cells of the table's row of a method, in order of their appearance.
fn rows(said: &Said, method: &str) -> Vec<Vec<String>> {
    let table = said.stdout.rsplit_once("\nmethod").unwrap().1;
    let rows = table.lines().filter_map(|line| line.strip_prefix(method));
    rows.map(|cells| cells.split_whitespace().map(str::to_owned).collect())
        .collect()
}

const CONFLICT: &str = "Operation cannot be fulfilled on deployments.apps \"nginx-deployment\": the object \
                        has been modified; please apply your changes to the latest version and try again";

#[test]
fn shows_what_the_lock_and_the_throttle_cost() {
    // A faster throttle, so that the test is fast too.
    let said = run(&["demo", "--qps", "200"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stderr, "");
    for throttle in rows(&said, "no retry") {
        // Final value, succeeded, conflicts, requests.
        assert_eq!(throttle[..4], ["101", "1", "4", "12"], "{said:?}");
    }
    assert_eq!(rows(&said, "no retry").len(), 2);
    for method in ["retry", "optilock", "combined"] {
        let rows = rows(&said, method);
        assert_eq!(rows.len(), 2);
        for row in rows {
            assert_eq!(row[..2], ["105", "5"], "{said:?}");
        }
    }
    assert_eq!(count(&said, CONFLICT), 8);
    assert_eq!(
        count(&said, "final value of the custom label: 101, took "),
        2
    );
    assert_eq!(
        count(&said, "final value of the custom label: 105, took "),
        6
    );
    // Experiment 1 has 1 in each of its 2 runs, the others 5 in each of their 6.
    assert_eq!(count(&said, "---> [success] worker-"), 32);
    assert!(!said.stdout.contains('\u{1b}'), "no colours in a pipe");
}

#[test]
fn lines_are_those_of_the_tutorial() {
    let said = run(&["demo", "--qps", "0", "--workers", "1"]);
    let lines = said.stdout.lines().filter_map(|line| {
        let (stamp, rest) = line.split_at_checked(22)?;
        (stamp.starts_with('I') && stamp.ends_with(' ')).then_some(rest)
    });
    let shape: Vec<String> = lines
        .take(7)
        .map(|line| {
            let words = line
                .split(' ')
                .map(|word| match word.trim_end_matches(',') {
                    number if number.parse::<u64>().is_ok_and(|n| n != 101) => "N",
                    _ => word,
                });
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(
        shape,
        [
            "Creating deployment...",
            "Created deployment \"nginx-deployment\"",
            "updating the custom label in N workers at once",
            "worker-0, current label: 101, resource version: N",
            "---> [success] worker-0, current label: 101, resource version old: N new: N",
            "worker-0 update success",
            "final value of the custom label: 101, took N ms",
        ]
    );
}

#[test]
fn speaks_the_tutorial_s_language() {
    let mut command = optilock(&["demo", "--qps", "0"]);
    let said = finish({
        command.env("LC_ALL", "zh_CN.UTF-8");
        command
    });
    assert_eq!(said.code, Some(0), "{said:?}");
    for line in [
        "开始创建deployment",
        "Creating deployment...",
        "Created deployment \"nginx-deployment\"",
        "在协程中并发更新自定义标签",
        "---> [success] goroutine-",
        "update err: Operation cannot be fulfilled",
        "自定义标签的最终值为: 101，耗时",
        "自定义标签的最终值为: 105，耗时",
    ] {
        assert!(count(&said, line) > 0, "{line}");
    }
    let english = run(&["demo", "--qps", "0", "--lang", "en"]);
    assert_eq!(count(&english, "goroutine"), 0);
}

#[test]
fn says_when_workers_run_out_of_steps() {
    let said = run(&["demo", "--qps", "0", "--steps", "1"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.stderr.contains("101 instead of 105"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("--steps"), "{}", said.stderr);
}

#[test]
fn any_number_of_workers_and_steps() {
    let said = run(&[
        "demo",
        "--qps",
        "0",
        "--workers",
        "50",
        "--steps",
        "unlimited",
    ]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(rows(&said, "no retry")[0][..3], ["101", "1", "49"]);
    assert_eq!(rows(&said, "retry")[0][..2], ["150", "50"]);
    assert_eq!(rows(&said, "optilock")[0][..2], ["150", "50"]);
}

async fn deployments(serve: &Serve) -> Api<Deployment> {
    let kubeconfig = Kubeconfig::read_from(&serve.kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await;
    let client = Client::try_from(config.unwrap()).unwrap();
    Api::namespaced(client, "default")
}

async fn names(serve: &Serve) -> Vec<String> {
    let list = deployments(serve).await.list(&Default::default()).await;
    list.unwrap().iter().map(ResourceExt::name_any).collect()
}

/// The demo on that server fails with 1 and a message with these words, and leaves it as it is.
async fn fails(serve: &Serve, args: &[&str], words: &[&str]) {
    let before = names(serve).await;
    let said = run(&[&["demo"], args].concat());
    assert_eq!(said.code, Some(1), "{args:?}: {said:?}");
    for word in words {
        assert!(
            said.stderr.contains(word),
            "{args:?}: no {word:?} in {}",
            said.stderr
        );
    }
    assert_eq!(names(serve).await, before, "{args:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_on_a_cluster_and_leaves_nothing_there() {
    let serve = Serve::start();
    let mut command = optilock(&["demo", "--kubeconfig", serve.kubeconfig(), "--qps", "0"]);
    // A proxy that isn't meant for a server on this machine.
    let said = finish({
        command.env("HTTPS_PROXY", "http://127.0.0.1:1");
        command
    });
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(rows(&said, "no retry")[0][..4], ["101", "1", "4", "12"]);
    assert_eq!(names(&serve).await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_what_is_in_its_way() {
    let serve = Serve::start();
    let kubeconfig = serve.kubeconfig();
    let theirs: Deployment = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "nginx-deployment"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]}
            }
        }
    }))
    .unwrap();
    let api = deployments(&serve).await;
    let theirs = api.create(&PostParams::default(), &theirs).await.unwrap();
    let there = ["already", "nginx-deployment", "--name"];
    fails(&serve, &["--kubeconfig", kubeconfig], &there).await;
    assert_eq!(api.get("nginx-deployment").await.unwrap(), theirs);

    let nowhere = ["--kubeconfig", kubeconfig, "--namespace", "nowhere"];
    fails(
        &serve,
        &nowhere,
        &["no namespace", "nowhere", "--namespace"],
    )
    .await;

    let unknown = serve.altered(&serve.value("token"), "not-the-token");
    let refused = ["doesn't accept the user", "Unauthorized", "--kubeconfig"];
    fails(&serve, &["--kubeconfig", text(&unknown)], &refused).await;

    let other = Serve::start();
    let authority = "certificate-authority-data";
    let wrong = serve.altered(&serve.value(authority), &other.value(authority));
    let untrusted = ["can't be trusted", "certificate", "certificate-authority"];
    fails(&serve, &["--kubeconfig", text(&wrong)], &untrusted).await;

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", port.local_addr().unwrap());
    drop(port);
    let dead = serve.altered(&serve.value("server"), &address);
    let unreachable = ["no answer", &address, "refused", "--kubeconfig"];
    fails(&serve, &["--kubeconfig", text(&dead)], &unreachable).await;
}

/// Ctrl-c in the middle of experiment 2, which the throttle makes long enough.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_nothing_behind() {
    use rustix::process::Signal;

    for signal in [Signal::INT, Signal::TERM] {
        let serve = Serve::start();
        let mut command = optilock(&["demo", "--kubeconfig", serve.kubeconfig(), "--qps", "1"]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("current label")));
        assert_eq!(names(&serve).await, ["nginx-deployment"]);
        common::signal(&child, signal);
        let rest: Vec<_> = lines.collect();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{rest:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("nothing is left behind"), "{stderr}");
        assert_eq!(names(&serve).await, [] as [&str; 0]);
    }
}

/// `optilock demo | head -3`.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_leaves_nothing_behind() {
    let serve = Serve::start();
    let mut command = optilock(&["demo", "--kubeconfig", serve.kubeconfig(), "--qps", "1"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Created")));
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(names(&serve).await, [] as [&str; 0]);
}
