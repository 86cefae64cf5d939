//! What the workers update: a Deployment with a counter.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        core::v1::{Container, ContainerPort, PodSpec, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{ResourceExt, api::ObjectMeta};

/// The plural of what the workers update.
pub(crate) const RESOURCE: &str = "deployments";

/// The label that is the counter.
pub(crate) const COUNTER: &str = "biz-version";

/// The annotation that is a list.
const ENTRIES: &str = "optilock-lab/entries";

/// How the annotations begin that one worker writes each.
const FIELD: &str = "optilock-lab/worker-";

/// The counter of a new object.
pub(crate) const INITIAL: i64 = 100;

/// An object whose counter can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CounterError {
    /// Somebody took the label away.
    #[error("Deployment {name:?} has no label {COUNTER}: somebody else has changed it")]
    Missing {
        /// The object.
        name: String,
    },
    /// Somebody wrote something else than a number, or one that is too large to be counted on.
    #[error(
        "label {COUNTER} of Deployment {name:?} is {value:?}, which can't be counted on: somebody else has changed it"
    )]
    NotACount {
        /// The object.
        name: String,
        /// What the label says.
        value: String,
    },
    /// A quota: the update is not wanted any more.
    #[error("the quota of {limit} updates of Deployment {name:?} is used up")]
    UsedUp {
        /// The object.
        name: String,
        /// The quota.
        limit: i64,
    },
}

/// The seed's Deployment with this metadata: one replica of nginx, port 80, the counter at its initial value.
pub(crate) fn deployment(metadata: ObjectMeta) -> Deployment {
    let app = metadata.name.clone().unwrap_or_default();
    let pod_labels = BTreeMap::from([("app".to_owned(), app)]);
    Deployment {
        metadata: ObjectMeta {
            labels: Some(BTreeMap::from([(COUNTER.to_owned(), INITIAL.to_string())])),
            ..metadata
        },
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            selector: LabelSelector {
                match_labels: Some(pod_labels.clone()),
                ..LabelSelector::default()
            },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(pod_labels),
                    ..ObjectMeta::default()
                }),
                spec: Some(PodSpec {
                    containers: vec![Container {
                        name: "nginx".to_owned(),
                        image: Some("nginx".to_owned()),
                        ports: Some(vec![ContainerPort {
                            container_port: 80,
                            ..ContainerPort::default()
                        }]),
                        ..Container::default()
                    }],
                    ..PodSpec::default()
                }),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// The counter of an object: how many updates it has in it, whatever the workload wrote them to.
pub(crate) fn count(object: &Deployment) -> Result<i64, CounterError> {
    let label = number(object, object.labels().get(COUNTER))?;
    let mut sum = label;
    for (key, text) in object.annotations() {
        let more = if key == ENTRIES {
            entries(text)
        } else if key.starts_with(FIELD) {
            number(object, Some(text))?
        } else {
            continue;
        };
        sum = sum
            .checked_add(more)
            .ok_or_else(|| not_a_count(object, text))?;
    }
    Ok(sum)
}

/// What [`count`] says of an object of which only labels and annotations are known; none where it has no counter.
pub(crate) fn count_in(
    labels: &HashMap<String, String>,
    annotations: &HashMap<String, String>,
) -> Option<i64> {
    let label: i64 = labels.get(COUNTER)?.parse().ok()?;
    annotations.iter().try_fold(label, |sum, (key, text)| {
        let more = if key == ENTRIES {
            entries(text)
        } else if key.starts_with(FIELD) {
            text.parse().ok()?
        } else {
            0
        };
        sum.checked_add(more)
    })
}

fn entries(text: &str) -> i64 {
    let entries = text.split(',').filter(|entry| !entry.is_empty()).count();
    i64::try_from(entries).unwrap_or(i64::MAX)
}

/// The annotation that only this worker writes.
pub(crate) fn field(worker: usize) -> String {
    format!("{FIELD}{worker}")
}

/// What an update changes in an object. Whatever it is, the object has one update more in it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A counter in a label, as in the seed.
    Counter,
    /// A list in an annotation, to which an entry is appended.
    Append,
    /// An annotation of each worker's own.
    Disjoint,
    /// A counter that must not go beyond so many updates: look, then add.
    Quota {
        /// How many.
        limit: i64,
    },
}

