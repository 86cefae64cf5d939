//! Where the requests of an update go.

use futures::Stream;
use kube::api::{DynamicObject, GetParams, WatchParams};
use kube::core::request::{Error as RequestError, Request};
use kube::core::{PartialObjectMeta, WatchEvent};
use kube::{Api, Client, Error, Resource, Result};
use serde::de::DeserializeOwned;

/// The subresource that is an object of another type.
pub(crate) const SCALE: &str = "scale";

/// What an object says of itself, whatever its type.
pub(crate) type Metadata = PartialObjectMeta<DynamicObject>;

/// The objects of an [`Api`], or their scales: what is read and written has a type of its own then, and
/// the same name, uid and resourceVersion as the object.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) namespace: Option<String>,
    /// Whether it is the scales.
    pub(crate) scale: bool,
}

impl Endpoint {
    pub(crate) fn of<K: Resource + Clone>(api: &Api<K>) -> Self {
        Self {
            client: api.clone().into_client(),
            url: api.resource_url().to_owned(),
            namespace: api.namespace().map(str::to_owned),
            scale: false,
        }
    }

    /// The scales of these objects.
    pub(crate) fn scales(self) -> Self {
        Self {
            scale: true,
            ..self
        }
    }

    /// What an update changes, as it is now.
    pub(crate) async fn get<K>(&self, name: &str) -> Result<K>
    where
        K: Resource + DeserializeOwned,
    {
        let request = Request::new(&self.url);
        let request = match self.scale {
            true => request.get_subresource(SCALE, name),
            false if K::metadata_api() => request.get_metadata(name, &GetParams::default()),
            false => request.get(name, &GetParams::default()),
        };
        self.client.request(built(request)?).await
    }

    /// The same with whatever tells which updates are in it. A scale has no managedFields of its own, so
    /// that it takes another request to give it those of its object.
    pub(crate) async fn get_telling<K>(&self, name: &str) -> Result<K>
    where
        K: Resource + DeserializeOwned,
    {
        if !self.scale {
            return self.get(name).await;
        }
        // First: what comes after the scale is not to be taken for what was there before.
        let request = Request::new(&self.url).get_metadata(name, &GetParams::default());
        let whole: Metadata = self.client.request(built(request)?).await?;
        let mut scale: K = self.get(name).await?;
        if scale.meta().uid == whole.metadata.uid {
            scale.meta_mut().managed_fields = whole.metadata.managed_fields;
        }
        Ok(scale)
    }

    /// How many requests [`get_telling`](Self::get_telling) sends.
    pub(crate) fn requests_for_telling(&self) -> u32 {
        if self.scale { 2 } else { 1 }
    }

    /// What happens to an object after a version of it. `T` is the type of the objects, or their metadata.
    pub(crate) async fn watch<T>(
        &self,
        name: &str,
        version: &str,
    ) -> Result<impl Stream<Item = Result<WatchEvent<T>>> + use<T>>
    where
        T: Resource + Clone + DeserializeOwned,
    {
        let params = WatchParams::default().fields(&format!("metadata.name={name}"));
        let request = Request::new(&self.url);
        let request = if T::metadata_api() {
            request.watch_metadata(&params, version)
        } else {
            request.watch(&params, version)
        };
        self.client.request_events(built(request)?).await
    }
}

/// A request that can be sent.
pub(crate) fn built(
    request: std::result::Result<http::Request<Vec<u8>>, RequestError>,
) -> Result<http::Request<Vec<u8>>> {
    request.map_err(Error::BuildRequest)
}
