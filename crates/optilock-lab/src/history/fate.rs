//! What became of an update, by the answers to its writes.

use std::collections::HashMap;

use super::{Operation, Outcome};

/// What the answers to an update's writes tell of it: runs, peers and the checker judge updates by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Applied where one of the writes was, else unknown where one may have been.
    pub(crate) outcome: Outcome,
    /// What the write that decides adds to the counter.
    pub(crate) adds: i64,
}

impl Fate {
    /// The updates of these operations, by op-id; those that have only read are not among them.
    pub(crate) fn of_updates<'a>(
        operations: impl IntoIterator<Item = &'a Operation>,
    ) -> HashMap<&'a str, Self> {
        let mut fates: HashMap<&str, Self> = HashMap::new();
        for write in operations.into_iter().filter(|one| one.is_write()) {
            let told = Self {
                outcome: write.outcome,
                adds: write.adds(),
            };
            let fate = fates.entry(&write.op_id).or_insert(told);
            if told.weight() >= fate.weight() {
                *fate = told;
            }
        }
        fates
    }

    /// Whether the update may be in the object.
    pub(crate) fn may_be_applied(self) -> bool {
        matches!(self.outcome, Outcome::Applied | Outcome::Unknown)
    }

    /// Of two writes' outcomes the heavier one decides, in whatever order they are told.
    fn weight(self) -> u8 {
        match self.outcome {
            Outcome::Applied => 2,
            Outcome::Unknown => 1,
            Outcome::Conflict | Outcome::Refused => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;

    #[test]
    fn the_heaviest_answer_decides_in_any_order() {
        let outcome = |answers: &[&str]| {
            let lines = answers.iter().map(|answer| {
                format!(
                    r#"{{"op_id":"a","uid":"u","verb":"update","kind":"D","name":"d","base":"4","invoke_ns":1,"return_ns":2,"outcome":"{answer}","rv":"5"}}"#
                )
            });
            let header = r#"{"version":1,"target":"t","seed":1,"clock":"virtual"}"#.to_owned();
            let file: Vec<_> = std::iter::once(header).chain(lines).collect();
            let history = History::read(file.join("\n").as_bytes()).unwrap();
            let fate = Fate::of_updates(history.operations())["a"];
            (fate.outcome, fate.may_be_applied())
        };
        let unknown = (Outcome::Unknown, true);
        assert_eq!(outcome(&["unknown", "conflict"]), unknown);
        assert_eq!(outcome(&["refused", "unknown", "conflict"]), unknown);
        assert_eq!(outcome(&["applied", "unknown"]), (Outcome::Applied, true));
        assert_eq!(
            outcome(&["unknown", "applied", "refused"]),
            (Outcome::Applied, true)
        );
        assert_eq!(outcome(&["conflict"]), (Outcome::Conflict, false));
    }
}
