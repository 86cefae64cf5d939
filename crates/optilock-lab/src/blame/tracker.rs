//! Follows the versions of one object.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::{ResourceExt, api::DynamicObject};
use serde_json::Value;

use super::{Blame, MOST_FIELDS, Pair, Share, WINDOW, fields};
use crate::FieldManager;

/// What was seen so far.
pub(super) struct Tracker {
    last: Value,
    version: String,
    writes: u64,
    untold: Work,
    writers: BTreeMap<FieldManager, Work>,
}

#[derive(Default)]
struct Work {
    writes: u64,
    idle: u64,
    fields: BTreeMap<String, u64>,
}

impl Work {
    fn add(&mut self, changed: &[fields::Path]) {
        self.writes += 1;
        self.idle += u64::from(changed.is_empty());
        for path in changed {
            *self.fields.entry(fields::written(path)).or_default() += 1;
        }
    }

    /// The fields that were changed most often, with how often.
    fn most(&self) -> Vec<(String, u64)> {
        let fields = self.fields.iter();
        let mut fields: Vec<_> = fields
            .map(|(field, times)| (field.clone(), *times))
            .collect();
        fields.sort_by_key(|(_, times)| Reverse(*times));
        fields.truncate(MOST_FIELDS);
        fields
    }
}

impl Tracker {
    pub(super) fn new(first: &DynamicObject) -> Self {
        Self {
            last: value(first),
            version: first.resource_version().unwrap_or_default(),
            writes: 0,
            untold: Work::default(),
            writers: BTreeMap::new(),
        }
    }

    /// The version that was seen last.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// Everything up to this version was told.
    pub(super) fn passed(&mut self, version: &str) {
        version.clone_into(&mut self.version);
    }

    /// Counts the next version.
    pub(super) fn observe(&mut self, object: &DynamicObject) {
        let new = value(object);
        self.writes += 1;
        let changed = fields::changed(&self.last, &new);
        let work = match author(&self.last, &new, &changed) {
            None => &mut self.untold,
            Some(author) => self.writers.entry(author).or_default(),
        };
        work.add(&changed);
        self.last = new;
        self.version = object.resource_version().unwrap_or_default();
    }

    pub(super) fn conclude(self, object: String, watched: Duration, deleted: bool) -> Blame {
        let seconds = watched.as_secs_f64();
        let owners: BTreeSet<_> = entries(&self.last).iter().map(manager).collect();
        let silent = owners
            .into_iter()
            .filter(|owner| !self.writers.contains_key(owner));
        let pairs = pairs(&self.writers, seconds);
        let mut writers: Vec<Share> = self
            .writers
            .iter()
            .map(|(writer, work)| share(writer, work, seconds))
            .collect();
        writers.sort_by_key(|share| Reverse(share.writes));
        Blame {
            object,
            seconds,
            writes: self.writes,
            untold: self.untold.writes,
            untold_fields: self.untold.most(),
            deleted,
            advice: advice(&writers, &pairs),
            silent: silent.collect(),
            writers,
            pairs,
        }
    }
}

fn value(object: &DynamicObject) -> Value {
    // What was read from JSON can be written as JSON.
    serde_json::to_value(object).unwrap_or_default()
}

