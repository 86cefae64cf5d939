//! What a server gets done, found out by asking it.

use std::{num::NonZero, thread::available_parallelism, time::Duration};

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
const ALONE: usize = 60;
/// The pause between two of these where the machine is to fall asleep.
const PAUSE: Duration = Duration::from_millis(4);
/// Objects that are created or deleted at once.
const AT_ONCE: usize = 16;
/// For how long many ask at once.
const CROWDED: Duration = Duration::from_millis(600);
/// What is added to each way of who asks alone, where a run adds anything: the client has as much work with it as with a long one.
const SHORT_WAY: Duration = Duration::from_micros(50);
/// What part of the time at most a crowd's requests are on their way: the others keep the server busy.
const AWAY: u32 = 2;
/// So many clients at least make a crowd.
const CROWD: usize = 2;

/// Measures a server: how long requests take alone, and how many it gets done in a second where so many ask at once.
///
/// It does so for a few seconds on Deployments of its own, whose names begin with the prefix, and deletes them. It asks
/// as the workers of a run do, so that what recording costs is part of what is measured, and so that the connections that
/// a run of as many workers needs are open afterwards. Where a run adds something to each way (`leg`), so is it done here: where
/// many ask, as much as leaves the server no pause, because requests that come one by one cost it more than those that come
/// together; and where one asks alone, for no longer than it takes to cost the client what it costs there.
///
/// # Errors
/// [`Error`] where the server doesn't do what it is asked.
pub async fn measure(
    target: &Target,
    namespace: &str,
    prefix: &str,
    clients: usize,
    leg: Leg,
) -> Result<Capacity, Error> {
    let run_id = format!("{:08x}", rand::rng().random::<u32>());
    let objects: Vec<_> = (0..clients.max(CROWD))
        .map(|index| format!("{prefix}-{run_id}-{index}"))
        .map(|name| Cleanup::<Deployment>::new(target, namespace, &name, &run_id))
        .collect();
    let measured = measure_with(target, namespace, &objects, leg).await;
    let deletions = stream::iter(&objects).map(Cleanup::delete);
    let deleted: Vec<Result<(), CleanupError>> =
        deletions.buffer_unordered(AT_ONCE).collect().await;
    Error::and_cleaned(measured, deleted.into_iter().collect())
}

async fn measure_with(
    target: &Target,
    namespace: &str,
    objects: &[Cleanup<Deployment>],
    leg: Leg,
) -> Result<Capacity, Error> {
    let short = leg.at_most(SHORT_WAY);
    let client = as_workers(target.client(), short);
    let created = stream::iter(objects)
        .map(|object| object.create(&client, |metadata| Change::Counter.object(metadata)));
    let created: Vec<Deployment> = created.buffer_unordered(AT_ONCE).try_collect().await?;
    let failed = |error| Error::Server(target.failed(error));
    let alone = &Asker::new(client, namespace, &created[0]);

    // The first requests of each client open its connection.
    let read = |old| alone.read(old);
    crowded(&created, read).await.map_err(failed)?;
    // As workers do: a read before each write.
    let nothing = async |old| Ok(old);
    let first = &created[0];
    let read_alone = Alone::measure(first, nothing, read).await.map_err(failed)?;
    let write_alone = Alone::measure(first, read, |old| alone.write(old)).await;
    let write_alone = write_alone.map_err(failed)?;
    let refused_alone = Alone::measure(first, read, |old| alone.refuse(old)).await;
    let refused_alone = refused_alone.map_err(failed)?;
    let mut current = Vec::new();
    for object in created {
        current.push(read(object).await.map_err(failed)?);
    }

    let at_once = crowded(&current, read).await.map_err(failed)?;
    let clients = u32::try_from(current.len()).unwrap_or(u32::MAX);
    // A request has two ways.
    let long = leg.at_most(at_once.saturating_mul(clients) / AWAY / 2);
    let crowd = &Asker::new(as_workers(target.client(), long), namespace, &current[0]);
    let reads = crowded(&current, |old| crowd.read(old)).await;
    let reads = reads.map_err(failed)?;
    let first = &current[0].clone();
    let refusals = crowded(&current, |old| async move {
        crowd.read(first.clone()).await?;
        crowd.refuse(old).await
    });
    let refusals = refusals.await.map_err(failed)?;
    let writes = crowded(&current, |old| async move {
        crowd.write(crowd.read(old).await?).await
    });
    let writes = writes.await.map_err(failed)?;
    let processors = processors(target);
    let pace = |each: Duration, alone: Alone| {
        let work = each.saturating_mul(u32::try_from(processors).unwrap_or(u32::MAX));
        let alone_awake = alone.awake.saturating_sub(short.mean * 2);
        let more = alone_awake.saturating_sub(work);
        // From here to another machine it is the way that takes time.
        let (turns, latency) = match target.is_local() {
            true => (more, Duration::ZERO),
            false => (Duration::ZERO, more),
        };
        Pace {
            work: work.min(alone_awake),
            beside: work.saturating_sub(alone_awake),
            turns,
            latency,
            wake: alone.asleep.saturating_sub(alone.awake),
        }
    };
    Ok(Capacity {
        processors,
        read: pace(reads, read_alone),
        refused: pace(refusals.saturating_sub(reads), refused_alone),
        write: pace(writes.saturating_sub(reads), write_alone),
        seed: 0,
    })
}

