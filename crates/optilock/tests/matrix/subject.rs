//! What is updated: a part of an object that holds a count, and mostly `COUNT|VERSION|OPS` as text.

use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use kube::core::{DynamicResourceScope, PartialObjectMeta};
use kube::{Api, Client, Resource, ResourceExt};
use optilock::BoxError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::network::Ops;

/// One kind of update.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    pub(crate) subresource: Option<&'static str>,
    /// Where the count is.
    pub(crate) pointer: &'static str,
    /// Whether nothing but metadata is read and written, by patches.
    pub(crate) metadata: bool,
    /// Whether each update takes a finalizer off an object that is being deleted, so that the last one
    /// removes the object.
    pub(crate) finalizers: bool,
}

pub(crate) const SUBJECTS: [Subject; 5] = [
    Subject {
        name: "object",
        group: "",
        kind: "ConfigMap",
        plural: "configmaps",
        subresource: None,
        pointer: "/data/state",
        metadata: false,
        finalizers: false,
    },
    Subject {
        name: "status",
        group: "",
        kind: "Pod",
        plural: "pods",
        subresource: Some("status"),
        pointer: "/status/message",
        metadata: false,
        finalizers: false,
    },
    Subject {
        name: "scale",
        group: "apps",
        kind: "Deployment",
        plural: "deployments",
        subresource: Some("scale"),
        pointer: "/spec/replicas",
        metadata: false,
        finalizers: false,
    },
    Subject {
        name: "metadata",
        group: "",
        kind: "ConfigMap",
        plural: "configmaps",
        subresource: None,
        pointer: "/metadata/annotations/state",
        metadata: true,
        finalizers: false,
    },
    Subject {
        name: "finalizers",
        group: "",
        kind: "ConfigMap",
        plural: "configmaps",
        subresource: None,
        pointer: "/metadata/annotations/state",
        metadata: true,
        finalizers: true,
    },
];

/// What the parts of objects that are read and written have in common.
pub(crate) trait Part:
    Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>
    + Clone
    + std::fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl Part for DynamicObject {}
impl Part for PartialObjectMeta<DynamicObject> {}

impl Subject {
    pub(crate) fn api<K: Part>(&self, client: Client) -> Api<K> {
        let kind = GroupVersionKind::gvk(self.group, "v1", self.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, self.plural);
        Api::namespaced_with(client, "default", &resource)
    }

    /// Whether what is updated is a type of its own.
    pub(crate) fn is_scale(&self) -> bool {
        self.subresource == Some("scale")
    }

    /// Where a write says on whose behalf it is. There is no room for that in a scale.
    pub(crate) fn ops(&self) -> Ops {
        if self.is_scale() {
            Ops::Manager
        } else {
            Ops::Object(self.pointer)
        }
    }

    /// An object whose count is none yet, for so many updates if each takes something away.
    pub(crate) async fn create(&self, client: Client, name: &str, updates: usize) {
        let mut object = json!({
            "apiVersion": GroupVersionKind::gvk(self.group, "v1", self.kind).api_version(),
            "kind": self.kind,
            "metadata": {"name": name},
        });
        let containers = json!({"containers": [{"name": "c", "image": "i"}]});
        match self.kind {
            "Pod" => object["spec"] = containers,
            "Deployment" => {
                object["spec"] = json!({
                    "replicas": 0,
                    "selector": {"matchLabels": {"app": "a"}},
                    "template": {"metadata": {"labels": {"app": "a"}}, "spec": containers},
                });
            }
            _ => {}
        }
        if self.finalizers {
            let finalizers = (0..updates).map(|number| format!("example.com/f{number}"));
            object["metadata"]["finalizers"] = finalizers.collect();
        }
        let object = serde_json::from_value(object).unwrap();
        let api = self.api::<DynamicObject>(client);
        api.create(&PostParams::default(), &object).await.unwrap();
        if self.finalizers {
            api.delete(name, &DeleteParams::default()).await.unwrap();
        }
    }

