//! What the server tells of itself: `/metrics`, a copy of its store, and `/debug` where that is answered.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::flow::{Flow, Kind};
use super::format::JSON;
use super::reply::Reply;
use super::shared::{Shared, Watchers};
use crate::metrics;
use crate::status::Status;

pub(super) struct Introspection<'a> {
    pub(super) shared: &'a Shared,
    pub(super) flow: Option<&'a Flow>,
}

impl Introspection<'_> {
    /// The answer; `None` for paths of others.
    pub(super) async fn answer(&self, path: &[&str]) -> Option<Result<Reply, Status>> {
        let watchers = self.shared.watchers.as_deref();
        Some(match (path, watchers) {
            (["metrics"], _) => self.metrics().await,
            #[cfg(feature = "redb")]
            (["optilock", "backup"], _) => {
                super::backup::answer(self.shared.registry.store()).await
            }
            (["debug", what], Some(watchers)) => Ok(self.debug(what, watchers).await?),
            _ => return None,
        })
    }

    async fn metrics(&self) -> Result<Reply, Status> {
        let metrics = &self.shared.metrics;
        for (name, kind) in [("readOnly", Kind::Read), ("mutating", Kind::Write)] {
            let load = self.flow.map(|flow| flow.load(kind)).unwrap_or_default();
            metrics.load(name, load.executing, load.waiting);
        }
        let counts = self.shared.registry.counts().await;
        metrics.objects(
            counts
                .iter()
                .map(|(resource, count)| (&*resource.api.group, &*resource.api.plural, *count)),
        );
        let text = metrics
            .write()
            .map_err(|error| Status::untyped(format!("the metrics can't be written: {error}")))?;
        Ok(Reply::new(
            StatusCode::OK,
            metrics::MEDIA_TYPE,
            Bytes::from(text),
        ))
    }

    async fn debug(&self, what: &str, watchers: &Watchers) -> Option<Reply> {
        let shown = match what {
            "limits" => self.flow.map_or(Value::Null, Flow::to_json),
            "watchers" => watchers.to_json(),
            "store" => self.store().await,
            _ => return None,
        };
        let text = format!("{shown:#}\n");
        Some(Reply::new(StatusCode::OK, JSON, Bytes::from(text)))
    }

    async fn store(&self) -> Value {
        let registry = &self.shared.registry;
        let counts = registry.counts().await;
        let objects: Value = counts
            .iter()
            .map(|(resource, count)| (resource.qualified(), Value::from(*count)))
            .collect();
        json!({"revision": registry.revision().to_string(), "objects": objects})
    }
}
