//! What the admission plugin Priority does: a Pod has the priority of its class.

use serde_json::Value;

use super::object::{member_mut, meta_str, root_mut};
use super::{ListOptions, Registry, Target, codec, errors};
use crate::status::Status;

/// What a Pod without a class has.
const NO_CLASS: (i64, &str) = (0, "PreemptLowerPriority");

impl Registry {
    /// Writes the priority of its class into a Pod that is to be created, and refuses a second default class.
    ///
    /// # Errors
    /// 403 for a class that does not exist, and for a priority that is not the one of the class.
    pub(super) async fn prioritize(
        &self,
        target: &Target,
        object: &mut Value,
    ) -> Result<(), Status> {
        match (&*target.resource.api.group, &*target.resource.api.plural) {
            ("", "pods") => self.prioritize_pod(target, object).await,
            ("scheduling.k8s.io", "priorityclasses") if object["globalDefault"] == true => {
                match self.default_class().await? {
                    None => Ok(()),
                    Some(other) => {
                        let why = format!(
                            "PriorityClass {} is already marked as default. Only one default can exist",
                            meta_str(&other, "name")
                        );
                        let name = meta_str(object, "name");
                        Err(errors::forbidden(&target.resource, name, &why))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    async fn prioritize_pod(&self, target: &Target, pod: &mut Value) -> Result<(), Status> {
        let name = meta_str(pod, "name").to_owned();
        let forbidden = |why: &str| errors::forbidden(&target.resource, &name, why);
        let wanted = pod["spec"]["priorityClassName"]
            .as_str()
            .unwrap_or_default();
        let class = if wanted.is_empty() {
            self.default_class().await?
        } else {
            let Some(class) = self.class(wanted).await? else {
                return Err(forbidden(&format!(
                    "no PriorityClass with name {wanted} was found"
                )));
            };
            Some(class)
        };
        let (value, policy) = match &class {
            None => NO_CLASS,
            Some(class) => (
                class["value"].as_i64().unwrap_or(0),
                class["preemptionPolicy"].as_str().unwrap_or(NO_CLASS.1),
            ),
        };
        let spec = member_mut(root_mut(pod), "spec");
        if let Some(class) = &class {
            spec.insert("priorityClassName".into(), meta_str(class, "name").into());
        }
        if let Some(sent) = spec.get("priority").and_then(Value::as_i64)
            && sent != value
        {
            return Err(forbidden(&format!(
                "the integer value of priority ({sent}) must not be provided in pod spec; priority admission \
                 controller computed {value} from the given PriorityClass name"
            )));
        }
        if let Some(sent) = spec.get("preemptionPolicy").and_then(Value::as_str)
            && sent != policy
        {
            return Err(forbidden(&format!(
                "the string value of PreemptionPolicy ({sent}) must not be provided in pod spec; priority admission \
                 controller computed {policy} from the given PriorityClass name"
            )));
        }
        spec.insert("priority".into(), value.into());
        spec.insert("preemptionPolicy".into(), policy.into());
        Ok(())
    }

    fn classes(&self, name: &str) -> Option<Target> {
        Some(Target {
            resource: self.resource("scheduling.k8s.io", "v1", "priorityclasses")?,
            namespace: String::new(),
            name: name.to_owned(),
        })
    }

    async fn class(&self, name: &str) -> Result<Option<Value>, Status> {
        let Some(target) = self.classes(name) else {
            return Ok(None);
        };
        let stored = self.entry(&target).await?;
        stored
            .map(|stored| codec::decode_stored(&stored))
            .transpose()
    }

    /// The class of Pods that name none; the one with the lowest value, should there be several.
    async fn default_class(&self) -> Result<Option<Value>, Status> {
        let Some(target) = self.classes("") else {
            return Ok(None);
        };
        let mut defaults = Vec::new();
        for stored in self.list(&target, &ListOptions::default()).await?.items {
            // Most classes are no default: there is no need to decode them.
            if memchr::memmem::find(&stored.bytes, b"\"globalDefault\":true").is_some() {
                defaults.push(codec::decode_stored(&stored)?);
            }
        }
        Ok(defaults
            .into_iter()
            .min_by_key(|class| class["value"].as_i64()))
    }
}
