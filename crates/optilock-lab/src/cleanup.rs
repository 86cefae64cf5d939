//! What a run has created, so that it can be deleted whatever happens.

use std::{collections::BTreeMap, fmt::Debug, marker::PhantomData, sync::Arc, time::Duration};

use futures::TryStreamExt;
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ObjectMeta, Preconditions, WatchEvent, WatchParams},
};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use tokio::task::JoinHandle;

use crate::{CleanupError, CleanupFailure, Error, Target, Worker};

/// Tells an object of this run from another one of the same name, where the answer to its creation was lost.
const RUN_ANNOTATION: &str = "optilock-lab-run";

/// A server that ends watches at once is not asked for the next one in a tight loop.
const BEFORE_NEXT_WATCH: Duration = Duration::from_millis(100);

/// How long one deletion may take, finalizers included.
const DELETE_TIMEOUT: Duration = Duration::from_secs(30);

/// Creates the object of a run and deletes it again.
///
/// It knows of the object before the server does, so that no way out of a run leaves it behind: an error, a dropped
/// future, a lost answer.
#[derive(Debug)]
pub(crate) struct Cleanup<K> {
    target: Target,
    namespace: String,
    name: String,
    run_id: String,
    object: Arc<Mutex<Object>>,
    kind: PhantomData<fn() -> K>,
}

#[derive(Debug, Default)]
enum Object {
    /// There is nothing to delete.
    #[default]
    None,
    /// Its creation is on its way.
    Creating(Option<JoinHandle<()>>),
    /// It may be there or not: the answer to its creation was lost.
    Unknown,
    /// It is there.
    Created { uid: String },
}

