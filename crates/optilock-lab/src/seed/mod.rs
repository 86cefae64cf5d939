//! The seed's experiments: a few workers add one to a counter in the same object at the same time.

mod foreign;
mod outcome;
mod settle;

use std::{collections::HashSet, sync::Arc};

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::task::JoinSet;

pub use outcome::{Outcome, Winners};

use crate::{
    Error, EventKind, Events, Rate, Strategy, Target, TokenBucket, Update, Worker,
    cleanup::Cleanup,
    crew::Crew,
    transport::{Activity, Actor, FirstRound, Ledger, instrument},
    worker::version,
    workload::{self, Change},
};

/// How often an experiment that a foreign write has spoilt is done at most.
const MAX_TRIES: u32 = 3;

/// What a run's user needs to be allowed.
const VERBS: &[&str] = &["create", "get", "update", "watch", "delete"];

/// What is the same for all experiments of a session.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The namespace of the object, which must exist.
    pub namespace: String,
    /// The name of the object, which must not.
    pub name: String,
    /// How many workers update it.
    pub workers: usize,
    /// Decides in which order the workers start.
    pub seed: u64,
}

/// One experiment.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// How the workers get their update in.
    pub strategy: Arc<dyn Strategy>,
    /// The client-side throttle that they share.
    pub throttle: Option<Rate>,
    /// How many of them are meant to.
    pub winners: Winners,
}

/// Runs experiments on a target, one after the other.
#[derive(Debug)]
pub struct Runner {
    target: Target,
    setup: Setup,
    events: Events,
    cleanup: Cleanup<Deployment>,
    controlled: Option<bool>,
    rng: StdRng,
}

impl Runner {
    /// A runner for a target. Nothing is sent yet.
    pub fn new(target: Target, setup: Setup, events: Events) -> Self {
        let mut rng = StdRng::seed_from_u64(setup.seed);
        let run_id = format!("{:016x}", rng.random::<u64>());
        let cleanup = Cleanup::new(&target, &setup.namespace, &setup.name, &run_id);
        Self {
            controlled: target.has_controllers(),
            target,
            setup,
            events,
            cleanup,
            rng,
        }
    }

    /// Asks the server whether the user may do what the experiments do.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where not; [`Error::Server`] where the question can't be asked.
    pub async fn check_rights(&self) -> Result<(), Error> {
        self.target.require(&self.setup.namespace, VERBS).await
    }

    /// Runs one experiment: creates the object, lets the workers update it, reads the counter, deletes the object. Where
    /// somebody else's writes have spoilt it, it is done again, three times at most.
    ///
    /// Dropping the future leaves the object behind, to be deleted by [`clean_up`](Self::clean_up).
    ///
    /// # Errors
    /// [`Error`] where there is no outcome. What was created is deleted then too.
    pub async fn run(&mut self, experiment: &Experiment) -> Result<Outcome, Error> {
        for attempt in 1.. {
            let outcome = self.try_once(experiment).await;
            let cleaned = self.clean_up().await;
            let outcome = Error::and_cleaned(outcome, cleaned)?;
            if outcome.foreign_versions > 0 {
                self.events.emit(EventKind::ForeignWrite {
                    writers: outcome.foreign_writers.clone(),
                });
            }
            if outcome.is_expected() || outcome.foreign_versions == 0 || attempt >= MAX_TRIES {
                return Ok(outcome);
            }
            self.events.emit(EventKind::Repeating {
                attempt: attempt + 1,
                of: MAX_TRIES,
            });
        }
        unreachable!("the loop ends by returning")
    }

    /// Deletes what a run has created, if it is still there.
    ///
    /// # Errors
    /// [`CleanupError`](crate::CleanupError) names what may be left.
    pub async fn clean_up(&self) -> Result<(), crate::CleanupError> {
        self.cleanup.delete().await
    }

