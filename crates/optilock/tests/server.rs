//! The retries and updates against an API server: the embedded one, or, to judge that one too, any other:
//!
//! ```sh
//! OPTILOCK_TEST_KUBECONFIG=path/to/kubeconfig cargo test -p optilock --test server
//! ```
//!
//! What is created there has random names, and is deleted.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource, ResourceExt};
use optilock::{Backoff, BoxError, Event, Interrupt, Outcome, Reason, retry_on_conflict, update};
use optilock_apiserver::Server;
use serde::Serialize;
use serde::de::DeserializeOwned;

async fn client() -> Client {
    let Some(file) = std::env::var_os("OPTILOCK_TEST_KUBECONFIG") else {
        return Server::new().client();
    };
    let kubeconfig = Kubeconfig::read_from(file).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    optilock::client(config.unwrap()).unwrap()
}

/// An object for one test, made from JSON.
struct Fixture<K> {
    api: Api<K>,
    name: String,
    object: K,
}

impl<K> Fixture<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + Serialize + DeserializeOwned,
{
    async fn new(body: serde_json::Value) -> Self {
        let api: Api<K> = Api::namespaced(client().await, "default");
        let mut object: K = serde_json::from_value(body).unwrap();
        let name = format!("optilock-test-{:016x}", rand::random::<u64>());
        object.meta_mut().name = Some(name.clone());
        let object = api.create(&PostParams::default(), &object).await.unwrap();
        Self { api, name, object }
    }

    /// Whether the server keeps managedFields, as kube-apiserver does. One that doesn't can't tell who
    /// wrote what.
    fn records_managers(&self) -> bool {
        !self.object.managed_fields().is_empty()
    }

    async fn get(&self) -> K {
        self.api.get(&self.name).await.unwrap()
    }

    async fn delete(&self) {
        self.api
            .delete(&self.name, &DeleteParams::background())
            .await
            .unwrap();
    }

    /// A new object of the same name and content.
    async fn create_anew(&self) -> K {
        let mut object = self.object.clone();
        *object.meta_mut() = ObjectMeta {
            name: Some(self.name.clone()),
            ..ObjectMeta::default()
        };
        self.api
            .create(&PostParams::default(), &object)
            .await
            .unwrap()
    }

    /// Somebody else's write.
    async fn annotate(&self, value: &str) {
        let patch = serde_json::json!({"metadata": {"annotations": {"note": value}}});
        let params = PatchParams {
            field_manager: Some("somebody-else".to_owned()),
            ..PatchParams::default()
        };
        self.api
            .patch(&self.name, &params, &Patch::Merge(patch))
            .await
            .unwrap();
    }
}

/// Runs a future in the middle of a closure that is not asynchronous.
fn meanwhile<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

async fn counter() -> Fixture<ConfigMap> {
    Fixture::new(serde_json::json!({"metadata": {}, "data": {"n": "0"}})).await
}

fn count(object: &mut ConfigMap) -> Result<(), BoxError> {
    let n = object.data.get_or_insert_default().entry("n".to_owned());
    let n = n.or_default();
    *n = (n.parse::<u64>()? + 1).to_string();
    Ok(())
}

fn n(object: &ConfigMap) -> &str {
    &object.data.as_ref().unwrap()["n"]
}

async fn deployment() -> Fixture<Deployment> {
    Fixture::new(serde_json::json!({
        "metadata": {"labels": {"biz-version": "100"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "nginx"}},
            "template": {
                "metadata": {"labels": {"app": "nginx"}},
                "spec": {"containers": [
                    {"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]},
                ]},
            },
        },
    }))
    .await
}

