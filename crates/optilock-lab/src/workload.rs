//! What the workers update: a Deployment with a counter in a label.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        core::v1::{Container, ContainerPort, PodSpec, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{ResourceExt, api::ObjectMeta};

/// The label that is the counter.
pub(crate) const COUNTER: &str = "biz-version";

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
}

/// The seed's Deployment: one replica of nginx, port 80, the counter at its initial value.
pub(crate) fn deployment(name: &str, annotations: BTreeMap<String, String>) -> Deployment {
    let pod_labels = BTreeMap::from([("app".to_owned(), name.to_owned())]);
    Deployment {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([(COUNTER.to_owned(), INITIAL.to_string())])),
            annotations: Some(annotations),
            ..ObjectMeta::default()
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

/// The counter of an object.
pub(crate) fn count(object: &Deployment) -> Result<i64, CounterError> {
    let Some(text) = object.labels().get(COUNTER) else {
        return Err(CounterError::Missing {
            name: object.name_any(),
        });
    };
    text.parse().map_err(|_| not_a_count(object, text))
}

/// Adds one to the counter of an object and returns it.
pub(crate) fn increment(object: &mut Deployment) -> Result<i64, CounterError> {
    let value = count(object)?;
    let next = value
        .checked_add(1)
        .ok_or_else(|| not_a_count(object, &value.to_string()))?;
    object
        .labels_mut()
        .insert(COUNTER.to_owned(), next.to_string());
    Ok(next)
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

    fn with_label(value: &str) -> Deployment {
        let mut object = deployment("d", BTreeMap::new());
        object.labels_mut().insert(COUNTER.into(), value.into());
        object
    }

    #[test]
    fn counts_from_its_initial_value() {
        let mut object = deployment("d", BTreeMap::new());
        assert_eq!(count(&object), Ok(100));
        assert_eq!(increment(&mut object), Ok(101));
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
            assert_eq!(increment(&mut object), Err(expected));
        }
        let mut object = deployment("d", BTreeMap::new());
        object.labels_mut().clear();
        assert_eq!(
            increment(&mut object),
            Err(CounterError::Missing { name: "d".into() })
        );
    }
}
