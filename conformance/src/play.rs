//! Playing a topic against a server.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::answer;
use crate::corpus::{Action, Case, Content, Step, Topic};
use crate::error::{Error, Result};
use crate::recording::{Played, Recording};
use crate::symbols::Symbols;
use crate::target::{BoxBody, Target, expect};
use crate::template::{Missing, Scope, merge};
use crate::watch::Events;

/// What the requests say that they come from; it becomes the field manager.
const AGENT: &str = "conformance/1";

/// How often, and after what time, a request is repeated that waits for what a server does behind its answers.
const TRIES: u32 = 500;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d+").expect("the pattern is well-formed"));

/// Plays topics against one server.
#[derive(Debug)]
pub struct Player<T> {
    target: T,
    run: String,
    cases: usize,
}

impl<T: Target> Player<T> {
    /// A player against `target`. A server that has seen other runs must have seen other names for them: they are part
    /// of the namespaces' names.
    pub fn new(target: T, run: impl Into<String>) -> Self {
        Self {
            target,
            run: run.into(),
            cases: 0,
        }
    }

    /// Plays all sequences of a topic, each in a namespace of its own.
    ///
    /// # Errors
    /// When the server can't be reached or a namespace can't be made. What it refuses is an answer, and a step that
    /// can't be made because an earlier answer lacks what it needs is recorded as such.
    pub async fn play(&mut self, topic: &Topic) -> Result<Recording> {
        let mut steps = Vec::new();
        for case in &topic.cases {
            self.cases += 1;
            let namespace = format!("ns-{}-{}", self.run, self.cases);
            let body = json!({"metadata": {"name": namespace}}).to_string();
            expect(&self.target, Method::POST, "/api/v1/namespaces", body).await?;
            self.play_case(case, &namespace, &mut steps).await?;
        }
        Ok(Recording::new(topic, steps))
    }

    async fn play_case(
        &self,
        case: &Case,
        namespace: &str,
        played: &mut Vec<Played>,
    ) -> Result<()> {
        let own = Map::from_iter([("ns".to_owned(), Value::from(namespace))]);
        let mut stage = Stage {
            target: &self.target,
            symbols: Symbols::new(namespace, numbers(case)),
            scope: Scope::default(),
            watches: BTreeMap::new(),
        };
        for (place, step) in case.steps.iter().enumerate() {
            let variables = [&step.it, &own].into_iter().chain(&case.variables);
            stage.scope.variables = variables.collect();
            let (request, answer) = match stage.perform(step).await {
                Ok(performed) => performed,
                Err(Failure::Missing(missing)) => (missing.to_string(), json!({"status": 0})),
                Err(Failure::Error(error)) => return Err(error),
            };
            played.push(Played {
                case: case.name.clone(),
                step: place + 1,
                request,
                answer,
            });
        }
        Ok(())
    }
}

/// The numbers that a sequence is written with.
fn numbers(case: &Case) -> HashSet<u64> {
    let text = format!("{:?}{:?}", case.steps, case.variables);
    let numbers = NUMBER.find_iter(&text);
    numbers
        .filter_map(|number| number.as_str().parse().ok())
        .collect()
}

/// Where a sequence is.
struct Stage<'a, T> {
    target: &'a T,
    symbols: Symbols,
    scope: Scope<'a>,
    watches: BTreeMap<String, Events>,
}

/// Why a step was not performed.
enum Failure {
    Missing(Missing),
    Error(Error),
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl<'a, T: Target> Stage<'a, T> {
    /// What was asked, and the answer.
    async fn perform(&mut self, step: &'a Step) -> Result<(String, Value), Failure> {
        match &step.action {
            Action::Ask(method, path) => {
                let path = self.scope.text(path)?;
                let asked = self.symbols.text(&format!("{method} {path}"));
                let mut response = self.send(step, method, &path).await?;
                let mut tries = TRIES;
                while step.until.is_some_and(|code| code != response.status()) && tries > 0 {
                    tries -= 1;
                    tokio::time::sleep(BETWEEN_TRIES).await;
                    response = self.send(step, method, &path).await?;
                }
                let (head, body) = response.into_parts();
                let body = self.whole(body).await?;
                let (answer, document) = answer::record(&head, &body, &mut self.symbols);
                if let Some(name) = &step.name {
                    self.scope.answers.insert(name, document);
                }
                Ok((asked, answer))
            }
            Action::Watch(path) => {
                let path = self.scope.text(path)?;
                let asked = self.symbols.text(&format!("WATCH {path}"));
                let response = self.send(step, &Method::GET, &path).await?;
                let (head, body) = response.into_parts();
                if !head.status.is_success() {
                    let body = self.whole(body).await?;
                    let (answer, _) = answer::record(&head, &body, &mut self.symbols);
                    return Ok((asked, answer));
                }
                let name = step.name.clone().unwrap_or_default();
                self.watches.insert(name, Events::new(body));
                Ok((asked, answer::head(&head, &mut self.symbols)))
            }
            Action::Events(name, count) => {
                let count = self.scope.fill(count)?.as_u64().unwrap_or_default();
                let watch = self.watches.get_mut(name);
                let watch = watch.ok_or_else(|| Missing(name.clone()))?;
                let answer = watch.read(count, &mut self.symbols).await;
                Ok((format!("events of {name}"), answer))
            }
            Action::Close(name) => {
                let watch = self.watches.remove(name);
                watch.ok_or_else(|| Missing(name.clone()))?;
                Ok((format!("close {name}"), json!({})))
            }
            Action::Compact => {
                self.target.compact().await?;
                Ok(("compact".to_owned(), json!({})))
            }
        }
    }

    async fn send(
        &mut self,
        step: &Step,
        method: &Method,
        path: &str,
    ) -> Result<http::Response<BoxBody>, Failure> {
        let body = self.content(&step.content)?;
        let malformed = |error: http::Error| Error::malformed(path, error);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(Full::new(body.clone().unwrap_or_default()))
            .map_err(malformed)?;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &step.headers {
            let value = self.scope.text(value)?;
            let name = HeaderName::try_from(name).map_err(|error| malformed(error.into()))?;
            let value = HeaderValue::try_from(value).map_err(|error| malformed(error.into()))?;
            headers.insert(name, value);
        }
        Ok(self.target.send(request).await?)
    }

    fn content(&mut self, content: &Content) -> Result<Option<Bytes>, Failure> {
        Ok(match content {
            Content::Nothing => None,
            Content::Json(document) => {
                let document = self.scope.fill(document)?;
                self.symbols.send(&document);
                Some(document.to_string().into())
            }
            Content::Edited(name, changes) => {
                let mut document = self.scope.value(name)?;
                merge(&mut document, &self.scope.fill(changes)?);
                self.symbols.send(&document);
                Some(document.to_string().into())
            }
            Content::Text(text) => Some(self.scope.text(text)?.into()),
            Content::Base64(text) => {
                let bytes = STANDARD.decode(text);
                Some(bytes.map_err(|error| Error::malformed(text, error))?.into())
            }
        })
    }

    async fn whole(&self, body: BoxBody) -> Result<Bytes> {
        let collected = body.collect().await;
        let collected = collected.map_err(|error| Error::connection("the server", error))?;
        Ok(collected.to_bytes())
    }
}