fn raise_version(deployment: &mut Deployment) -> Result<(), BoxError> {
    let version = deployment.labels()["biz-version"].parse::<u64>()? + 1;
    deployment
        .labels_mut()
        .insert("biz-version".to_owned(), version.to_string());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_workers_update_a_deployment() {
    let fixture = deployment().await;
    let workers: Vec<_> = (0..5)
        .map(|_| {
            let (api, name) = (fixture.api.clone(), fixture.name.clone());
            tokio::spawn(async move { update(&api, name).apply(raise_version).await })
        })
        .collect();
    for worker in workers {
        let updated = worker.await.unwrap().unwrap();
        assert!(updated.written);
        assert_eq!(updated.effort.requests, 2 * updated.effort.attempts);
    }
    assert_eq!(fixture.get().await.labels()["biz-version"], "105");
    fixture.delete().await;
}

/// The seed's second experiment.
#[tokio::test(flavor = "multi_thread")]
async fn five_workers_retry_on_conflict() {
    let fixture = deployment().await;
    let backoff = Backoff::new(10, Duration::from_millis(10))
        .with_factor(1.0)
        .with_jitter(0.1);
    let workers: Vec<_> = (0..5)
        .map(|_| {
            let (api, name) = (fixture.api.clone(), fixture.name.clone());
            tokio::spawn(async move {
                retry_on_conflict(backoff, async || {
                    let mut deployment = api.get(&name).await?;
                    raise_version(&mut deployment).map_err(kube::Error::Service)?;
                    api.replace(&name, &PostParams::default(), &deployment)
                        .await
                })
                .await
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap().unwrap();
    }
    assert_eq!(fixture.get().await.labels()["biz-version"], "105");
    fixture.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_the_object() {
    let fixture = counter().await;
    let updated = update(&fixture.api, &fixture.name)
        .from(fixture.object.clone())
        .field_manager("front-desk")
        .apply(count)
        .await
        .unwrap();
    assert_eq!(updated.effort.requests, 1);
    assert_eq!(updated.object, fixture.get().await);
    assert_ne!(
        updated.object.resource_version(),
        fixture.object.resource_version()
    );
    if fixture.records_managers() {
        let managers = updated.object.managed_fields().iter();
        let mut names = managers.filter_map(|entry| entry.manager.as_deref());
        assert!(names.any(|name| name == "front-desk"));
    }
    fixture.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_stores_nothing() {
    let fixture = counter().await;
    let updated = update(&fixture.api, &fixture.name)
        .dry_run()
        .apply(count)
        .await
        .unwrap();
    assert_eq!(n(&updated.object), "1");
    assert_eq!(fixture.get().await, fixture.object);
    fixture.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_won_is_told() {
    let fixture = counter().await;
    let mut round = 0;
    let error = update(&fixture.api, &fixture.name)
        .backoff(Backoff::new(3, Duration::ZERO))
        .apply(|object| {
            round += 1;
            meanwhile(fixture.annotate(&round.to_string()));
            count(object)
        })
        .await
        .unwrap_err();
    assert_eq!(error.effort().conflicts, 3);
    assert_eq!(error.outcome(), Outcome::Refused);
    assert!(matches!(
        error.reason(),
        Reason::Interrupted {
            interrupt: Interrupt::Timeout,
            ..
        }
    ));
    let winner = error
        .winner()
        .map(|winner| (&*winner.manager, &*winner.operation));
    let expected = fixture
        .records_managers()
        .then_some(("somebody-else", "Update"));
    assert_eq!(winner, expected);
    let text = error.to_string();
    let expected = format!(
        "Operation cannot be fulfilled on configmaps \"{}\": the object has been modified; \
         please apply your changes to the latest version and try again",
        fixture.name
    );
    assert!(text.contains(&expected), "{text}");
    assert_eq!(n(&fixture.get().await), "0");
    fixture.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_changes_are_kept() {
    let fixture = counter().await;
    let mut interfere = true;
    let updated = update(&fixture.api, &fixture.name)
        .apply(|object| {
            if std::mem::take(&mut interfere) {
                meanwhile(fixture.annotate("kept"));
            }
            count(object)
        })
        .await
        .unwrap();
    assert_eq!(updated.effort.conflicts, 1);
    assert_eq!(updated.object.annotations()["note"], "kept");
    assert_eq!(n(&updated.object), "1");
    fixture.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_goes_away_is_not_found() {
    let fixture = counter().await;
    let error = update(&fixture.api, &fixture.name)
        .apply(|object| {
            meanwhile(fixture.delete());
            count(object)
        })
        .await
        .unwrap_err();
    // kube-apiserver says so at once; other servers may call it a conflict first.
    let (Reason::Refused(cause) | Reason::Read(cause)) = error.reason() else {
        panic!("{error}")
    };
    assert!(
        matches!(cause, kube::Error::Api(status) if status.is_not_found()),
        "{error}"
    );
    assert!(fixture.api.get_opt(&fixture.name).await.unwrap().is_none());
}

/// A kind that a PUT creates: without the uid the write would bring back what was deleted.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_goes_away_is_not_created_anew() {
    let fixture: Fixture<Lease> =
        Fixture::new(serde_json::json!({"metadata": {}, "spec": {"holderIdentity": "a"}})).await;
    let error = update(&fixture.api, &fixture.name)
        .apply(|lease| {
            meanwhile(fixture.delete());
            lease.spec.get_or_insert_default().holder_identity = Some("b".to_owned());
            Ok(())
        })
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::Refused, "{error}");
    assert!(fixture.api.get_opt(&fixture.name).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namesake_is_another_object() {
    let fixture = counter().await;
    let mut replace = true;
    let mut replaced = |object: &mut ConfigMap| {
        if std::mem::take(&mut replace) {
            meanwhile(async {
                fixture.delete().await;
                fixture.create_anew().await;
            });
        }
        count(object)
    };
    // Whoever starts from an object means that one.
    let error = update(&fixture.api, &fixture.name)
        .from(fixture.object.clone())
        .apply(&mut replaced)
        .await
        .unwrap_err();
    assert!(
        matches!(error.reason(), Reason::Recreated { .. }),
        "{error}"
    );
    assert_eq!(n(&fixture.get().await), "0");

    // Whoever starts from a name means whatever has it.
    let mut replace = true;
    let updated = update(&fixture.api, &fixture.name)
        .apply(|object| {
            if std::mem::take(&mut replace) {
                meanwhile(async {
                    fixture.delete().await;
                    fixture.create_anew().await;
                });
            }
            count(object)
        })
        .await
        .unwrap();
    assert_eq!(updated.effort.conflicts, 1);
    assert_eq!(n(&fixture.get().await), "1");
    fixture.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_object_is_refused_in_the_servers_words() {
    let fixture = deployment().await;
    let error = update(&fixture.api, &fixture.name)
        .apply(|deployment| {
            deployment.spec.get_or_insert_default().replicas = Some(-1);
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(matches!(error.reason(), Reason::Refused(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        "{error}"
    );
    assert_eq!(error.effort().attempts, 1);
    fixture.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_changes_nothing_makes_no_version() {
    let fixture = counter().await;
    let updated = update(&fixture.api, &fixture.name)
        .apply(|_| Ok(()))
        .await
        .unwrap();
    assert!(!updated.written);
    assert_eq!(updated.object, fixture.get().await);
    assert_eq!(updated.object, fixture.object);
    fixture.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_there_is_not_found() {
    let api: Api<ConfigMap> = Api::namespaced(client().await, "default");
    let error = update(&api, "optilock-test-nothing")
        .observe(|event| assert!(!matches!(event, Event::Write { .. })))
        .apply(count)
        .await
        .unwrap_err();
    assert!(
        matches!(error.reason(), Reason::Read(kube::Error::Api(status)) if status.is_not_found()),
        "{error}"
    );
}

/// What every loop in this crate looks at: conflicts and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn creating_what_exists_is_no_conflict() {
    let fixture = counter().await;
    let mut tries = 0;
    let mut twin = fixture.object.clone();
    twin.metadata.resource_version = None;
    let result = retry_on_conflict(optilock::DEFAULT_RETRY, || {
        tries += 1;
        let (api, twin) = (fixture.api.clone(), twin.clone());
        async move { api.create(&PostParams::default(), &twin).await }
    })
    .await;
    let error = result.unwrap_err().into_failed().unwrap();
    assert!(matches!(&error, kube::Error::Api(status) if status.is_already_exists()));
    assert!(!optilock::is_conflict(&error));
    assert_eq!(tries, 1);
    fixture.delete().await;
}
