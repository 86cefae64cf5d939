//! Forgetting history, in turns with all other servers on the same etcd.
//!
//! kube-apiserver's protocol: the key `compact_rev_key` is written once an interval, by whoever finds it as often
//! written as it was one interval ago, with the revision of that time, up to which history is then dropped. The others
//! see that it was written and wait for another interval.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::api::{
    CompactionRequest, CompactionResponse, Compare, PutRequest, Request, TxnRequest, revision,
    signed,
};
use super::client::{CallError, Client, Repeat};

const KEY: Bytes = Bytes::from_static(b"compact_rev_key");

/// What was found one interval ago.
#[derive(Debug, Default)]
struct Turn {
    /// How often the key was written.
    version: i64,
    /// etcd's revision; 0 at the beginning, when nothing is old yet.
    revision: i64,
}

/// Compacts once an interval, for ever.
pub(super) async fn run(client: Arc<Client>, interval: Duration) {
    let mut turn = Turn::default();
    loop {
        sleep(interval).await;
        match turn.take(&client).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "etcd was not compacted; it is tried again"),
        }
    }
}

impl Turn {
    async fn take(&mut self, client: &Client) -> Result<(), CallError> {
        const PATH: &str = "/etcdserverpb.KV/Compact";
        let write = Request::Put(PutRequest {
            key: KEY,
            value: self.revision.to_string().into(),
            lease: 0,
        });
        let compare = Compare::version(KEY, self.version);
        let answer = client
            .transact(TxnRequest::on_key(KEY, compare, write))
            .await?;
        let old = self.revision;
        self.revision = signed(revision(answer.header.as_ref()));
        if !answer.succeeded {
            self.version = answer.read().map_or(0, |kv| kv.version);
            return Ok(());
        }
        self.version += 1;
        if old == 0 {
            return Ok(());
        }
        let request = CompactionRequest { revision: old };
        let _: CompactionResponse = client.call(PATH, request, Repeat::Unsent).await?;
        Ok(())
    }
}
