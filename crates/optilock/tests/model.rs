//! The protocol that docs/guarantees.md describes, as a model whose every course is looked at: two writers who
//! change the same object, each once, while answers get lost, requests come late or twice, the annotation
//! overflows or is dropped, the object is deleted and made anew, and history is thrown away.
//!
//! The protocol is checked as it is, and with each of its steps left out: then the model finds what that step
//! is there for.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

use stateright::{Checker, Model, Property};

/// How many op-ids the object remembers: one writer pushes the other's out.
const RING: usize = 1;
/// How often a writer reads and computes before it gives up.
const ATTEMPTS: u8 = 2;
/// How many copies of writes can be under way.
const COPIES: usize = 3;
/// How many things go wrong besides lost answers and late requests, which are free.
const TROUBLES: u8 = 2;

type Op = u8;

/// A step that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// The closure is called again while a write is in doubt.
    CallsAgain,
    /// An answer to a request that was sent more than once is taken for one to the last sending.
    TrustsRepeatedAnswers,
    /// A conflict of the write that is sent again is taken for somebody else's.
    TrustsConflicts,
    /// An object that is still at the base is taken for proof that nothing comes any more.
    TrustsTheBase,
    /// An op-id that isn't in the object is taken for proof that the write isn't.
    TrustsAbsence,
    /// The newest change is looked at instead of the first one after the base.
    LooksAtTheNewest,
    /// Without history, a guess.
    Guesses,
    /// Writes carry no op-id.
    NoOpId,
    /// Writes insist on no version.
    NoVersion,
    /// Writes insist on no uid, and the server creates what isn't there.
    NoUid,
}

