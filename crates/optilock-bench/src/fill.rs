//! `optilock-bench fill`: a store with as many objects as one likes, without the way through the API.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::stream::{self, TryStreamExt};
use http::Method;
use optilock_apiserver::Server;
use optilock_apiserver::store::{Expected, Range, RedbStore, Retention, Store};

use crate::connection::{Call, Connection, Keep};
use crate::objects::{deployment, deployments};
use crate::verb::{LISTED, make_namespace};

/// Writes at a time, so that many share a sync of the disk.
const AT_A_TIME: usize = 512;
/// The object that the others are copies of. Names of all are equally long.
const MODEL: &str = "listed-0000000";

/// Fill a store of redb: Deployments in the namespace `listed`, copies of one that the API has made.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file.
    #[arg(long)]
    redb: PathBuf,
    /// How many there are to be.
    #[arg(long)]
    objects: usize,
}

#[tokio::main]
pub(crate) async fn run(args: &Args) -> Result<()> {
    let opened = RedbStore::open(&args.redb, Retention::default())?;
    let store: Arc<dyn Store> = Arc::new(opened);
    let server = Server::builder().store(Arc::clone(&store)).controllers([]);
    let mut connection = Connection::in_process(server.build().service());
    make_namespace(&mut connection).await?;
    let call = Call::new(Method::POST, deployments(LISTED), deployment(MODEL, 0));
    connection.ask(&call, Keep::Head).await?;
    let prefix = format!("/registry/deployments/{LISTED}/");
    let there = store
        .range(Range {
            limit: 1,
            ..Range::all(&prefix)
        })
        .await?;
    let model = there.entries.first().context("the model was not stored")?;
    let text = String::from_utf8(model.value.to_vec()).context("the model is no text")?;
    let first = there.entries.len() + there.remaining;
    stream::iter((first..args.objects).map(Ok))
        .try_for_each_concurrent(AT_A_TIME, |number| {
            let (store, text, prefix) = (&store, &text, &prefix);
            async move {
                let name = format!("listed-{number:07}");
                let value = Bytes::from(text.replace(MODEL, &name));
                store
                    .commit(&format!("{prefix}{name}"), Expected::Absent, Some(value))
                    .await?;
                anyhow::Ok(())
            }
        })
        .await?;
    store.close().await;
    Ok(())
}