    /// The change: adds one, and says on whose behalf where there is room for that.
    pub(crate) fn change<K>(&self, object: &mut K, op: &str) -> Result<(), BoxError>
    where
        K: Resource + Serialize + DeserializeOwned,
    {
        let at = object.resource_version().unwrap_or_default();
        let mut value = serde_json::to_value(&*object)?;
        let known = value.pointer(self.pointer);
        let changed = if self.is_scale() {
            Value::from(known.and_then(Value::as_u64).unwrap_or(0) + 1)
        } else {
            Value::from(counted(known, &at, op)?)
        };
        let mut place = &mut value;
        for key in self.pointer.split('/').skip(1) {
            place = &mut place[key];
        }
        *place = changed;
        if self.finalizers {
            let finalizers = value["metadata"]["finalizers"].as_array_mut();
            finalizers.ok_or("there is no finalizer left")?.remove(0);
        }
        *object = serde_json::from_value(value)?;
        Ok(())
    }

    /// What was counted; none if the object is gone.
    pub(crate) async fn count(&self, client: Client, name: &str) -> Option<usize> {
        let object = self.api::<DynamicObject>(client).get_opt(name).await;
        let value = serde_json::to_value(object.unwrap()?).unwrap();
        let count = match value.pointer(self.pointer) {
            None => 0,
            Some(Value::String(text)) => text.split('|').next().unwrap().parse().unwrap(),
            Some(number) => usize::try_from(number.as_u64().unwrap()).unwrap(),
        };
        Some(count)
    }

    /// Leaves nothing behind.
    pub(crate) async fn remove(&self, client: Client, name: &str) {
        let api = self.api::<DynamicObject>(client);
        if self.finalizers {
            let none = json!({"metadata": {"finalizers": null}});
            let patch = Patch::Merge(&none);
            // It is being deleted already, if it is there at all.
            drop(api.patch(name, &PatchParams::default(), &patch).await);
        } else {
            let params = DeleteParams::default().grace_period(0);
            api.delete(name, &params).await.unwrap();
        }
    }

    /// Reads, changes and writes as everybody does.
    pub(crate) async fn replace<K: Part>(
        &self,
        api: &Api<K>,
        name: &str,
        op: &str,
    ) -> kube::Result<()> {
        if self.is_scale() {
            let mut scale = api.get_scale(name).await?;
            self.change(&mut scale, op).map_err(kube::Error::Service)?;
            let params = PostParams {
                field_manager: Some(op.to_owned()),
                ..PostParams::default()
            };
            return api.replace_scale(name, &params, &scale).await.map(drop);
        }
        let mut object = api.get(name).await?;
        self.change(&mut object, op).map_err(kube::Error::Service)?;
        let params = PostParams::default();
        let written = match self.subresource {
            Some(part) => api.replace_subresource(part, name, &params, &object).await,
            None if self.metadata => {
                let patch = json!({"metadata": {
                    "resourceVersion": object.resource_version(),
                    "annotations": object.annotations(),
                    "finalizers": object.finalizers(),
                }});
                let params = PatchParams::default();
                api.patch(name, &params, &Patch::Merge(patch)).await
            }
            None => api.replace(name, &params, &object).await,
        };
        written.map(drop)
    }
}

/// The text after one more update of this version of an object.
fn counted(known: Option<&Value>, at: &str, op: &str) -> Result<String, BoxError> {
    let mut parts = known.and_then(Value::as_str).unwrap_or("0||").split('|');
    let mut part = || parts.next().ok_or("what was written isn't there any more");
    let (count, version, ops) = (part()?.parse::<u64>()?, part()?, part()?);
    // Who shares a write finds the same version.
    let ops = if version == at {
        format!("{ops},{op}")
    } else {
        op.to_owned()
    };
    Ok(format!("{}|{at}|{ops}", count + 1))
}
