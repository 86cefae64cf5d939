//! A controller that makes a `Secret` of every `ConfigMap`, with kube's `Controller` and `finalizer`.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::entry::CommitError;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{self, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::{configmap, refused, soon};

/// What keeps a source until its copy is gone.
const FINALIZER: &str = "peers.example.com/copy";

struct Copier {
    sources: Api<ConfigMap>,
    copies: Api<Secret>,
    done: mpsc::UnboundedSender<String>,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Kube(#[from] kube::Error),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Finalizer(#[from] Box<finalizer::Error<Error>>),
}

impl Copier {
    async fn reconcile(source: Arc<ConfigMap>, this: Arc<Self>) -> Result<Action, Error> {
        finalizer(
            &this.sources,
            FINALIZER,
            source,
            async |event| match event {
                finalizer::Event::Apply(source) => this.copy(&source).await,
                finalizer::Event::Cleanup(source) => this.remove(&source).await,
            },
        )
        .await
        .map_err(|error| Box::new(error).into())
    }

    /// Creates the copy, or brings it up to date.
    async fn copy(&self, source: &ConfigMap) -> Result<Action, Error> {
        let name = source.name_any();
        let value = source.data.as_ref().unwrap()["a"].clone();
        let data = Some([("a".to_owned(), ByteString(value.into_bytes()))].into());
        let entry = self.copies.entry(&name).await?;
        let what = match entry.get() {
            None => "created",
            Some(copy) if copy.data != data => "updated",
            Some(_) => return Ok(Action::await_change()),
        };
        let mut entry = entry.or_insert(Secret::default).and_modify(|copy| {
            copy.metadata.labels = source.metadata.labels.clone();
            copy.metadata.owner_references = Some(vec![source.controller_owner_ref(&()).unwrap()]);
            copy.data = data;
        });
        entry.commit(&PostParams::default()).await?;
        self.report(what, &name);
        Ok(Action::await_change())
    }

    async fn remove(&self, source: &ConfigMap) -> Result<Action, Error> {
        let name = source.name_any();
        match self.copies.delete(&name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => drop(other?),
        }
        self.report("removed", &name);
        Ok(Action::await_change())
    }

    /// Nobody listens any more once the scenario is over.
    fn report(&self, what: &str, name: &str) {
        let _ = self.done.send(format!("{what} {name}"));
    }
}

pub async fn manager(client: Client) -> Value {
    let sources: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let copies: Api<Secret> = Api::default_namespaced(client);
    let (done, mut events) = mpsc::unbounded_channel();
    let copier = Copier {
        sources: sources.clone(),
        copies: copies.clone(),
        done,
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let of_scenario = watcher::Config::default().labels("scenario=manager");
    let controller = Controller::new(sources.clone(), of_scenario.clone())
        .owns(copies.clone(), of_scenario)
        .graceful_shutdown_on(async {
            // A sender that is gone stops it too.
            let _ = stopped.await;
        })
        // What was refused because somebody was faster is tried again.
        .run(
            Copier::reconcile,
            |_, _, _| Action::requeue(Duration::from_millis(10)),
            Arc::new(copier),
        )
        .for_each(async |_| {});
    let running = tokio::spawn(controller);

    let mut steps = Vec::new();
    let source = configmap("manager", "source", "1");
    let source = sources
        .create(&PostParams::default(), &source)
        .await
        .unwrap();
    steps.push("source is there".to_owned());
    steps.push(soon(events.recv()).await.unwrap());
    let patch = Patch::Merge(json!({"data": {"a": "2"}}));
    sources
        .patch("source", &PatchParams::default(), &patch)
        .await
        .unwrap();
    steps.push("source changed".into());
    steps.push(soon(events.recv()).await.unwrap());
    let mut copy = copies.get("source").await.unwrap();
    let owned = copy.owner_references()[0].uid == source.uid().unwrap();
    let data = copy.data.get_or_insert_default();
    let value = String::from_utf8(data["a"].0.clone()).unwrap();
    steps.push(format!("copied {value}, owned {owned}"));
    // What somebody else breaks is mended.
    data.insert("a".into(), ByteString(b"broken".to_vec()));
    copies
        .replace("source", &PostParams::default(), &copy)
        .await
        .unwrap();
    steps.push("copy broken".into());
    steps.push(soon(events.recv()).await.unwrap());
    sources
        .delete("source", &DeleteParams::default())
        .await
        .unwrap();
    steps.push("source deleted".into());
    steps.push(soon(events.recv()).await.unwrap());
    let uid = source.uid().unwrap();
    let gone = conditions::is_deleted(&uid);
    soon(await_condition(sources.clone(), "source", gone))
        .await
        .unwrap();
    steps.push(refused(copies.get("source").await));
    steps.push(refused(sources.get("source").await));
    stop.send(()).unwrap();
    soon(running).await.unwrap();
    steps.push("stopped".into());
    json!(steps)
}