/// How many processors the server works with: those of this machine. What another machine has can't be told from here, and
/// matters less, the further it is away.
fn processors(target: &Target) -> usize {
    match target.is_local() {
        true => available_parallelism().map_or(1, NonZero::get),
        false => 1,
    }
}

/// What a worker of a run has: its requests go through a network, and are counted, timed and recorded.
fn as_workers(client: &Client, leg: Leg) -> Client {
    let network = Network::new(client, leg, [], 0);
    let recorded = Recorder::new().record(&network.client());
    let probe = Ledger::open().probe(Actor::Shared);
    instrument(&recorded, None, &probe, None)
}

/// Makes requests of each kind.
struct Asker {
    api: Api<Deployment>,
    /// A base that is soon no longer the current one.
    stale: Deployment,
}

impl Asker {
    fn new(client: Client, namespace: &str, stale: &Deployment) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            stale: stale.clone(),
        }
    }

    async fn read(&self, old: Deployment) -> kube::Result<Deployment> {
        let name = old.metadata.name.unwrap_or_default();
        self.api.get(&name).await
    }

    async fn write(&self, mut old: Deployment) -> kube::Result<Deployment> {
        let name = old.metadata.name.clone().unwrap_or_default();
        if Change::Counter.apply(&mut old, 0, 0).is_err() {
            return Ok(old);
        }
        self.api.replace(&name, &Worker::post_params(), &old).await
    }

    async fn refuse(&self, old: Deployment) -> kube::Result<Deployment> {
        match self.write(self.stale.clone()).await {
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(old),
            other => other,
        }
    }
}

/// The median times of a request that nobody else is in the way of.
#[derive(Debug, Clone, Copy)]
struct Alone {
    /// One right after the other.
    awake: Duration,
    /// With pauses, in which the machine falls asleep.
    asleep: Duration,
}

impl Alone {
    /// Of a request; what comes before it isn't timed.
    async fn measure(
        first: &Deployment,
        before: impl AsyncFn(Deployment) -> kube::Result<Deployment>,
        request: impl AsyncFn(Deployment) -> kube::Result<Deployment>,
    ) -> kube::Result<Self> {
        // A write needs the version that the last one made.
        let mut object = request(before(first.clone()).await?).await?;
        let mut medians = [Duration::ZERO; 2];
        for (median, pause) in medians.iter_mut().zip([None, Some(PAUSE)]) {
            let mut times = Vec::new();
            for _ in 0..ALONE {
                if let Some(pause) = pause {
                    sleep(pause).await;
                }
                object = before(object).await?;
                let sent = Instant::now();
                object = request(object).await?;
                times.push(sent.elapsed());
            }
            times.sort_unstable();
            *median = times[times.len() / 2];
        }
        let [awake, asleep] = medians;
        Ok(Self { awake, asleep })
    }
}

/// Lets so many clients ask at once, each for an object of its own: the time for each.
async fn crowded<Fut>(
    objects: &[Deployment],
    request: impl Fn(Deployment) -> Fut,
) -> kube::Result<Duration>
where
    Fut: Future<Output = kube::Result<Deployment>>,
{
    let started = Instant::now();
    let request = &request;
    let ask = |object: &Deployment| {
        let mut object = object.clone();
        async move {
            let mut count = 0_u32;
            while started.elapsed() < CROWDED {
                object = request(object).await?;
                count += 1;
            }
            Ok::<_, kube::Error>(count)
        }
    };
    let counts = try_join_all(objects.iter().map(ask)).await?;
    let count: u32 = counts.iter().sum();
    Ok(started.elapsed() / count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_is_measured_and_left_as_it_was() {
        let target = Target::embedded();
        let measured = measure(&target, "default", "probe", 4, Leg::default())
            .await
            .unwrap();
        assert!(measured.read.work > Duration::ZERO, "{measured:?}");
        assert!(measured.write.work > Duration::ZERO, "{measured:?}");
        let api: Api<Deployment> = Api::namespaced(target.client().clone(), "default");
        let left = api.list(&Default::default()).await.unwrap();
        assert!(left.items.is_empty());
    }
}
