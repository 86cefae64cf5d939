//! A simulated API server, its workers and its watchers: one thread, virtual time, a seed, and a bug if one is
//! planted.

// Every test binary uses a part of it; a test fails by panicking.
#![allow(dead_code, clippy::unwrap_used)]

mod server;
mod watcher;

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use optilock_lab::history::{
    Clock, Header, History, Operation, Outcome, Record, ResourceVersion, Verb,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use server::{Refusal, Reply, Request, Server};
use watcher::Watcher;

/// What can be wrong with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A write is accepted whatever its base.
    IgnoredResourceVersion,
    /// A write is acknowledged, and gone after a crash.
    AcknowledgedBeforeDurable,
    /// A watch leaves an event out.
    EventDropped,
    /// A watch tells two events in the wrong order.
    EventsReordered,
    /// A watch tells an event twice.
    EventDoubled,
    /// A write is carried out twice.
    AppliedTwice,
    /// A GET is answered an older version.
    StaleGet,
    /// A write is given a version below its base.
    VersionBack,
    /// A write is refused though its base is the current version.
    SpuriousConflict,
}

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) objects: usize,
    pub(crate) workers: u32,
    /// Of each worker.
    pub(crate) updates: u32,
    /// How many requests or answers of a hundred are lost or late.
    pub(crate) faults: u32,
    /// Somebody writes the objects without being recorded, and leaves the counter alone.
    pub(crate) foreign: bool,
    pub(crate) watchers: bool,
    pub(crate) bug: Option<Bug>,
}

impl Plan {
    /// A run as the tests have it, different for each seed.
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        Self {
            seed,
            objects: rng.random_range(1..=3),
            workers: rng.random_range(2..=8),
            updates: rng.random_range(8..=16),
            faults: rng.random_range(0..=20),
            foreign: rng.random(),
            watchers: true,
            bug,
        }
    }

    /// Runs it: the history, and how often the bug has struck.
    pub(crate) fn run(self) -> (History, u64) {
        let (history, server) = World::new(self).run();
        (history, server.struck)
    }

    /// Runs it with [`Bug::SpuriousConflict`]: the history, and for each refusal why a correct server could have answered
    /// it too, if one could.
    pub(crate) fn refusals(self) -> (History, Vec<Option<Excuse>>) {
        let (history, server) = World::new(self).run();
        let excuses = server.refusals.iter();
        let excuses = excuses.map(|refusal| Excuse::of(refusal, &server, &history));
        let excuses = excuses.collect();
        (history, excuses)
    }
}

/// Why a refusal doesn't show that its server is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Excuse {
    /// Before the refusal was there, another write had been carried out.
    Overtaken,
    /// Before the refusal was there, the write that came next had been sent.
    UnderWay,
    /// The write that came next is in nobody's records, so that it may have come before.
    Unrecorded,
    /// The answer to the write that came next was lost: the checker goes by acknowledged writes.
    AnswerLost,
}

impl Excuse {
    fn of(refusal: &Refusal, server: &Server, history: &History) -> Option<Self> {
        let operations = || {
            let records = history.records.iter();
            records.filter_map(|numbered| match &numbered.record {
                Record::Operation(operation) => Some(operation),
                _ => None,
            })
        };
        let refused = operations().find(|op| {
            let is_then = op.invoke_ns <= refusal.at_ns && op.return_ns >= Some(refusal.at_ns);
            op.outcome == Outcome::Conflict && op.op_id == refusal.op_id && is_then
        });
        let returned = refused.unwrap().return_ns.unwrap();
        let next = server.after(refusal.object, refusal.base)?;
        if next.made_ns < returned {
            return Some(Self::Overtaken);
        }
        let Some(author) = &next.op_id else {
            return Some(Self::Unrecorded);
        };
        let writes = || operations().filter(|op| op.is_write() && op.op_id == *author);
        let base = Some(ResourceVersion(refusal.base));
        if writes().any(|op| op.base == base && op.invoke_ns <= returned) {
            return Some(Self::UnderWay);
        }
        let acknowledged = writes().any(|op| op.base == base && op.outcome == Outcome::Applied);
        (!acknowledged).then_some(Self::AnswerLost)
    }
}