impl Change {
    /// Its name in options and tables.
    pub fn id(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Append => "append",
            Self::Disjoint => "disjoint",
            Self::Quota { .. } => "quota",
        }
    }

    /// A new object as the change needs it. A list begins empty: of what isn't there a JSON patch can't test the
    /// old value.
    pub(crate) fn object(self, metadata: ObjectMeta) -> Deployment {
        let mut object = deployment(metadata);
        if self == Self::Append {
            object
                .annotations_mut()
                .insert(ENTRIES.to_owned(), String::new());
        }
        object
    }

    /// Makes the change for a worker's update; the number of updates in the object then.
    pub(crate) fn apply(
        self,
        object: &mut Deployment,
        worker: usize,
        update: u64,
    ) -> Result<i64, CounterError> {
        match self {
            Self::Quota { limit } if count(object)? - INITIAL >= limit => {
                return Err(CounterError::UsedUp {
                    name: object.name_any(),
                    limit,
                });
            }
            Self::Counter | Self::Quota { .. } => {
                let next = add_one(object, object.labels().get(COUNTER))?;
                object
                    .labels_mut()
                    .insert(COUNTER.to_owned(), next.to_string());
            }
            Self::Append => {
                let list = object
                    .annotations_mut()
                    .entry(ENTRIES.to_owned())
                    .or_default();
                if !list.is_empty() {
                    list.push(',');
                }
                list.push_str(&format!("{worker}-{update}"));
            }
            Self::Disjoint => {
                let key = field(worker);
                let next = match object.annotations().get(&key) {
                    None => 1,
                    text => add_one(object, text)?,
                };
                object.annotations_mut().insert(key, next.to_string());
            }
        }
        count(object)
    }
}

fn number(object: &Deployment, text: Option<&String>) -> Result<i64, CounterError> {
    let Some(text) = text else {
        return Err(CounterError::Missing {
            name: object.name_any(),
        });
    };
    text.parse().map_err(|_| not_a_count(object, text))
}

fn add_one(object: &Deployment, text: Option<&String>) -> Result<i64, CounterError> {
    let value = number(object, text)?;
    value
        .checked_add(1)
        .ok_or_else(|| not_a_count(object, &value.to_string()))
}

fn not_a_count(object: &Deployment, value: &str) -> CounterError {
    CounterError::NotACount {
        name: object.name_any(),
        value: value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_deployment() -> Deployment {
        deployment(ObjectMeta {
            name: Some("d".into()),
            ..ObjectMeta::default()
        })
    }

    fn with_label(value: &str) -> Deployment {
        let mut object = new_deployment();
        object.labels_mut().insert(COUNTER.into(), value.into());
        object
    }

    #[test]
    fn counts_from_its_initial_value() {
        let mut object = new_deployment();
        assert_eq!(count(&object), Ok(100));
        assert_eq!(Change::Counter.apply(&mut object, 0, 0), Ok(101));
        assert_eq!(count(&object), Ok(101));
    }

    #[test]
    fn refuses_what_is_no_count() {
        for value in [
            "",
            "abc",
            "1.5",
            "9223372036854775807",
            "9223372036854775808",
        ] {
            let mut object = with_label(value);
            let expected = CounterError::NotACount {
                name: "d".into(),
                value: value.into(),
            };
            assert_eq!(Change::Counter.apply(&mut object, 0, 0), Err(expected));
        }
        let mut object = new_deployment();
        object.labels_mut().clear();
        assert_eq!(
            Change::Counter.apply(&mut object, 0, 0),
            Err(CounterError::Missing { name: "d".into() })
        );
    }

    #[test]
    fn every_change_adds_one_update() {
        for change in [
            Change::Counter,
            Change::Append,
            Change::Disjoint,
            Change::Quota { limit: 3 },
        ] {
            let mut object = new_deployment();
            for update in 0..3 {
                let worker = usize::try_from(update % 2).unwrap();
                let expected = INITIAL + 1 + i64::try_from(update).unwrap();
                assert_eq!(
                    change.apply(&mut object, worker, update),
                    Ok(expected),
                    "{change:?}"
                );
                let hash = |map: &BTreeMap<String, String>| map.clone().into_iter().collect();
                let (labels, annotations) = (hash(object.labels()), hash(object.annotations()));
                assert_eq!(count_in(&labels, &annotations), Some(expected));
            }
        }
    }

    #[test]
    fn a_quota_is_never_exceeded() {
        let mut object = new_deployment();
        let quota = Change::Quota { limit: 1 };
        assert_eq!(quota.apply(&mut object, 0, 0), Ok(101));
        let used_up = CounterError::UsedUp {
            name: "d".into(),
            limit: 1,
        };
        assert_eq!(quota.apply(&mut object, 0, 1), Err(used_up));
        assert_eq!(count(&object), Ok(101));
    }
}