fn entries(object: &Value) -> &[Value] {
    object["metadata"]["managedFields"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

fn manager(entry: &Value) -> FieldManager {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    FieldManager {
        manager: text("manager"),
        operation: text("operation"),
        subresource: text("subresource"),
    }
}

/// Whose write made the newer of two versions, if it tells.
///
/// An entry of managedFields says when its manager last changed its set of fields or their owner, to the second, and not how
/// often it wrote. So the entry that differs is the author's; where several differ (one loses what another takes), or
/// none does (the second write of a second), the author owns most of what has changed, and wrote last.
fn author(old: &Value, new: &Value, changed: &[fields::Path]) -> Option<FieldManager> {
    let known = entries(old);
    let touched: Vec<&Value> = entries(new)
        .iter()
        .filter(|entry| !known.contains(entry))
        .collect();
    let candidates = if touched.is_empty() {
        entries(new).iter().collect()
    } else {
        touched.clone()
    };
    let rank = |entry: &&Value| {
        let owned = changed
            .iter()
            .filter(|path| fields::owns(&entry["fieldsV1"], path))
            .count();
        (owned, entry["time"].as_str().unwrap_or_default().to_owned())
    };
    let best = candidates.iter().max_by_key(|entry| rank(entry))?;
    let (owned, _) = rank(best);
    (owned > 0 || !touched.is_empty()).then(|| manager(best))
}

fn share(writer: &FieldManager, work: &Work, seconds: f64) -> Share {
    Share {
        writer: writer.clone(),
        writes: work.writes,
        idle: work.idle,
        per_second: rate(work.writes, seconds),
        fields: work.most(),
    }
}

fn rate(writes: u64, seconds: f64) -> f64 {
    // Nobody counts so far that a float is too coarse.
    #[allow(clippy::cast_precision_loss)]
    let writes = writes as f64;
    if seconds > 0.0 { writes / seconds } else { 0.0 }
}

/// Everyone who may send a PUT, with everyone else who writes. An apply or a patch looks at no version, unless it says so.
fn pairs(writers: &BTreeMap<FieldManager, Work>, seconds: f64) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (refused, own) in writers {
        for (by, others) in writers {
            if refused == by || refused.operation == "Apply" {
                continue;
            }
            let expected = rate(others.writes, seconds) * WINDOW.as_secs_f64();
            let contested = own
                .fields
                .keys()
                .filter(|field| others.fields.contains_key(*field));
            pairs.push(Pair {
                refused: refused.clone(),
                by: by.clone(),
                chance: -(-expected).exp_m1(),
                contested: contested.cloned().collect(),
            });
        }
    }
    pairs.sort_by(|a, b| b.chance.total_cmp(&a.chance));
    pairs
}

/// What the figures suggest.
fn advice(writers: &[Share], pairs: &[Pair]) -> Vec<String> {
    let mut advice = Vec::new();
    let contested: BTreeSet<&String> = pairs.iter().flat_map(|pair| &pair.contested).collect();
    if !contested.is_empty() {
        let fields: Vec<_> = contested.into_iter().map(String::as_str).collect();
        advice.push(format!(
            "{} {} written by several: they undo each other's work. Give each field one owner; server-side apply without \
             --force-conflicts refuses the second.",
            fields.join(", "),
            if fields.len() == 1 { "is" } else { "are" }
        ));
    }
    for share in writers {
        let writer = &share.writer;
        if share.idle > 1 {
            advice.push(format!(
                "{} of {writer}'s {} writes changed nothing that anybody reads. Compare before writing: a write of what \
                 is there already makes no version, if it really is the same.",
                share.idle, share.writes
            ));
        }
        if share.per_second > 1.0 {
            advice.push(format!(
                "{writer} writes {:.1} times a second. If these are many tasks of one process, optilock::Combiner makes \
                 one write of what waits; if it is one, it should write the last state only.",
                share.per_second
            ));
        }
    }
    let disjoint = pairs
        .iter()
        .find(|pair| pair.contested.is_empty() && pair.chance > 0.01);
    if let Some(pair) = disjoint {
        advice.push(format!(
            "{} and {} change different fields, but a PUT of either fails when the other has written. A patch of the own \
             fields, or server-side apply, looks at no version; optilock::update retries what has to.",
            pair.refused, pair.by
        ));
    }
    advice
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(
        version: u64,
        replicas: u64,
        label: &str,
        entries: &[(&str, &str, Value, &str)],
    ) -> DynamicObject {
        let entries: Vec<_> = entries
            .iter()
            .map(|(manager, operation, fields, time)| json!({"manager": manager, "operation": operation, "fieldsV1": fields, "time": time}))
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "d", "resourceVersion": version.to_string(), "labels": {"l": label}, "managedFields": entries},
            "spec": {"replicas": replicas},
        }))
        .unwrap()
    }

    const T0: &str = "2024-04-27T22:58:13Z";
    const T1: &str = "2024-04-27T22:58:14Z";

    fn scaler(time: &'static str) -> (&'static str, &'static str, Value, &'static str) {
        (
            "scaler",
            "Update",
            json!({"f:spec": {"f:replicas": {}}}),
            time,
        )
    }

    fn labeller(time: &'static str) -> (&'static str, &'static str, Value, &'static str) {
        (
            "labeller",
            "Update",
            json!({"f:metadata": {"f:labels": {"f:l": {}}}}),
            time,
        )
    }

    #[test]
    fn the_entry_that_differs_is_the_author_s() {
        let mut tracker = Tracker::new(&object(1, 1, "a", &[scaler(T0), labeller(T0)]));
        tracker.observe(&object(2, 2, "a", &[scaler(T1), labeller(T0)]));
        let blame = tracker.conclude("d".into(), Duration::from_secs(1), false);
        assert_eq!(blame.writers[0].writer.manager, "scaler");
        assert_eq!(blame.writers[0].fields, [("spec.replicas".to_owned(), 1)]);
        assert_eq!(blame.silent[0].manager, "labeller");
    }

    #[test]
    fn within_a_second_the_changed_fields_tell() {
        let entries = [scaler(T0), labeller(T0)];
        let mut tracker = Tracker::new(&object(1, 1, "a", &entries));
        tracker.observe(&object(2, 1, "b", &entries));
        tracker.observe(&object(3, 2, "b", &entries));
        tracker.observe(&object(4, 3, "b", &entries));
        let blame = tracker.conclude("d".into(), Duration::from_secs(1), false);
        let told: Vec<_> = blame
            .writers
            .iter()
            .map(|share| (share.writer.manager.as_str(), share.writes))
            .collect();
        assert_eq!(told, [("scaler", 2), ("labeller", 1)]);
        // The labeller is hit by two writes a second: 1 - e^-0.2.
        let pair = blame
            .pairs
            .iter()
            .find(|pair| pair.refused.manager == "labeller")
            .unwrap();
        assert!((pair.chance - 0.181_27).abs() < 1e-4, "{pair:?}");
        assert!(pair.contested.is_empty());
    }

    #[test]
    fn what_nobody_owns_is_untold() {
        let mut tracker = Tracker::new(&object(1, 1, "a", &[]));
        tracker.observe(&object(2, 2, "a", &[]));
        let blame = tracker.conclude("d".into(), Duration::from_secs(1), false);
        assert_eq!((blame.writes, blame.untold), (1, 1));
        assert!(blame.writers.is_empty());
    }

    #[test]
    fn a_field_that_two_change_is_contested() {
        let both = |time| {
            (
                "other",
                "Update",
                json!({"f:spec": {"f:replicas": {}}}),
                time,
            )
        };
        let mut tracker = Tracker::new(&object(1, 1, "a", &[scaler(T0)]));
        tracker.observe(&object(2, 2, "a", &[scaler(T1)]));
        tracker.observe(&object(3, 3, "a", &[both(T1)]));
        let blame = tracker.conclude("d".into(), Duration::from_secs(1), false);
        assert_eq!(blame.pairs[0].contested, ["spec.replicas"]);
        assert!(
            blame.advice[0].contains("undo each other"),
            "{:?}",
            blame.advice
        );
    }
}