/// Something that happens at an instant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Ask(u32),
    /// With the worker whom the answer reaches, if it reaches anybody.
    Serve(Request, Option<u32>),
    Answer(u32, Option<Reply>),
    Foreign,
    Watch(usize),
}

/// What a worker is at.
#[derive(Debug)]
struct Worker {
    object: usize,
    /// The number of its update.
    update: u32,
    request: Request,
    invoke_ns: u64,
}

struct World {
    plan: Plan,
    rng: StdRng,
    now: u64,
    steps: BinaryHeap<Reverse<(u64, u64, Step)>>,
    scheduled: u64,
    server: Server,
    workers: Vec<Worker>,
    watchers: Vec<Watcher>,
    records: Vec<Record>,
}

impl World {
    fn new(plan: Plan) -> Self {
        let mut world = Self {
            plan,
            rng: StdRng::seed_from_u64(plan.seed),
            now: 0,
            steps: BinaryHeap::new(),
            scheduled: 0,
            server: Server::new(plan.objects, plan.bug),
            workers: Vec::new(),
            watchers: Vec::new(),
            records: Vec::new(),
        };
        for worker in 0..plan.workers {
            let object = world.rng.random_range(0..plan.objects);
            world.workers.push(Worker {
                object,
                update: 0,
                request: Request::Get { object },
                invoke_ns: 0,
            });
            world.later(1000, Step::Ask(worker));
        }
        if plan.foreign {
            world.later(1000, Step::Foreign);
        }
        if plan.watchers {
            let everything = Watcher::open(0, None, &world.server, &mut world.records);
            let one = Watcher::open(1, Some(0), &world.server, &mut world.records);
            world.watchers = vec![everything, one];
            world.later(1000, Step::Watch(0));
            world.later(1000, Step::Watch(1));
        }
        world
    }

    fn later(&mut self, at_most: u64, step: Step) {
        let at = self.now + self.rng.random_range(1..=at_most);
        self.scheduled += 1;
        self.steps.push(Reverse((at, self.scheduled, step)));
    }

    fn run(mut self) -> (History, Server) {
        while let Some(Reverse((at, _, step))) = self.steps.pop() {
            self.now = at;
            self.server.now = at;
            match step {
                Step::Ask(worker) => self.ask(worker),
                Step::Serve(request, asker) => {
                    let delivered = asker.is_some();
                    let reply = self.server.serve(&request, delivered, &mut self.rng);
                    if let Some(worker) = asker {
                        self.later(1000, Step::Answer(worker, Some(reply)));
                    }
                }
                Step::Answer(worker, reply) => self.answered(worker, reply),
                Step::Foreign => {
                    let object = self.rng.random_range(0..self.plan.objects);
                    self.server.foreign_write(object);
                    if self.busy() {
                        self.later(5000, Step::Foreign);
                    }
                }
                Step::Watch(watcher) => {
                    let (server, rng) = (&mut self.server, &mut self.rng);
                    self.watchers[watcher].advance(server, rng, &mut self.records);
                    if self.busy() {
                        self.later(1500, Step::Watch(watcher));
                    }
                }
            }
        }
        self.finish()
    }

    /// Whether a worker still has something to do, or a request is still on its way.
    fn busy(&self) -> bool {
        let of_workers = |Reverse((_, _, step)): &Reverse<(u64, u64, Step)>| {
            !matches!(step, Step::Foreign | Step::Watch(_))
        };
        self.steps.iter().any(of_workers)
    }