    async fn try_once(&mut self, experiment: &Experiment) -> Result<Outcome, Error> {
        let workers = self.setup.workers;
        self.events.emit(EventKind::Started {
            strategy: experiment.strategy.id(),
            throttle: experiment.throttle,
            workers,
        });
        let ledger = Ledger::open();
        let bucket = experiment.throttle.map(TokenBucket::new).map(Arc::new);
        let probe = ledger.probe(Actor::Run);
        let client = instrument(self.target.client(), bucket.clone(), &probe, None);
        let api: Api<Deployment> = Api::namespaced(client.clone(), &self.setup.namespace);

        self.events.emit(EventKind::Creating);
        let created = self.cleanup.create(&client, workload::deployment).await?;
        self.events.emit(EventKind::Created {
            name: self.setup.name.clone(),
        });
        let base = self.settle(created).await?;
        if let Some(bucket) = &bucket {
            bucket.skip_idle_time();
        }

        let crowd = self.crowd(&ledger, bucket.as_ref());
        probe.enter(Activity::Idle);
        ledger.start();
        self.events.emit(EventKind::WorkersStarted { workers });
        let updates = race(&experiment.strategy, crowd, &self.events).await?;

        probe.enter(Activity::Working);
        let end = api
            .get(&self.setup.name)
            .await
            .map_err(|error| self.target.failed(error))?;
        let account = ledger.account();
        let final_value = workload::count(&end)?;
        self.events.emit(EventKind::Finished {
            value: final_value,
            took: account.took,
        });

        let foreign_versions = foreign_versions(&base, &updates, &end);
        let foreign_writers = match foreign_versions {
            0 => Vec::new(),
            _ => foreign::writers(&base, &end),
        };
        Ok(Outcome {
            strategy: experiment.strategy.id(),
            throttle: experiment.throttle,
            workers,
            winners: experiment.winners,
            final_value,
            succeeded: updates.len(),
            conflicts: account.requests.conflicts,
            requests: account.requests.total(),
            took: account.took,
            shares: account.shares,
            foreign_versions,
            foreign_writers,
        })
    }

    /// Leaves the object alone until controllers have done with it.
    async fn settle(&mut self, created: Deployment) -> Result<Deployment, Error> {
        if self.target.has_controllers() == Some(false) {
            return Ok(created);
        }
        self.events.emit(EventKind::Settling);
        let api = Api::namespaced(self.target.client().clone(), &self.setup.namespace);
        let settled = settle::settle(&self.target, &api, created, self.controlled).await?;
        self.controlled.get_or_insert(settled.controlled);
        let resource_version = version(&settled.object);
        self.events.emit(if settled.at_rest {
            EventKind::Settled { resource_version }
        } else {
            EventKind::StillBusy { resource_version }
        });
        Ok(settled.object)
    }

    /// The workers, in the order in which they start.
    fn crowd(&mut self, ledger: &Arc<Ledger>, bucket: Option<&Arc<TokenBucket>>) -> Vec<Member> {
        let round = FirstRound::new(self.setup.workers);
        let crew = Crew::new(
            self.target.client(),
            &self.setup.namespace,
            bucket.cloned(),
            ledger,
            Change::Counter,
        );
        let shared = crew.object(&self.setup.name);
        let mut crowd: Vec<_> = (0..self.setup.workers)
            .map(|index| {
                let ticket = round.ticket();
                let seat = crew.seat(index, self.rng.random(), Some(ticket));
                Member {
                    worker: seat.worker(&shared, 0, self.events.clone()),
                }
            })
            .collect();
        crowd.shuffle(&mut self.rng);
        crowd
    }
}

/// A worker with what it needs around it.
#[derive(Debug)]
struct Member {
    worker: Worker,
}

/// Lets all workers update at the same time; the updates that were accepted.
async fn race(
    strategy: &Arc<dyn Strategy>,
    crowd: Vec<Member>,
    events: &Events,
) -> Result<Vec<Update>, Error> {
    let mut tasks = JoinSet::new();
    for member in crowd {
        let (strategy, events) = (strategy.clone(), events.clone());
        tasks.spawn(async move { member.take_part(&*strategy, &events).await });
    }
    let mut updates = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        updates.extend(ended.map_err(Error::Worker)?);
    }
    Ok(updates)
}

impl Member {
    async fn take_part(self, strategy: &dyn Strategy, events: &Events) -> Option<Update> {
        // The others wait for this worker's read only as long as it lives.
        let Self { worker } = &self;
        let _arrival = worker
            .ticket
            .as_ref()
            .map(|ticket| ticket.arrive_when_dropped());
        let index = worker.index;
        worker.probe.enter(Activity::Working);
        let updated = strategy.update(worker).await;
        worker.probe.enter(Activity::Idle);
        match updated {
            Ok(update) => {
                events.emit(EventKind::Written {
                    worker: index,
                    update: update.clone(),
                });
                events.emit(EventKind::Succeeded { worker: index });
                Some(update)
            }
            Err(error) => {
                events.emit(EventKind::Failed {
                    worker: index,
                    error: error.to_string(),
                });
                None
            }
        }
    }
}

/// How many versions the workers have met that none of them made.
fn foreign_versions(base: &Deployment, updates: &[Update], end: &Deployment) -> usize {
    let made: HashSet<_> = updates
        .iter()
        .map(|update| update.new.clone())
        .chain([version(base)])
        .collect();
    let met: HashSet<_> = updates
        .iter()
        .map(|update| update.old.clone())
        .chain([version(end)])
        .collect();
    met.difference(&made).count()
}
