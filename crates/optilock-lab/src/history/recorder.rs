//! Records what goes through a client.

use std::{collections::HashMap, sync::Arc};

use http::{Request, Response, StatusCode};
use kube::{Client, client::Body};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use super::{
    Header, History, Operation, Outcome, Record, ResourceVersion, Span, Verb,
    request::{Asked, Told},
};
use crate::{
    transport::{Actor, Origin},
    workload,
};

/// Records every request for an object that goes through a client, as an operation of a [`History`].
///
/// In a run of a [`Runner`](crate::Runner) the requests of a worker are the attempts of one update. A request that is
/// dropped before its answer is recorded as unknown. Lists and watches are let through unrecorded.
///
/// ```
/// use std::sync::Arc;
/// use optilock_lab::{
///     Events, Experiment, OptilockUpdate, Runner, Setup, Target, Winners,
///     check::check,
///     history::{Clock, Header, Recorder},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock_lab::Error> {
/// let recorder = Recorder::new();
/// let target = Target::embedded().recorded(&recorder);
/// let header = Header::new(target.address(), 1, Clock::Monotonic);
/// let setup = Setup { namespace: "default".into(), name: "d".into(), workers: 5, seed: 1 };
/// let mut runner = Runner::new(target, setup, Events::channel().0);
/// let strategy = Arc::new(OptilockUpdate);
/// runner.run(&Experiment { strategy, throttle: None, winners: Winners::All }).await?;
///
/// let verdict = check(&recorder.history(header));
/// assert!(verdict.is_ok());
/// // The creation, five updates, and the deletion.
/// assert_eq!(verdict.totals.writes, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Recorder {
    books: Arc<Books>,
}

#[derive(Debug)]
struct Books {
    started: Instant,
    known: Mutex<Known>,
    /// How many requests are under way.
    open: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Known {
    records: Vec<Record>,
    /// By path.
    objects: HashMap<String, (Option<Arc<str>>, Arc<str>)>,
    /// What an actor has seen last of the object at a path.
    seen: HashMap<(Option<Actor>, String), (ResourceVersion, Option<i64>)>,
    /// Requests that belong to no worker.
    alone: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// A recorder whose clock begins now, and runs as tokio's does.
    pub fn new() -> Self {
        let books = Books {
            started: Instant::now(),
            known: Mutex::default(),
            open: watch::Sender::new(0),
        };
        Self {
            books: Arc::new(books),
        }
    }

    /// A client on the connections of this one that is recorded.
    pub fn record(&self, client: &Client) -> Client {
        let (books, server) = (self.books.clone(), client.clone());
        let service = tower::service_fn(move |request| {
            let (books, server) = (books.clone(), server.clone());
            async move { pass(&books, &server, request).await }
        });
        Client::new(service, client.default_namespace())
    }

    /// The time on its clock.
    pub(crate) fn now_ns(&self) -> u64 {
        self.books.now()
    }

    /// Resolves when no request is under way, so that the [`history`](Self::history) is whole.
    pub(crate) async fn settled(&self) {
        // The sender is in the books, which are here.
        drop(
            self.books
                .open
                .subscribe()
                .wait_for(|&open| open == 0)
                .await,
        );
    }

    /// What was recorded so far. Requests that are under way are not in it.
    pub fn history(&self, header: Header) -> History {
        History::new(header, self.books.known.lock().records.iter().cloned())
    }
}

/// The op-id of one of a worker's updates.
pub(crate) fn op_id_of(worker: usize, update: u64) -> String {
    format!("worker-{worker}-{update}")
}

/// Sends a request and writes down what came of it.
async fn pass(
    books: &Books,
    server: &Client,
    request: Request<Body>,
) -> Result<Response<Body>, kube::Error> {
    let Some(asked) = Asked::of(&request) else {
        return server.send(request).await;
    };
    let origin = request.extensions().get::<Origin>().cloned();
    let (parts, body) = request.into_parts();
    let body = body.collect_bytes().await?;
    let mut entry = Entry::begin(books, asked, origin, Told::by(&body));
    let answer = server
        .send(Request::from_parts(parts, Body::from(body)))
        .await?;
    let (parts, body) = answer.into_parts();
    let body = body.collect_bytes().await?;
    entry.answered(parts.status, Told::by(&body));
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// A request under way. It is recorded when it goes, however that comes.
struct Entry<'a> {
    books: &'a Books,
    asked: Asked,
    origin: Option<Origin>,
    sent: Told,
    invoke_ns: u64,
    answer: Option<(StatusCode, Told)>,
}

impl<'a> Entry<'a> {
    fn begin(books: &'a Books, asked: Asked, origin: Option<Origin>, sent: Told) -> Self {
        books.open.send_modify(|open| *open += 1);
        Self {
            books,
            asked,
            origin,
            sent,
            invoke_ns: books.now(),
            answer: None,
        }
    }

    fn answered(&mut self, status: StatusCode, told: Told) {
        self.answer = Some((status, told));
    }