impl<K> Cleanup<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(crate) fn new(target: &Target, namespace: &str, name: &str, run_id: &str) -> Self {
        Self {
            target: target.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            run_id: run_id.to_owned(),
            object: Arc::default(),
            kind: PhantomData,
        }
    }

    /// Creates the object through `client`, with this metadata, in a task of its own: dropping the future doesn't leave the
    /// creation half way.
    pub(crate) async fn create(
        &self,
        client: &Client,
        object: impl FnOnce(ObjectMeta) -> K,
    ) -> Result<K, Error> {
        let api: Api<K> = Api::namespaced(client.clone(), &self.namespace);
        let annotations = BTreeMap::from([(RUN_ANNOTATION.to_owned(), self.run_id.clone())]);
        let object = object(ObjectMeta {
            name: Some(self.name.clone()),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        });
        let state = self.object.clone();
        let (answer, answered) = tokio::sync::oneshot::channel();
        *state.lock() = Object::Creating(None);
        let task = tokio::spawn({
            let state = state.clone();
            async move {
                let created = api.create(&Worker::post_params(), &object).await;
                *state.lock() = match &created {
                    Ok(object) => Object::Created {
                        uid: object.uid().unwrap_or_default(),
                    },
                    Err(kube::Error::Api(status)) if (400..500).contains(&status.code) => {
                        Object::None
                    }
                    Err(_) => Object::Unknown,
                };
                // The run was given up: the state is what counts.
                let _ = answer.send(created);
            }
        });
        if let Object::Creating(handle) = &mut *state.lock() {
            *handle = Some(task);
        }
        match answered.await {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(error)) => Err(self.explain(error)),
            Err(_) => unreachable!("the creating task answers before it ends"),
        }
    }

    fn explain(&self, error: kube::Error) -> Error {
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        let kind = K::kind(&()).into_owned();
        if let kube::Error::Api(status) = &error {
            if status.is_already_exists() {
                return Error::AlreadyExists {
                    kind,
                    namespace,
                    name,
                };
            }
            let names_namespace =
                |details: &kube::core::response::StatusDetails| details.kind == "namespaces";
            if status.is_not_found() && status.details.as_ref().is_some_and(names_namespace) {
                return Error::NoNamespace {
                    server: self.target.address().to_owned(),
                    namespace,
                };
            }
        }
        Error::Server(self.target.failed(error))
    }

    /// Deletes what was created, if anything, and waits until it is gone. An object that somebody else made in the
    /// meantime is left alone.
    pub(crate) async fn delete(&self) -> Result<(), CleanupError> {
        let done = tokio::time::timeout(DELETE_TIMEOUT, self.delete_now()).await;
        match done {
            Ok(Ok(())) => {
                *self.object.lock() = Object::None;
                Ok(())
            }
            Ok(Err(reason)) => Err(self.left_behind(reason)),
            Err(_) => Err(self.left_behind(CleanupFailure::Timeout(DELETE_TIMEOUT))),
        }
    }

    /// It is still there after this time.
    pub(crate) fn left_behind_by(&self, time: Duration) -> CleanupError {
        self.left_behind(CleanupFailure::Timeout(time))
    }

    fn left_behind(&self, reason: CleanupFailure) -> CleanupError {
        CleanupError {
            kind: K::kind(&()).into_owned(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            reason: Box::new(reason),
        }
    }

    async fn delete_now(&self) -> Result<(), CleanupFailure> {
        let creating = match &mut *self.object.lock() {
            Object::Creating(task) => task.take(),
            _ => None,
        };
        if let Some(task) = creating {
            // A creation that panicked has left its state as unknown as this arm does.
            let _ = task.await;
        }
        let uid = match &*self.object.lock() {
            Object::None => return Ok(()),
            Object::Created { uid } => Some(uid.clone()),
            Object::Unknown | Object::Creating(_) => None,
        };
        let api: Api<K> = Api::namespaced(self.target.client().clone(), &self.namespace);
        let uid = match uid {
            Some(uid) => uid,
            None => match self.find_ours(&api).await? {
                Some(uid) => uid,
                None => return Ok(()),
            },
        };
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(uid.clone()),
            resource_version: None,
        });
        match api.delete(&self.name, &params).await {
            Ok(deleted) => match deleted.left() {
                // Finalizers keep it.
                Some(object) => self.wait_until_gone(&api, &uid, object).await,
                None => Ok(()),
            },
            // Somebody else deleted it, and perhaps made one of their own.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {
                Ok(())
            }
            Err(error) => Err(self.target.failed(error).into()),
        }
    }

    /// The uid of an object whose creation was not answered.
    async fn find_ours(&self, api: &Api<K>) -> Result<Option<String>, CleanupFailure> {
        let found = api
            .get_opt(&self.name)
            .await
            .map_err(|error| self.target.failed(error))?;
        Ok(found
            .filter(|object| object.annotations().get(RUN_ANNOTATION) == Some(&self.run_id))
            .and_then(|object| object.uid()))
    }

    async fn wait_until_gone(
        &self,
        api: &Api<K>,
        uid: &str,
        object: K,
    ) -> Result<(), CleanupFailure> {
        let failed = |error| CleanupFailure::Server(self.target.failed(error));
        let mut current = Some(object).filter(|object| object.uid().as_deref() == Some(uid));
        while let Some(object) = current {
            let seconds = u32::try_from(DELETE_TIMEOUT.as_secs()).unwrap_or(u32::MAX);
            let params = WatchParams::default()
                .fields(&format!("metadata.name={}", self.name))
                .timeout(seconds);
            let events = api
                .watch(&params, &object.resource_version().unwrap_or_default())
                .await
                .map_err(failed)?;
            futures::pin_mut!(events);
            while let Some(event) = events.try_next().await.map_err(failed)? {
                if matches!(event, WatchEvent::Deleted(_)) {
                    return Ok(());
                }
            }
            tokio::time::sleep(BEFORE_NEXT_WATCH).await;
            current = api
                .get_opt(&self.name)
                .await
                .map_err(failed)?
                .filter(|object| object.uid().as_deref() == Some(uid));
        }
        Ok(())
    }
}
