//! The sequences of requests, as they are written under `corpus/`.
//!
//! A file is a topic; README.md beside this crate says how it is written.

use std::collections::BTreeMap;
use std::fs;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::folder;
use crate::template::Scope;

/// A file of the corpus.
#[derive(Debug)]
pub struct Topic {
    /// The file's name without its ending.
    pub name: String,
    /// Its sequences.
    pub cases: Vec<Case>,
    /// Tells this corpus from others.
    pub(crate) digest: String,
}

/// A sequence of requests in a namespace of its own.
#[derive(Debug)]
pub struct Case {
    /// What it is about; no other one of the topic has the name.
    pub name: String,
    /// The nearest first.
    pub(crate) variables: Vec<Map<String, Value>>,
    pub(crate) steps: Vec<Step>,
}

/// One request, or what is done with a watch.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) content: Content,
    /// The name under which later steps find the answer.
    pub(crate) name: Option<String>,
    /// The request is repeated until its answer has this status.
    pub(crate) until: Option<u16>,
    /// What `$(it)` stands for.
    pub(crate) it: Map<String, Value>,
}

/// What a step does.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Asks, and waits for the whole answer.
    Ask(Method, String),
    /// Opens a watch, to be read by later steps.
    Watch(String),
    /// Reads so many events of a watch, or up to its end.
    Events(String, Value),
    /// Closes a watch.
    Close(String),
    /// Makes the server forget its history.
    Compact,
}

/// What a request carries.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Nothing,
    /// A document.
    Json(Value),
    /// What a name stands for, with a merge patch applied.
    Edited(String, Value),
    Text(String),
    Base64(String),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenTopic {
    #[serde(default)]
    vars: Map<String, Value>,
    cases: Vec<WrittenCase>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenCase {
    name: String,
    #[serde(default)]
    vars: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    each: Vec<Value>,
    steps: Vec<WrittenStep>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenStep {
    get: Option<String>,
    head: Option<String>,
    options: Option<String>,
    post: Option<String>,
    put: Option<String>,
    patch: Option<String>,
    delete: Option<String>,
    watch: Option<String>,
    events: Option<String>,
    count: Option<Value>,
    close: Option<String>,
    compact: bool,
    /// Of a patch: json, merge, strategic, apply, or a whole media type.
    r#type: Option<String>,
    headers: BTreeMap<String, String>,
    from: Option<String>,
    body: Option<Value>,
    text: Option<String>,
    base64: Option<String>,
    r#as: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u16>,
    each: Vec<Value>,
}

impl Topic {
    /// All topics, in the order of their names.
    ///
    /// # Errors
    /// When a file is not as README.md says.
    pub fn load_all() -> Result<Vec<Self>> {
        let folder = folder().join("corpus");
        let mut paths = Vec::new();
        for entry in fs::read_dir(&folder).map_err(Error::file(&folder))? {
            paths.push(entry.map_err(Error::file(&folder))?.path());
        }
        paths.sort();
        let load = |path: &std::path::PathBuf| {
            let text = fs::read_to_string(path).map_err(Error::file(path))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            Self::parse(&name, &text)
        };
        paths.iter().map(load).collect()
    }

    /// How many requests its sequences make.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.cases.iter().map(Case::requests).sum()
    }

    /// Whether a sequence makes the server forget its history.
    #[must_use]
    pub fn compacts(&self) -> bool {
        let steps = self.cases.iter().flat_map(|case| &case.steps);
        steps
            .map(|step| &step.action)
            .any(|action| matches!(action, Action::Compact))
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let at = |case: &str| format!("corpus/{name}.yaml: {case}");
        let written: WrittenTopic =
            crate::yaml::parse(text).map_err(|error| Error::malformed(at(""), error))?;
        let canonical =
            serde_json::to_vec(&written).map_err(|error| Error::malformed(at(""), error))?;
        let mut cases: Vec<Case> = Vec::new();
        for case in written.cases {
            let written_name = case.name.clone();
            let made = case.expand(&written.vars);
            for case in made.map_err(|message| Error::malformed(at(&written_name), message))? {
                if cases.iter().any(|other| other.name == case.name) {
                    return Err(Error::malformed(
                        at(&case.name),
                        "there are two of this name",
                    ));
                }
                cases.push(case);
            }
        }
        let digest = Sha256::digest(canonical);
        Ok(Self {
            name: name.to_owned(),
            cases,
            digest: digest[..8]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        })
    }
}

impl Case {
    fn requests(&self) -> usize {
        let asks = |step: &&Step| matches!(step.action, Action::Ask(..) | Action::Watch(_));
        self.steps.iter().filter(asks).count()
    }
}

impl WrittenCase {
    /// One sequence, or one for each row.
    fn expand(self, topic: &Map<String, Value>) -> Result<Vec<Case>, String> {
        let mut steps = Vec::new();
        for step in self.steps {
            steps.extend(step.expand()?);
        }
        let rows = if self.each.is_empty() {
            vec![Map::new()]
        } else {
            self.each
                .into_iter()
                .map(|row| variable("row", row))
                .collect()
        };
        let case = |row: Map<String, Value>| {
            let scope = Scope {
                variables: vec![&row, &self.vars, topic],
                ..Scope::default()
            };
            let name = scope
                .text(&self.name)
                .map_err(|missing| missing.to_string())?;
            Ok(Case {
                name,
                steps: steps.clone(),
                variables: vec![row, self.vars.clone(), topic.clone()],
            })
        };
        rows.into_iter().map(case).collect()
    }
}

fn variable(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}

impl WrittenStep {
    /// One step, or one for each value of `it`.
    fn expand(mut self) -> Result<Vec<Step>, String> {
        let rows = std::mem::take(&mut self.each);
        let step = self.step()?;
        if rows.is_empty() {
            return Ok(vec![step]);
        }
        let with = |value| Step {
            it: variable("it", value),
            ..step.clone()
        };
        Ok(rows.into_iter().map(with).collect())
    }

    fn step(self) -> Result<Step, String> {
        let mut headers = self.headers;
        if let Some(kind) = &self.r#type {
            headers.insert("content-type".to_owned(), patch_type(kind));
        }
        let ask = |method, path: Option<String>| path.map(|path| Action::Ask(method, path));
        let count = self.count;
        let actions = [
            ask(Method::GET, self.get),
            ask(Method::HEAD, self.head),
            ask(Method::OPTIONS, self.options),
            ask(Method::POST, self.post),
            ask(Method::PUT, self.put),
            ask(Method::PATCH, self.patch),
            ask(Method::DELETE, self.delete),
            self.watch.map(Action::Watch),
            self.events
                .map(|watch| Action::Events(watch, count.unwrap_or(1.into()))),
            self.close.map(Action::Close),
            self.compact.then_some(Action::Compact),
        ];
        let mut actions = actions.into_iter().flatten();
        let (Some(action), None) = (actions.next(), actions.next()) else {
            return Err("a step does one thing: get, post, put, patch, delete, …".to_owned());
        };
        let content = match (self.from, self.body, self.text, self.base64) {
            (None, None, None, None) => Content::Nothing,
            (None, Some(body), None, None) => Content::Json(body),
            (Some(name), body, None, None) => {
                Content::Edited(name, body.unwrap_or_else(|| Value::Object(Map::new())))
            }
            (None, None, Some(text), None) => Content::Text(text),
            (None, None, None, Some(bytes)) => Content::Base64(bytes),
            _ => return Err("a step has one of body, from with body, text, base64".to_owned()),
        };
        Ok(Step {
            action,
            headers,
            content,
            name: self.r#as,
            until: self.until,
            it: Map::new(),
        })
    }
}

