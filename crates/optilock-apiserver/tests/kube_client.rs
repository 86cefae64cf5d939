//! kube-rs, unmodified, plays the scenarios that clients in other languages play too
//! (`peers/README.md`): in process, on a port, and on the cluster that `KUBECONFIG` names.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;
mod kube_scenarios;

use common::port::Port;
use kube::Client;
use optilock_apiserver::Server;
use serde_json::{Value, json};

/// The outcome that is expected of every client on every server.
fn expected(scenario: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../peers/scenarios.json");
    let mut all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all[scenario].take()
}

/// A test of each scenario in each place.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        mod in_process {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    let server = Server::builder().controllers([]).build();
                    let client = Client::new(server.service(), "default");
                    let outcome = kube_scenarios::$name(client).await;
                    assert_eq!(outcome, expected(stringify!($name)));
                }
            )*
        }
        mod on_a_port {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    let port = Port::open().await;
                    let outcome = kube_scenarios::$name(port.client().await).await;
                    assert_eq!(outcome, expected(stringify!($name)));
                }
            )*
        }
        mod on_a_cluster {
            use super::*;
            $(
                #[tokio::test]
                #[ignore = "needs a cluster: `cargo xtask test --only clients` has one"]
                async fn $name() {
                    let outcome = kube_scenarios::$name(Client::try_default().await.unwrap()).await;
                    // One call, so that the lines of several tests don't mix.
                    print!("\n{}\n", json!({"scenario": stringify!($name), "outcome": outcome}));
                }
            )*
        }
    };
}

scenarios!(
    once, retry, crowd, crud, watch, apply, informer, custom, manager
);

/// What is played where something comes between the client and its cluster.
mod through_a_gap {
    use super::*;

    #[tokio::test]
    #[ignore = "needs what cuts it off: `cargo xtask test --only clients` has it"]
    async fn expired() {
        let outcome = kube_scenarios::expired(Client::try_default().await.unwrap()).await;
        print!("\n{}\n", json!({"scenario": "expired", "outcome": outcome}));
    }
}
