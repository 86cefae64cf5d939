//! What a server gets done, found out by asking it.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};
use rand::Rng;
use tokio::time::{Instant, sleep};

use super::{Capacity, Pace};
use crate::{
    Change, CleanupError, Error, Leg, Network, Target, Worker,
    cleanup::Cleanup,
    history::Recorder,
    transport::{Actor, Ledger, instrument},
};

/// How many requests of a kind are made one after the other, to learn how long one takes.
const ALONE: usize = 100;
/// The pause between two of these: workers pause too, and a machine with nothing to do takes its time to wake up.
const PAUSE: Duration = Duration::from_millis(4);
/// How many clients ask at once, to learn how much the server gets done.
const AT_ONCE: usize = 32;
/// For how long.
const CROWDED: Duration = Duration::from_secs(1);

/// Measures a server: how long requests take alone, and how many it gets done in a second where many ask.
///
/// It does so for about seven seconds on Deployments of its own, whose names begin with the prefix, and deletes them. It asks
/// as the workers of a run do, so that what recording costs is part of what is measured.
///
/// # Errors
/// [`Error`] where the server doesn't do what it is asked.
pub async fn measure(target: &Target, namespace: &str, prefix: &str) -> Result<Capacity, Error> {
    let run_id = format!("{:08x}", rand::rng().random::<u32>());
    let objects: Vec<_> = (0..AT_ONCE)
        .map(|index| format!("{prefix}-{run_id}-{index}"))
        .map(|name| Cleanup::<Deployment>::new(target, namespace, &name, &run_id))
        .collect();
    let measured = measure_with(target, namespace, &objects).await;
    let deletions = stream::iter(&objects).map(Cleanup::delete);
    let deleted: Vec<Result<(), CleanupError>> =
        deletions.buffer_unordered(AT_ONCE).collect().await;
    Error::and_cleaned(measured, deleted.into_iter().collect())
}

async fn measure_with(
    target: &Target,
    namespace: &str,
    objects: &[Cleanup<Deployment>],
) -> Result<Capacity, Error> {
    let client = as_workers(target.client());
    let created = stream::iter(objects)
        .map(|object| object.create(&client, |metadata| Change::Counter.object(metadata)));
    let created: Vec<Deployment> = created.buffer_unordered(AT_ONCE).try_collect().await?;
    let api = &Api::<Deployment>::namespaced(client.clone(), namespace);
    let failed = |error| Error::Server(target.failed(error));

    let read = |old: Deployment| async move {
        let name = old.metadata.name.clone().unwrap_or_default();
        api.get(&name).await
    };
    let write = |mut old: Deployment| async move {
        let name = old.metadata.name.clone().unwrap_or_default();
        if Change::Counter.apply(&mut old, 0, 0).is_err() {
            return Ok(old);
        }
        api.replace(&name, &Worker::post_params(), &old).await
    };
    // A base that is soon no longer the current one.
    let stale = created[0].clone();
    let refuse = |old: Deployment| {
        let stale = stale.clone();
        async move {
            match write(stale).await {
                Err(kube::Error::Api(status)) if status.is_conflict() => Ok(old),
                other => other,
            }
        }
    };

    // The first requests of each client open its connection.
    crowded(&created, read).await.map_err(failed)?;
    let read_alone = alone(&created[0], read).await.map_err(failed)?;
    let write_alone = alone(&created[0], write).await.map_err(failed)?;
    let refused_alone = alone(&created[0], refuse).await.map_err(failed)?;
    let mut current = Vec::new();
    for object in created {
        current.push(read(object).await.map_err(failed)?);
    }
    let reads = crowded(&current, read).await.map_err(failed)?;
    let refusals = crowded(&current, refuse).await.map_err(failed)?;
    let writes = crowded(&current, write).await.map_err(failed)?;
    let pace = |crowd: Crowd, alone: Duration| Pace {
        work: crowd.each,
        latency: alone.saturating_sub(crowd.each),
    };
    Ok(Capacity {
        read: pace(reads, read_alone),
        refused: pace(refusals, refused_alone),
        write: pace(writes, write_alone),
        variation: (reads.variation + refusals.variation + writes.variation) / 3.0,
    })
}

/// What a worker of a run has: its requests are counted, timed and recorded.
fn as_workers(client: &Client) -> Client {
    let network = Network::new(client, Leg::default(), [], 0);
    let recorded = Recorder::new().record(&network.client());
    let probe = Ledger::open().probe(Actor::Shared);
    instrument(&recorded, None, &probe, None)
}

/// The median time of a request, one after the other with pauses.
async fn alone<Fut>(
    first: &Deployment,
    request: impl Fn(Deployment) -> Fut,
) -> kube::Result<Duration>
where
    Fut: Future<Output = kube::Result<Deployment>>,
{
    // A write needs the version that the last one made.
    let mut object = request(first.clone()).await?;
    let mut times = Vec::new();
    for _ in 0..ALONE {
        sleep(PAUSE).await;
        let sent = Instant::now();
        object = request(object).await?;
        times.push(sent.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// What many requests at once came to.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    /// The time for each.
    each: Duration,
    /// How much one answer took longer or shorter than the next: the standard deviation as a share of the mean. As
    /// always the same number of requests shares the server, their work differs as much.
    variation: f64,
}

/// Lets so many clients ask at once, each for an object of its own.
async fn crowded<Fut>(
    objects: &[Deployment],
    request: impl Fn(Deployment) -> Fut,
) -> kube::Result<Crowd>
where
    Fut: Future<Output = kube::Result<Deployment>>,
{
    let started = Instant::now();
    let request = &request;
    let ask = |object: &Deployment| {
        let mut object = object.clone();
        async move {
            let mut times = Vec::new();
            while started.elapsed() < CROWDED {
                let sent = Instant::now();
                object = request(object).await?;
                times.push(sent.elapsed().as_secs_f64());
            }
            Ok::<_, kube::Error>(times)
        }
    };
    let times: Vec<f64> = try_join_all(objects.iter().map(ask)).await?.concat();
    let took = started.elapsed().as_secs_f64();
    let count = times.len().max(1) as f64;
    let mean = times.iter().sum::<f64>() / count;
    let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / count;
    Ok(Crowd {
        each: Duration::from_secs_f64(took / count),
        variation: if mean > 0.0 {
            variance.sqrt() / mean
        } else {
            0.0
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_is_measured_and_left_as_it_was() {
        let target = Target::embedded();
        let measured = measure(&target, "default", "probe").await.unwrap();
        assert!(measured.read.work > Duration::ZERO, "{measured:?}");
        assert!(measured.write.work > Duration::ZERO, "{measured:?}");
        let api: Api<Deployment> = Api::namespaced(target.client().clone(), "default");
        let left = api.list(&Default::default()).await.unwrap();
        assert!(left.items.is_empty());
    }
}