/// The media type of a kind of patch.
fn patch_type(kind: &str) -> String {
    match kind {
        "json" | "merge" => format!("application/{kind}-patch+json"),
        "strategic" => "application/strategic-merge-patch+json".to_owned(),
        "apply" => "application/apply-patch+yaml".to_owned(),
        whole => whole.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_values_become_sequences_and_steps() {
        let text = "
            vars: {cm: /x/$(ns)}
            cases:
            - name: of $(row.kind)
              each: [{kind: A}, {kind: B}]
              steps:
              - post: $(cm)
                from: minimal
                each: [{a: 1}, {b: 2}]
                body: $(it)
              - watch: $(cm)?watch=1
                as: w
              - events: w
        ";
        let topic = Topic::parse("t", text).unwrap();
        assert_eq!(topic.cases.len(), 2);
        assert_eq!(topic.cases[1].name, "of B");
        assert_eq!(topic.cases[1].steps.len(), 4);
        assert_eq!(topic.requests(), 6);
        let other = Topic::parse("t", &text.replace("b: 2", "b: 3")).unwrap();
        assert_ne!(topic.digest, other.digest);
    }

    #[test]
    fn a_step_does_one_thing() {
        let text = "cases: [{name: a, steps: [{get: /, put: /}]}]";
        assert!(Topic::parse("t", text).is_err());
        let text = "cases: [{name: a, steps: []}, {name: a, steps: []}]";
        assert!(Topic::parse("t", text).is_err());
    }

    #[test]
    fn the_corpus_is_large_enough() {
        let topics = Topic::load_all().unwrap();
        let requests: usize = topics.iter().map(Topic::requests).sum();
        assert!(requests >= 600, "{requests} requests");
    }
}