    fn ask(&mut self, index: u32) {
        let request = self.workers[index as usize].request.clone();
        self.workers[index as usize].invoke_ns = self.now;
        let faulty = self.rng.random_range(0..100) < self.plan.faults;
        match (faulty, self.rng.random_range(0..3)) {
            (false, _) => self.later(1000, Step::Serve(request, Some(index))),
            (true, fate) => {
                // The request is lost, or the answer, or the client gives up before it is served.
                if fate > 0 {
                    let within = if fate == 1 { 500 } else { 20_000 };
                    self.later(within, Step::Serve(request, None));
                }
                self.later(3000, Step::Answer(index, None));
            }
        }
    }

    /// A worker has its answer, or has given up waiting for it.
    fn answered(&mut self, index: u32, reply: Option<Reply>) {
        let worker = &self.workers[index as usize];
        let op_id = format!("w{index}-{}", worker.update);
        let (request, invoke_ns) = (worker.request.clone(), worker.invoke_ns);
        self.record(Some(index), &request, invoke_ns, &op_id, reply);
        let worker = &mut self.workers[index as usize];
        let object = worker.object;
        let done = match (&worker.request, reply) {
            (Request::Get { .. }, Some(Reply::Object { rv, value })) => {
                worker.request = Request::Put {
                    object,
                    base: rv,
                    value: value + 1,
                    op_id: format!("w{index}-{}", worker.update).into(),
                };
                false
            }
            (Request::Get { .. }, _) => false,
            (Request::Put { op_id, .. }, Some(Reply::Conflict)) => {
                // As optilock does, it finds out whether the conflict is one with itself.
                let own = self.server.was_made_by(object, op_id);
                worker.request = Request::Get { object };
                own
            }
            (Request::Put { .. }, Some(Reply::Object { .. })) => true,
            // The identical write again, or none any more.
            (Request::Put { .. }, None) => self.rng.random_bool(0.3),
        };
        if done {
            worker.update += 1;
            if worker.update == self.plan.updates {
                return;
            }
            worker.object = self.rng.random_range(0..self.plan.objects);
            worker.request = Request::Get {
                object: worker.object,
            };
        }
        self.later(1500, Step::Ask(index));
    }

    fn record(
        &mut self,
        worker: Option<u32>,
        request: &Request,
        invoke_ns: u64,
        op_id: &str,
        reply: Option<Reply>,
    ) {
        let (verb, object, base, wanted) = match *request {
            Request::Get { object } => (Verb::Get, object, None, None),
            Request::Put {
                object,
                base,
                value,
                ..
            } => (Verb::Update, object, Some(base), Some(value)),
        };
        let (outcome, rv, value) = match reply {
            None => (Outcome::Unknown, None, wanted),
            Some(Reply::Conflict) => (Outcome::Conflict, None, wanted),
            Some(Reply::Object { rv, value }) => (Outcome::Applied, Some(rv), Some(value)),
        };
        self.records.push(Record::Operation(Operation {
            op_id: op_id.into(),
            worker,
            uid: Some(uid(object)),
            verb,
            kind: "Deployment".into(),
            name: format!("d-{object}").into(),
            base: base.map(ResourceVersion),
            invoke_ns,
            return_ns: Some(self.now),
            outcome,
            rv: rv.map(ResourceVersion),
            value,
            add: 1,
            cached: false,
            spans: Vec::new(),
        }));
    }

    /// Reads every object once more, and waits for the watchers.
    fn finish(mut self) -> (History, Server) {
        self.server.bug = self.server.bug.filter(|bug| *bug != Bug::StaleGet);
        for object in 0..self.plan.objects {
            let request = Request::Get { object };
            let invoke_ns = self.now + 1;
            self.now += 2;
            let reply = self.server.serve(&request, true, &mut self.rng);
            self.record(None, &request, invoke_ns, "end", Some(reply));
        }
        for watcher in &mut self.watchers {
            watcher.finish(&mut self.server, &mut self.rng, &mut self.records);
        }
        let header = Header::new("(simulated)", self.plan.seed, Clock::Virtual);
        (History::new(header, self.records), self.server)
    }
}

fn uid(object: usize) -> Arc<str> {
    format!("uid-{object}").into()
}