    fn operation(&self, known: &mut Known, return_ns: u64) -> Option<Operation> {
        let Asked { verb, .. } = self.asked;
        let told = self.answer.as_ref().map(|(_, told)| told);
        let name = self
            .asked
            .name
            .as_deref()
            .or(self.sent.metadata.name.as_deref())?;
        let path = match verb {
            Verb::Create => format!("{}/{name}", self.asked.path),
            _ => self.asked.path.clone(),
        };
        let mut outcome = match &self.answer {
            None => Outcome::Unknown,
            Some((status, told)) => told.outcome(*status),
        };
        let applied = told.filter(|_| outcome == Outcome::Applied);
        // What a deletion answers is the object as it was.
        let made = applied.filter(|_| verb != Verb::Delete);
        let rv = made.and_then(Told::version);
        if made.is_some() && rv.is_none() {
            // An answer that can't be understood leaves it open what was done.
            outcome = Outcome::Unknown;
        }

        let (old_uid, old_kind) = known.objects.get(&path).cloned().unzip();
        let uid = made
            .and_then(|told| told.metadata.uid.as_deref())
            .map(Arc::from);
        let uid = uid.or_else(|| match verb {
            Verb::Create => None,
            _ => self
                .sent
                .metadata
                .uid
                .as_deref()
                .map(Arc::from)
                .or(old_uid.flatten()),
        });
        let kind = made.and_then(Told::object_kind).or(self.sent.object_kind());
        let kind = kind.map(Arc::from).or(old_kind);
        let kind = kind.unwrap_or_else(|| self.asked.resource.as_str().into());
        if uid.is_some() {
            known
                .objects
                .insert(path.clone(), (uid.clone(), kind.clone()));
        }

        let actor = self.origin.as_ref().map(|origin| origin.actor);
        let view = (actor, path);
        let seen = known.seen.get(&view).copied();
        let base = match verb {
            Verb::Update => self.sent.version().or(seen.map(|(rv, _)| rv)),
            Verb::Patch => self.sent.version(),
            _ => None,
        };
        let old = seen
            .filter(|(rv, _)| Some(*rv) == base)
            .and_then(|(_, value)| value);
        let worker = match actor {
            Some(Actor::Worker(worker)) => Some(worker),
            _ => None,
        };
        let add = match (verb, old, self.sent.value()) {
            _ if self.asked.is_subresource || self.asked.resource != workload::RESOURCE => 0,
            (Verb::Update, Some(old), Some(new)) => new.saturating_sub(old),
            (Verb::Update, _, None) => 0,
            // What a patch of somebody else's changes can't be told.
            (Verb::Patch, ..) if worker.is_none() => 0,
            _ => 1,
        };
        let value = match made {
            Some(told) => told.value(),
            // A patch says only a part of the object.
            None if verb == Verb::Patch => None,
            None => self.sent.value(),
        };
        if let Some(rv) = rv {
            known.seen.insert(view, (rv, value));
        }
        let op_id = match (&self.origin, worker, base) {
            // Whatever else a worker writes is not its update.
            _ if self.asked.resource != workload::RESOURCE => known.alone(),
            (Some(origin), Some(worker), _) => op_id_of(worker, origin.update),
            // Attempts at one write of what the workers share start from one version.
            (
                Some(Origin {
                    actor: Actor::Shared,
                    ..
                }),
                _,
                Some(base),
            ) => {
                format!("shared-{}-{base}", self.asked.path)
            }
            _ => known.alone(),
        };
        Some(Operation {
            op_id: op_id.into(),
            worker: worker.and_then(|worker| u32::try_from(worker).ok()),
            uid,
            verb,
            kind,
            name: name.into(),
            base,
            invoke_ns: self.invoke_ns,
            return_ns: Some(return_ns),
            outcome,
            rv,
            value,
            add,
            cached: self.asked.cached,
            spans: self.spans(return_ns),
        })
    }
}

impl Entry<'_> {
    /// What lay between this request and the one before, and the request itself.
    fn spans(&self, return_ns: u64) -> Vec<Span> {
        let Some(origin) = &self.origin else {
            return Vec::new();
        };
        let before = origin.spells.iter().filter_map(|spell| {
            Some(Span {
                what: spell.activity.span()?.into(),
                start_ns: self.books.at(spell.start),
                end_ns: self.books.at(spell.end),
            })
        });
        let server = Span {
            what: "server".into(),
            start_ns: self.invoke_ns,
            end_ns: return_ns,
        };
        before.chain([server]).collect()
    }
}

impl Known {
    /// The op-id of a request that is no attempt of an update.
    fn alone(&mut self) -> String {
        self.alone += 1;
        format!("run-{}", self.alone)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let returned = self.books.now();
        let mut known = self.books.known.lock();
        if let Some(operation) = self.operation(&mut known, returned) {
            known.records.push(Record::Operation(operation));
        }
        drop(known);
        self.books.open.send_modify(|open| *open -= 1);
    }
}

impl Books {
    fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    fn at(&self, instant: Instant) -> u64 {
        let passed = instant.saturating_duration_since(self.started);
        u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
    }
}
