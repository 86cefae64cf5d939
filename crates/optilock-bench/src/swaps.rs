//! `optilock-bench swaps`: compare-and-swaps at the store, without an API. `peers/control-plane/cmd/etcd-load` puts the same load on an
//! etcd.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use optilock_apiserver::store::{CommitError, Expected, MemoryStore, RedbStore, Retention, Store};
use tokio::task::JoinSet;

/// The size of a Deployment, roughly.
const VALUE_BYTES: usize = 1500;

/// Swap values of a store. Each line has the store, what is written, how many writers, and the rate.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of the files of redb.
    #[arg(long)]
    redb: PathBuf,
    /// What is written.
    #[arg(long, value_enum)]
    load: Load,
    /// How many write, for each of these numbers.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32,128")]
    writers: Vec<usize>,
    /// For how long.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Load {
    /// Every writer has a key of its own.
    Keys,
    /// All have one.
    Key,
}

#[tokio::main]
pub(crate) async fn run(args: &Args) -> Result<()> {
    let time = Duration::from_secs_f64(args.seconds);
    let word = match args.load {
        Load::Keys => "keys",
        Load::Key => "key",
    };
    for &writers in &args.writers {
        let file = args.redb.join(format!("{word}-{writers}"));
        let stores: [(&str, Arc<dyn Store>); 2] = [
            ("memory", Arc::new(MemoryStore::new(Retention::default()))),
            (
                "redb",
                Arc::new(RedbStore::open(file, Retention::default())?),
            ),
        ];
        for (name, store) in stores {
            let rate = swaps(&store, writers, args.load, time).await?;
            store.close().await;
            println!("{name} {word} {writers} {rate:.0}");
        }
    }
    Ok(())
}

/// Successful swaps per second.
async fn swaps(store: &Arc<dyn Store>, writers: usize, load: Load, time: Duration) -> Result<f64> {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let key = format!("/k/{}", if load == Load::Key { 0 } else { writer });
        tasks.spawn(write(Arc::clone(store), key, started + time));
    }
    let mut done = 0;
    while let Some(writer) = tasks.join_next().await {
        done += writer??;
    }
    Ok(f64::from(done) / started.elapsed().as_secs_f64())
}

async fn write(store: Arc<dyn Store>, key: String, end: Instant) -> Result<u32> {
    let value = Bytes::from(vec![b'x'; VALUE_BYTES]);
    let (mut expected, mut done) = (Expected::Absent, 0);
    while Instant::now() < end {
        expected = match store.commit(&key, expected, Some(value.clone())).await {
            Ok(revision) => {
                done += 1;
                Expected::Revision(revision)
            }
            Err(CommitError::Mismatch(Some(current))) => Expected::Revision(current.revision),
            Err(error) => bail!(error),
        };
    }
    Ok(done)
}
