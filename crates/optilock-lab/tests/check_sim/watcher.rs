//! Somebody who watches the server, is interrupted, and resumes.

use optilock_lab::history::{Record, ResourceVersion, WatchEvent, WatchType};
use rand::{Rng, rngs::StdRng};

use super::{
    Bug,
    server::{Server, Version},
    uid,
};

#[derive(Debug)]
pub(super) struct Watcher {
    watch: u32,
    object: Option<usize>,
    /// What of the log it has been told.
    position: usize,
    /// Up to which version it knows everything.
    known: u64,
}

impl Watcher {
    pub(super) fn open(
        watch: u32,
        object: Option<usize>,
        server: &Server,
        records: &mut Vec<Record>,
    ) -> Self {
        let watcher = Self {
            watch,
            object,
            position: server.log.len(),
            known: server.revision,
        };
        records.push(watcher.mark(WatchType::Opened));
        watcher
    }

    /// Is told a few events, perhaps a bookmark, and perhaps is cut off and resumes.
    pub(super) fn advance(
        &mut self,
        server: &mut Server,
        rng: &mut StdRng,
        records: &mut Vec<Record>,
    ) {
        for _ in 0..rng.random_range(0..4) {
            self.tell(server, rng, records);
        }
        if rng.random_bool(0.2) {
            records.push(self.mark(WatchType::Bookmark));
        }
        if rng.random_bool(0.1) {
            records.push(self.mark(WatchType::Opened));
        }
    }

    /// Is told the rest, and a bookmark that says that it was the rest.
    pub(super) fn finish(
        &mut self,
        server: &mut Server,
        rng: &mut StdRng,
        records: &mut Vec<Record>,
    ) {
        while self.position < server.log.len() {
            self.tell(server, rng, records);
        }
        self.known = server.revision;
        records.push(self.mark(WatchType::Bookmark));
    }

    fn tell(&mut self, server: &mut Server, rng: &mut StdRng, records: &mut Vec<Record>) {
        let mine = |version: &&Version| self.object.is_none_or(|object| object == version.object);
        let from = self.position;
        let mut rest = server.log.iter().enumerate().skip(from);
        let Some((at, next)) = rest.find(|(_, version)| mine(version)) else {
            self.position = server.log.len();
            return;
        };
        let (next, after) = (next.clone(), rest.find(|(_, version)| mine(version)));
        let after = after.map(|(at, version)| (at, version.clone()));
        self.position = at + 1;
        let strikes = rng.random_bool(0.2);
        let told = match (server.bug.filter(|_| strikes), after) {
            (Some(Bug::EventDropped), _) => vec![],
            (Some(Bug::EventDoubled), _) => vec![&next, &next],
            (Some(Bug::EventsReordered), Some((at, ref after))) => {
                self.position = at + 1;
                self.known = after.rv;
                records.push(self.event(after));
                vec![&next]
            }
            _ => vec![&next],
        };
        if told.len() != 1 || self.known > next.rv {
            server.struck += 1;
        }
        self.known = self.known.max(next.rv);
        let events = told.into_iter().map(|version| self.event(version));
        records.extend(events.collect::<Vec<_>>());
    }

    fn event(&self, version: &Version) -> Record {
        Record::WatchEvent(WatchEvent {
            watch: self.watch,
            kind: WatchType::Modified,
            rv: ResourceVersion(version.rv),
            uid: Some(uid(version.object)),
            value: Some(version.value),
            op_ids: Some(version.op_id.iter().cloned().collect()),
        })
    }

    fn mark(&self, kind: WatchType) -> Record {
        Record::WatchEvent(WatchEvent {
            watch: self.watch,
            kind,
            rv: ResourceVersion(self.known),
            uid: self.object.map(uid),
            value: None,
            op_ids: None,
        })
    }
}
