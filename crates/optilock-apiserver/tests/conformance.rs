//! The recorded answers of the reference control plane, compared with the embedded server's: every request sequence of
//! the corpus, in process and over TCP. What differs has to be in `conformance/differences.yaml`.
//!
//! `cargo xtask record` records anew.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::time::Duration;

use optilock_apiserver::{Server, ServerBuilder};
use optilock_conformance::{
    Difference, Ignored, InProcess, KnownDifferences, Player, Recording, Target, Topic,
};

/// The reference has no controllers either.
fn server(topic: &Topic) -> ServerBuilder {
    let server = Server::builder().controllers([]);
    if topic.compacts() {
        server.compact_after(Duration::ZERO)
    } else {
        server
    }
}

async fn differences(topic: &Topic, target: impl Target) -> Vec<Difference> {
    let recorded = Recording::read(topic).unwrap();
    let played = Player::new(target, "test").play(topic).await.unwrap();
    recorded.differences(&played, Ignored::NOTHING)
}

fn judge(found: Vec<Difference>) {
    let judgement = KnownDifferences::load().unwrap().judge(found);
    for difference in &judgement.undocumented {
        println!("{difference}");
    }
    for place in &judgement.disappeared {
        println!("no difference any more: {place}");
    }
    let (new, gone) = (judgement.undocumented.len(), judgement.disappeared.len());
    assert!(
        new == 0 && gone == 0,
        "{new} differences are not in conformance/differences.yaml, {gone} that are in it are none any more"
    );
}

#[tokio::test]
async fn the_server_answers_as_the_reference_in_process() {
    let mut found = Vec::new();
    for topic in Topic::load_all().unwrap() {
        let server = server(&topic).build();
        found.extend(differences(&topic, InProcess::new(server.service())).await);
    }
    judge(found);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn the_server_answers_as_the_reference_over_tcp() {
    use optilock_conformance::Tcp;
    use tokio::sync::oneshot;

    let mut found = Vec::new();
    for topic in Topic::load_all().unwrap() {
        let server = server(&topic).build();
        let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let target = Tcp::from_kubeconfig(&listener.kubeconfig()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(listener.serve_until(async {
            // A sender that is gone stops it too.
            let _ = stopped.await;
        }));
        found.extend(differences(&topic, target).await);
        drop(stop);
        serving.await.unwrap();
    }
    judge(found);
}