/// The protocol, or what is left of it.
struct Protocol(Option<Flaw>);

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct State {
    server: Server,
    /// What is under way. It may arrive in any order, or never.
    copies: Vec<Copy>,
    writers: [Writer; 2],
    /// How many things have gone wrong.
    troubles: u8,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Server {
    object: Option<Object>,
    version: u8,
    uids: u8,
    /// Every change, by version from 1.
    log: Vec<Change>,
    /// Changes up to this version can't be asked for.
    compacted: u8,
    /// How often each writer's change was carried out.
    applied: [u8; 2],
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Object {
    uid: u8,
    version: u8,
    ring: Vec<Op>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
enum Change {
    Written(Vec<Op>),
    Deleted,
}

/// A write.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
struct Put {
    op: Op,
    uid: u8,
    base: u8,
    ring: Vec<Op>,
}

/// A write that is under way, and whether its writer waits for the answer to this sending.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
struct Copy {
    put: Put,
    awaited: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Writer {
    attempts: u8,
    phase: Phase,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
enum Phase {
    /// About to read, and to call the closure.
    Begin,
    /// Waits for the answer to what it has computed.
    Sent {
        put: Put,
        repeated: bool,
    },
    /// Doesn't know what became of the write.
    InDoubt(Put),
    /// Has sent it again, and waits.
    Resent(Put),
    /// Is about to look at the object.
    Look(Put),
    /// Is about to look at its history.
    History(Put),
    Told(Told),
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Told {
    Applied,
    NotApplied,
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    /// The writer takes its next step.
    Step(usize),
    /// The writer waits no longer.
    TimeOut(usize),
    /// A layer below the writer sends the request again.
    Repeat(usize),
    /// A copy arrives; it may stay under way, to arrive again.
    Arrive {
        copy: usize,
        again: bool,
    },
    /// Somebody else writes the object, and drops the annotation.
    Drop,
    Delete,
    Recreate,
    Compact,
}

impl Server {
    fn write(&mut self, uid: u8, ring: Vec<Op>) {
        self.version += 1;
        self.log.push(Change::Written(ring.clone()));
        self.object = Some(Object {
            uid,
            version: self.version,
            ring,
        });
    }

    /// Whether the write is carried out.
    fn put(&mut self, put: &Put, flaw: Option<Flaw>) -> bool {
        let uid = match &self.object {
            Some(object) => {
                let same = object.uid == put.uid || flaw == Some(Flaw::NoUid);
                let current = object.version == put.base || flaw == Some(Flaw::NoVersion);
                (same && current).then_some(object.uid)
            }
            // A kind that is created by an update.
            None => (flaw == Some(Flaw::NoUid)).then(|| {
                self.uids += 1;
                self.uids
            }),
        };
        if let Some(uid) = uid {
            self.write(uid, put.ring.clone());
            self.applied[usize::from(put.op)] += 1;
        }
        uid.is_some()
    }
}

impl State {
    fn send(&mut self, put: Put) {
        self.copies.push(Copy { put, awaited: true });
    }

    /// The writer waits for no answer any more.
    fn forsake(&mut self, op: Op) {
        let own = self.copies.iter_mut().filter(|copy| copy.put.op == op);
        own.for_each(|copy| copy.awaited = false);
    }
}

impl Protocol {
    /// Leaves out what can make no difference any more, so that the same isn't looked at twice.
    fn tidy(&self, state: &mut State) {
        if !self.has(Flaw::NoVersion) && !self.has(Flaw::NoUid) {
            let object = state.server.object.as_ref();
            let current = object.map(|object| (object.uid, object.version));
            let can_land = |put: &Put| current == Some((put.uid, put.base));
            state
                .copies
                .retain(|copy| copy.awaited || can_land(&copy.put));
        }
        state.copies.sort();
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.0 == Some(flaw)
    }

    /// Reads the object and computes the change, unless the change is in it already.
    fn begin(&self, state: &mut State, w: usize) {
        let op = Op::try_from(w).unwrap();
        let phase = match &state.server.object {
            _ if state.writers[w].attempts == ATTEMPTS => Phase::Told(Told::NotApplied),
            None => Phase::Told(Told::NotApplied),
            Some(object) if object.ring.contains(&op) => Phase::Told(Told::Applied),
            Some(object) => {
                let mut ring = object.ring.clone();
                if !self.has(Flaw::NoOpId) {
                    ring.push(op);
                    ring.drain(..ring.len().saturating_sub(RING));
                }
                Phase::Sent {
                    put: Put {
                        op,
                        uid: object.uid,
                        base: object.version,
                        ring,
                    },
                    repeated: false,
                }
            }
        };
        state.writers[w].attempts += 1;
        if let Phase::Sent { put, .. } = &phase {
            state.send(put.clone());
        }
        state.writers[w].phase = phase;
    }

    fn look(&self, server: &Server, put: Put) -> Phase {
        match &server.object {
            Some(object) if object.uid == put.uid && object.ring.contains(&put.op) => {
                Phase::Told(Told::Applied)
            }
            Some(object) if object.uid == put.uid && object.version == put.base => {
                if self.has(Flaw::TrustsTheBase) {
                    Phase::Told(Told::NotApplied)
                } else {
                    Phase::InDoubt(put)
                }
            }
            _ if self.has(Flaw::TrustsAbsence) => Phase::Begin,
            _ => Phase::History(put),
        }
    }

    fn history(&self, server: &Server, put: &Put) -> Phase {
        if put.base < server.compacted {
            return match self.has(Flaw::Guesses) {
                true => Phase::Begin,
                false => Phase::Told(Told::Unknown),
            };
        }
        let first = if self.has(Flaw::LooksAtTheNewest) {
            server.log.last()
        } else {
            server.log.get(usize::from(put.base))
        };
        match first.unwrap() {
            Change::Written(ring) if ring.contains(&put.op) => Phase::Told(Told::Applied),
            _ => Phase::Begin,
        }
    }

    /// What the writer makes of an answer.
    fn answered(&self, phase: &Phase, applied: bool) -> Phase {
        match phase {
            Phase::Sent { .. } | Phase::Resent(_) if applied => Phase::Told(Told::Applied),
            Phase::Sent {
                put,
                repeated: true,
            } if !self.has(Flaw::TrustsRepeatedAnswers) => self.doubt(put.clone()),
            Phase::Sent { .. } => Phase::Begin,
            Phase::Resent(_) if self.has(Flaw::TrustsConflicts) => Phase::Begin,
            Phase::Resent(put) => Phase::Look(put.clone()),
            other => other.clone(),
        }
    }

    fn doubt(&self, put: Put) -> Phase {
        if self.has(Flaw::CallsAgain) {
            Phase::Begin
        } else {
            Phase::InDoubt(put)
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut server = Server {
            object: None,
            version: 0,
            uids: 1,
            log: Vec::new(),
            compacted: 0,
            applied: [0, 0],
        };
        server.write(1, Vec::new());
        let writer = Writer {
            attempts: 0,
            phase: Phase::Begin,
        };
        vec![State {
            server,
            copies: Vec::new(),
            writers: [writer.clone(), writer],
            troubles: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let trouble = state.troubles < TROUBLES;
        let room = state.copies.len() < COPIES;
        for (w, writer) in state.writers.iter().enumerate() {
            match &writer.phase {
                Phase::Begin | Phase::InDoubt(_) if room => actions.push(Action::Step(w)),
                Phase::Look(_) | Phase::History(_) => actions.push(Action::Step(w)),
                Phase::Sent { .. } | Phase::Resent(_) => actions.push(Action::TimeOut(w)),
                _ => {}
            }
            if matches!(writer.phase, Phase::Sent { .. }) && trouble && room {
                actions.push(Action::Repeat(w));
            }
        }
        for copy in 0..state.copies.len() {
            actions.push(Action::Arrive { copy, again: false });
            if trouble {
                actions.push(Action::Arrive { copy, again: true });
            }
        }
        let exists = state.server.object.is_some();
        if trouble {
            actions.push(Action::Compact);
        }
        if trouble && exists {
            actions.extend([Action::Drop, Action::Delete]);
        }
        if !exists {
            actions.push(Action::Recreate);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Step(w) => match last.writers[w].phase.clone() {
                Phase::Begin => self.begin(&mut state, w),
                Phase::InDoubt(put) => {
                    state.send(put.clone());
                    state.writers[w].phase = Phase::Resent(put);
                }
                Phase::Look(put) => state.writers[w].phase = self.look(&state.server, put),
                Phase::History(put) => state.writers[w].phase = self.history(&state.server, &put),
                _ => return None,
            },
            Action::TimeOut(w) => {
                let (put, phase) = match &last.writers[w].phase {
                    Phase::Sent { put, .. } => (put, self.doubt(put.clone())),
                    Phase::Resent(put) => (put, Phase::Look(put.clone())),
                    _ => return None,
                };
                state.forsake(put.op);
                state.writers[w].phase = phase;
            }
            Action::Repeat(w) => {
                let Phase::Sent { put, repeated } = &mut state.writers[w].phase else {
                    return None;
                };
                *repeated = true;
                let put = put.clone();
                state.troubles += 1;
                // The layer waits for the answer to its last sending.
                state.forsake(put.op);
                state.send(put);
            }
            Action::Arrive { copy, again } => {
                let Copy { put, awaited } = state.copies.remove(copy);
                if again {
                    state.troubles += 1;
                    let put = put.clone();
                    let awaited = false;
                    state.copies.push(Copy { put, awaited });
                }
                let applied = state.server.put(&put, self.0);
                if awaited {
                    state.forsake(put.op);
                    let writer = &mut state.writers[usize::from(put.op)];
                    writer.phase = self.answered(&writer.phase, applied);
                }
            }
            Action::Drop => {
                state.troubles += 1;
                let uid = last.server.object.as_ref()?.uid;
                state.server.write(uid, Vec::new());
            }
            Action::Delete => {
                state.troubles += 1;
                state.server.version += 1;
                state.server.log.push(Change::Deleted);
                state.server.object = None;
            }
            Action::Recreate => {
                state.server.uids += 1;
                let uid = state.server.uids;
                state.server.write(uid, Vec::new());
            }
            Action::Compact => {
                state.troubles += 1;
                state.server.compacted = last.server.version;
            }
        }
        self.tidy(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn told(state: &State) -> impl Iterator<Item = (Told, u8)> {
            let told = state.writers.iter().zip(state.server.applied);
            told.filter_map(|(writer, applied)| match writer.phase {
                Phase::Told(told) => Some((told, applied)),
                _ => None,
            })
        }
        vec![
            Property::always(NEVER_TWICE, |_, state: &State| {
                state.server.applied.iter().all(|applied| *applied <= 1)
            }),
            // It stays so: a write that arrives after its writer was told is another state.
            Property::always(NEVER_TOLD_WRONG, |_, state: &State| {
                told(state).all(|(told, applied)| match told {
                    Told::Applied => applied > 0,
                    Told::NotApplied => applied == 0,
                    Told::Unknown => true,
                })
            }),
            // The model can do what it is about.
            Property::sometimes("both are applied", |_, state: &State| {
                told(state)
                    .filter(|told| *told == (Told::Applied, 1))
                    .count()
                    == 2
            }),
            Property::sometimes("unknown, and applied", |_, state: &State| {
                told(state).any(|told| told == (Told::Unknown, 1))
            }),
            Property::sometimes("unknown, and not applied", |_, state: &State| {
                told(state).any(|told| told == (Told::Unknown, 0))
            }),
        ]
    }
}

const NEVER_TWICE: &str = "never twice";
const NEVER_TOLD_WRONG: &str = "never told wrong";

#[test]
fn the_protocol_is_right() {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let checker = Protocol(None).checker().threads(threads).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// The model finds a course that breaks one of the two promises.
fn breaks(flaw: Flaw) {
    let found = |name: &'static str| {
        let checker = Protocol(Some(flaw)).checker();
        let checker = checker
            .finish_when(stateright::HasDiscoveries::AnyFailures)
            .spawn_bfs()
            .join();
        checker.discovery(name).map(|path| path.into_actions())
    };
    let course = found(NEVER_TWICE).or_else(|| found(NEVER_TOLD_WRONG));
    let course = course.unwrap_or_else(|| panic!("the model doesn't see {flaw:?}"));
    println!("{flaw:?}: {course:?}");
}

#[test]
fn calling_again_while_in_doubt_is_found() {
    breaks(Flaw::CallsAgain);
}

#[test]
fn trusting_an_answer_to_a_repeated_request_is_found() {
    breaks(Flaw::TrustsRepeatedAnswers);
}

#[test]
fn trusting_a_conflict_of_a_resent_write_is_found() {
    breaks(Flaw::TrustsConflicts);
}

#[test]
fn trusting_the_base_is_found() {
    breaks(Flaw::TrustsTheBase);
}

#[test]
fn trusting_the_absence_of_the_op_id_is_found() {
    breaks(Flaw::TrustsAbsence);
}

#[test]
fn looking_at_the_newest_change_is_found() {
    breaks(Flaw::LooksAtTheNewest);
}

#[test]
fn guessing_without_history_is_found() {
    breaks(Flaw::Guesses);
}

#[test]
fn leaving_out_the_op_id_is_found() {
    breaks(Flaw::NoOpId);
}

#[test]
fn leaving_out_the_version_is_found() {
    breaks(Flaw::NoVersion);
}

#[test]
fn leaving_out_the_uid_is_found() {
    breaks(Flaw::NoUid);
}
