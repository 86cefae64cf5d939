//! Leases, by which what is written goes by itself.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::api::{LeaseGrantRequest, LeaseGrantResponse};
use super::client::{CallError, Client, Repeat};

/// One lease takes what is written within so long: etcd's leases are not meant for a key each.
const SHARED_FOR: Duration = Duration::from_secs(60);
/// But not more than so many keys: they all go in one transaction.
const SHARED_BY: u32 = 1000;

/// The lease that is given out.
#[derive(Debug, Default)]
pub(super) struct Leases {
    current: Mutex<Option<Lease>>,
}

#[derive(Debug)]
struct Lease {
    id: i64,
    lifetime: Duration,
    granted: Instant,
    keys: u32,
}

impl Leases {
    /// A lease of at least that length, and at most a minute more.
    pub(super) async fn get(&self, client: &Client, lifetime: Duration) -> Result<i64, CallError> {
        const PATH: &str = "/etcdserverpb.Lease/LeaseGrant";
        let mut current = self.current.lock().await;
        if let Some(lease) = &mut *current
            && lease.lifetime == lifetime
            && lease.granted.elapsed() < SHARED_FOR
            && lease.keys < SHARED_BY
        {
            lease.keys += 1;
            return Ok(lease.id);
        }
        let seconds = (lifetime + SHARED_FOR).as_secs();
        let request = LeaseGrantRequest {
            ttl: i64::try_from(seconds).unwrap_or(i64::MAX),
        };
        // One that is granted twice ends by itself.
        let answer: LeaseGrantResponse = client.call(PATH, request, Repeat::Freely).await?;
        *current = Some(Lease {
            id: answer.id,
            lifetime,
            granted: Instant::now(),
            keys: 1,
        });
        Ok(answer.id)
    }

    /// Gives a lease out no more that etcd does not know.
    pub(super) async fn forget(&self, id: i64) {
        let mut current = self.current.lock().await;
        current.take_if(|lease| lease.id == id);
    }
}
