//! What is updated: a part of an object that holds `COUNT|VERSION|OPS` as text.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::core::{DynamicResourceScope, PartialObjectMeta};
use kube::{Api, Client, Resource, ResourceExt};
use optilock::BoxError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// One kind of update.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    kind: &'static str,
    plural: &'static str,
    pub(crate) subresource: Option<&'static str>,
    /// Where the text is.
    pub(crate) pointer: &'static str,
    /// Whether nothing but metadata is read and written, by patches.
    pub(crate) metadata: bool,
}

pub(crate) const SUBJECTS: [Subject; 3] = [
    Subject {
        name: "object",
        kind: "ConfigMap",
        plural: "configmaps",
        subresource: None,
        pointer: "/data/state",
        metadata: false,
    },
    Subject {
        name: "status",
        kind: "Pod",
        plural: "pods",
        subresource: Some("status"),
        pointer: "/status/message",
        metadata: false,
    },
    Subject {
        name: "metadata",
        kind: "ConfigMap",
        plural: "configmaps",
        subresource: None,
        pointer: "/metadata/annotations/state",
        metadata: true,
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
        let kind = GroupVersionKind::gvk("", "v1", self.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, self.plural);
        Api::namespaced_with(client, "default", &resource)
    }

    /// An object whose count is none yet.
    pub(crate) async fn create(&self, client: Client, name: &str) {
        let mut object = json!({
            "apiVersion": "v1",
            "kind": self.kind,
            "metadata": {"name": name},
        });
        if self.kind == "Pod" {
            object["spec"] = json!({"containers": [{"name": "c", "image": "i"}]});
        }
        let object = serde_json::from_value(object).unwrap();
        let api = self.api::<DynamicObject>(client);
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    /// The change: adds one, and says on whose behalf.
    pub(crate) fn change<K: Part>(&self, object: &mut K, op: &str) -> Result<(), BoxError> {
        let at = object.resource_version().unwrap_or_default();
        let mut value = serde_json::to_value(&*object)?;
        let text = value.pointer(self.pointer).and_then(Value::as_str);
        let mut parts = text.unwrap_or("0||").split('|');
        let mut part = || parts.next().ok_or("what was written isn't there any more");
        let (count, known, ops) = (part()?.parse::<u64>()?, part()?, part()?);
        // Who shares a write finds the same version.
        let ops = if known == at {
            format!("{ops},{op}")
        } else {
            op.to_owned()
        };
        let text = format!("{}|{at}|{ops}", count + 1);
        let mut place = &mut value;
        for key in self.pointer.split('/').skip(1) {
            place = &mut place[key];
        }
        *place = text.into();
        *object = serde_json::from_value(value)?;
        Ok(())
    }

    /// What was counted.
    pub(crate) async fn count(&self, client: Client, name: &str) -> usize {
        let object = self.api::<DynamicObject>(client).get(name).await.unwrap();
        let value = serde_json::to_value(object).unwrap();
        let text = value.pointer(self.pointer).and_then(Value::as_str);
        text.map_or(0, |text| text.split('|').next().unwrap().parse().unwrap())
    }

    /// Writes as everybody does.
    pub(crate) async fn replace<K: Part>(&self, api: &Api<K>, object: &K) -> kube::Result<K> {
        let (name, params) = (object.name_any(), PostParams::default());
        match self.subresource {
            Some(part) => api.replace_subresource(part, &name, &params, object).await,
            None if self.metadata => {
                let patch = json!({"metadata": {
                    "resourceVersion": object.resource_version(),
                    "annotations": object.annotations(),
                }});
                let params = PatchParams::default();
                api.patch(&name, &params, &Patch::Merge(patch)).await
            }
            None => api.replace(&name, &params, object).await,
        }
    }
}
