//! The op-ids of the last writes, as an annotation holds them.

use std::time::Duration;

use super::{OpId, range};

/// How many op-ids are kept: enough for the reader that comes late, and 544 bytes when they are random.
const KEPT: usize = 32;

/// Op-ids, oldest first, as text: `a,b,c`, or `a,b,c~230` where the last writer tells how many milliseconds
/// it spreads its attempts over.
///
/// The object's own ids come with every read, so an update that is in here has been applied. One that
/// isn't may have been pushed out, or lost to a writer that dropped the annotation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ring<'a>(Vec<&'a str>);

impl<'a> Ring<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let ids = text.split(',').map(|told| range::split(told).0);
        Self(ids.filter(|id| !id.is_empty()).collect())
    }

    /// The range that the last write tells in a ring's text.
    pub(crate) fn told(text: &str) -> Option<Duration> {
        range::split(text).1
    }

    pub(crate) fn contains(&self, id: &OpId) -> bool {
        self.0.contains(&id.as_str())
    }

    /// Adds the ids of one write, and drops the oldest ones where there are too many. Those of the write
    /// itself are always kept.
    pub(crate) fn push(&mut self, ids: &'a [OpId]) {
        self.0
            .retain(|known| !ids.iter().any(|id| id.as_str() == *known));
        self.0.extend(ids.iter().map(OpId::as_str));
        let kept = KEPT.max(ids.len());
        self.0.drain(..self.0.len().saturating_sub(kept));
    }

    /// As text. It tells the range if there is one, and an id that it can belong to.
    pub(crate) fn to_text(&self, told: Option<Duration>) -> String {
        let mut text = self.0.join(",");
        if let Some(told) = told.filter(|_| !self.0.is_empty()) {
            text.push_str(&range::to_text(told));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn id(n: u16) -> OpId {
        OpId::new(format!("op-{n}")).unwrap()
    }

    #[test]
    fn nothing_is_an_empty_ring() {
        assert_eq!(Ring::parse(""), Ring::default());
        assert_eq!(Ring::default().to_text(None), "");
        assert_eq!(Ring::default().to_text(Some(Duration::ZERO)), "");
    }

    #[test]
    fn a_write_of_many_is_kept_whole() {
        let ids: Vec<_> = (0..100).map(id).collect();
        let mut ring = Ring::parse("old");
        ring.push(&ids);
        assert!(ids.iter().all(|id| ring.contains(id)));
        assert_eq!(ring.0.len(), 100);
        // The next one makes it small again.
        let next = [id(100)];
        ring.push(&next);
        assert_eq!(ring.0.len(), KEPT);
        assert!(ring.contains(&id(100)) && ring.contains(&id(99)) && !ring.contains(&id(1)));
    }

    proptest! {
        /// Whatever the writes, the ring holds exactly the newest ids, each once, and its text is itself.
        #[test]
        fn it_holds_the_newest(
            writes in prop::collection::vec(
                (prop::collection::vec(0..60_u16, 1..5), prop::option::of(0..30_000_u64)),
                0..60,
            )
        ) {
            let mut text = String::new();
            let mut model: VecDeque<u16> = VecDeque::new();
            for (mut write, told) in writes {
                write.sort_unstable();
                write.dedup();
                let ids: Vec<_> = write.iter().copied().map(id).collect();
                let mut ring = Ring::parse(&text);
                ring.push(&ids);
                model.retain(|known| !write.contains(known));
                model.extend(write);
                while model.len() > KEPT {
                    model.pop_front();
                }
                let expected: Vec<_> = model.iter().copied().map(id).collect();
                prop_assert_eq!(&ring.0, &expected.iter().map(OpId::as_str).collect::<Vec<_>>());
                prop_assert!(model.iter().all(|&n| ring.contains(&id(n))));
                let plain = ring.to_text(None);
                prop_assert_eq!(Ring::parse(&plain).to_text(None), plain.clone());
                prop_assert_eq!(Ring::told(&plain), None);
                // What the writer tells besides changes nothing of it, and is gone with the next write.
                let told = told.map(Duration::from_millis);
                text = ring.to_text(told);
                prop_assert_eq!(Ring::parse(&text).to_text(None), plain);
                prop_assert_eq!(Ring::told(&text), told);
            }
        }
    }
}
