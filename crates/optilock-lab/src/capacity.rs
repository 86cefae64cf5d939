//! How much a server gets done: measured on a real one, and kept to by a simulated one.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};
use parking_lot::Mutex;
use rand::Rng;
use tokio::time::{Instant, sleep, sleep_until};
use tower::service_fn;

use crate::{Change, CleanupError, Error, Leg, Target, Worker, cleanup::Cleanup};

/// How long an API server is busy with a request before it turns to the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capacity {
    /// With a read.
    pub read: Duration,
    /// With a write that it refuses because of its base.
    pub refused: Duration,
    /// With a write that it accepts.
    pub write: Duration,
    /// How much longer the answer to an accepted write takes, while the server does other things.
    pub store: Duration,
}

/// What [`measure`] finds out about a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measured {
    /// One way, to the server or back.
    pub leg: Leg,
    /// What the server itself takes.
    pub capacity: Capacity,
}

/// How many requests are made one after the other, to learn how long one takes.
const ALONE: usize = 50;
/// How many clients ask at once, to learn how much the server gets done.
const AT_ONCE: usize = 16;
/// For how long.
const CROWDED: Duration = Duration::from_secs(1);

/// Measures a server: how long requests take alone, and how many it gets done in a second where many ask.
///
/// It does so for about four seconds on Deployments of its own, whose names begin with the prefix, and deletes them.
///
/// # Errors
/// [`Error`] where the server doesn't do what it is asked.
pub async fn measure(target: &Target, namespace: &str, prefix: &str) -> Result<Measured, Error> {
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
) -> Result<Measured, Error> {
    let client = target.client();
    let created = stream::iter(objects)
        .map(|object| object.create(client, |metadata| Change::Counter.object(metadata)));
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
            let written = write(stale).await;
            match written {
                Err(kube::Error::Api(status)) if status.is_conflict() => Ok(old),
                other => other,
            }
        }
    };

    let (read_alone, deviation, _) = alone(&created[0], read).await.map_err(failed)?;
    let (write_alone, _, _) = alone(&created[0], write).await.map_err(failed)?;
    let mut current = Vec::new();
    for object in created {
        current.push(read(object).await.map_err(failed)?);
    }
    let capacity = Capacity {
        read: crowded(&current, read).await.map_err(failed)?,
        refused: crowded(&current, refuse).await.map_err(failed)?,
        write: crowded(&current, write).await.map_err(failed)?,
        store: Duration::ZERO,
    };
    let mean = read_alone.saturating_sub(capacity.read) / 2;
    Ok(Measured {
        leg: Leg {
            mean,
            deviation: deviation / 2,
        },
        capacity: Capacity {
            store: write_alone.saturating_sub(2 * mean + capacity.write),
            ..capacity
        },
    })
}

/// The mean time of a request and its deviation, one after the other, and the object then.
async fn alone<Fut>(
    first: &Deployment,
    request: impl Fn(Deployment) -> Fut,
) -> kube::Result<(Duration, Duration, Deployment)>
where
    Fut: Future<Output = kube::Result<Deployment>>,
{
    let mut object = request(first.clone()).await?;
    let mut times = Vec::new();
    for _ in 0..ALONE {
        let sent = Instant::now();
        object = request(object).await?;
        times.push(sent.elapsed().as_secs_f64());
    }
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / times.len() as f64;
    Ok((
        Duration::from_secs_f64(mean),
        Duration::from_secs_f64(variance.sqrt()),
        object,
    ))
}

/// The time for each request where so many ask at once, each for an object of its own.
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
            let mut done: u32 = 0;
            while started.elapsed() < CROWDED {
                object = request(object).await?;
                done += 1;
            }
            Ok::<_, kube::Error>(done)
        }
    };
    let done: u32 = try_join_all(objects.iter().map(ask))
        .await?
        .into_iter()
        .sum();
    Ok(started.elapsed() / done.max(1))
}

impl Capacity {
    /// A client for a server that gets no more done than this.
    pub(crate) fn limit(self, server: &Client) -> Client {
        let desk = Desk::default();
        let namespace = server.default_namespace().to_owned();
        let server = server.clone();
        let service = service_fn(move |request: http::Request<kube::client::Body>| {
            let (desk, server) = (desk.clone(), server.clone());
            async move {
                let is_read = request.method() == Method::GET;
                desk.busy(if is_read { self.read } else { self.refused })
                    .await;
                let answer = server.send(request).await?;
                if !is_read && answer.status().is_success() {
                    desk.busy(self.write.saturating_sub(self.refused)).await;
                    sleep(self.store).await;
                }
                Ok::<_, kube::Error>(answer)
            }
        });
        Client::new(service, namespace)
    }
}

/// Does one thing after the other.
///
/// tokio's clock has milliseconds, and a server is done with most requests in less: until when it is busy is kept exactly.
#[derive(Debug, Clone, Default)]
struct Desk {
    until: Arc<Mutex<Option<Instant>>>,
}

impl Desk {
    async fn busy(&self, time: Duration) {
        let end = {
            let mut until = self.until.lock();
            let now = Instant::now();
            let end = until.map_or(now, |until| until.max(now)) + time;
            *until = Some(end);
            end
        };
        sleep_until(end).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_wait_for_each_other() {
        let desk = Desk::default();
        let started = Instant::now();
        let part = Duration::from_micros(250);
        let all = (0..40).map(|_| desk.busy(part));
        futures::future::join_all(all).await;
        assert_eq!(started.elapsed(), 40 * part);
    }

    #[tokio::test]
    async fn a_server_is_measured_and_left_as_it_was() {
        let target = Target::embedded();
        let measured = measure(&target, "default", "probe").await.unwrap();
        assert!(measured.capacity.read > Duration::ZERO, "{measured:?}");
        assert!(measured.capacity.write > Duration::ZERO, "{measured:?}");
        let api: Api<Deployment> = Api::namespaced(target.client().clone(), "default");
        assert!(
            api.list(&Default::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
    }
}
