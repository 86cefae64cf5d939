//! One request in the log, from when it is received to its end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;
use serde_json::value::RawValue;

use super::event::{AuditLevel, Event, ObjectRef, ResponseStatus, Stage, UserInfo};
use super::log::AuditLog;
use crate::ambient::Ambient;
use crate::registry::User;
use crate::status::{Details, Reason, Status};

/// Longer names of programs are cut off there.
const AGENT_LIMIT: usize = 1024;

/// What is known of a request when it comes.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) id: String,
    pub(crate) uri: String,
    pub(crate) verb: &'static str,
    pub(crate) agent: &'a str,
    pub(crate) address: Option<IpAddr>,
    /// `None` for what is not about resources.
    pub(crate) object: Option<About<'a>>,
}

/// What the path of a request is about.
#[derive(Debug)]
pub(crate) struct About<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: Cow<'a, str>,
}

/// The Status that is the answer to a request.
#[derive(Debug)]
pub(crate) enum Said {
    Refused(Box<Status>),
    /// It was done, to what the details tell.
    Done(Option<Box<Details>>),
}

/// One request in the log.
#[derive(Debug)]
pub(crate) struct Entry {
    log: AuditLog,
    ambient: Arc<Ambient>,
    /// Whether what was sent may be written.
    shows: bool,
    event: Mutex<Event>,
}

impl Entry {
    /// Begins with an event of the user's request. Without a user it is the only one but for the refusal.
    pub(crate) fn begin(
        log: &AuditLog,
        ambient: &Arc<Ambient>,
        received: Received<'_>,
        user: Option<&User>,
    ) -> Self {
        let now = micro_time(ambient.now());
        let object = received.object.as_ref();
        let level = match object.is_some_and(About::is_secret) {
            true => AuditLevel::Metadata,
            false => log.level(),
        };
        let mut agent = received.agent.to_owned();
        if agent.len() > AGENT_LIMIT {
            let end = (0..=AGENT_LIMIT)
                .rev()
                .find(|at| agent.is_char_boundary(*at));
            agent.truncate(end.unwrap_or_default());
            agent.push_str("...TRUNCATED");
        }
        let event = Event {
            kind: "Event",
            api_version: "audit.k8s.io/v1",
            level,
            audit_id: received.id,
            stage: Stage::RequestReceived,
            request_uri: received.uri,
            verb: received.verb,
            user: user.map(UserInfo::from).unwrap_or_default(),
            source_ips: received.address.iter().map(ToString::to_string).collect(),
            user_agent: agent,
            object_ref: object.map(About::reference),
            response_status: None,
            request_object: None,
            request_received_timestamp: now.clone(),
            stage_timestamp: now,
            annotations: BTreeMap::new(),
        };
        let entry = Self {
            log: log.clone(),
            ambient: Arc::clone(ambient),
            shows: level == AuditLevel::Request,
            event: Mutex::new(event),
        };
        if user.is_some() {
            entry.log.write(&entry.event.lock());
            // There is no authorization: whoever is known may do everything.
            let mut event = entry.event.lock();
            event.annotations.extend([
                ("authorization.k8s.io/decision", "allow"),
                ("authorization.k8s.io/reason", ""),
            ]);
        }
        entry
    }

    /// Notes the object that was sent. `json` is asked for where it is shown.
    pub(crate) fn object(&self, object: &Value, json: impl FnOnce() -> Vec<u8>) {
        let mut event = self.event.lock();
        let metadata = &object["metadata"];
        let text = |name: &str| metadata[name].as_str().unwrap_or_default();
        if let Some(reference) = &mut event.object_ref {
            for (place, name) in [
                (&mut reference.namespace, "namespace"),
                (&mut reference.name, "name"),
                (&mut reference.uid, "uid"),
                (&mut reference.resource_version, "resourceVersion"),
            ] {
                if place.is_empty() {
                    text(name).clone_into(place);
                }
            }
        }
        if self.shows {
            event.request_object = raw(&json());
        }
    }

    /// Notes the patch that was sent.
    pub(crate) fn patch(&self, patch: &[u8]) {
        if self.shows {
            self.event.lock().request_object = raw(patch);
        }
    }

    /// The request was nobody's.
    pub(crate) fn refused(self, status: &Status) {
        self.end(Stage::ResponseStarted, failure(status));
    }

    /// A watch has begun.
    pub(crate) fn started(&self, code: u16) {
        self.note(Stage::ResponseStarted, success(code, None));
    }

    /// The request was answered.
    pub(crate) fn complete(self, code: u16, said: Option<Said>) {
        let status = match said {
            None => success(code, None),
            Some(Said::Refused(status)) => failure(&status),
            Some(Said::Done(details)) => ResponseStatus {
                status: "Success",
                ..success(code, details)
            },
        };
        let is_refused_watch = {
            let event = self.event.lock();
            event.verb == "watch" && event.stage == Stage::RequestReceived
        };
        if is_refused_watch {
            self.note(Stage::ResponseStarted, status.clone());
        }
        self.end(Stage::ResponseComplete, status);
    }

    /// The server has failed over the request.
    pub(crate) fn panicked(self) {
        let status = Status::new(500, Reason::InternalError, "APIServer panic'd");
        self.end(Stage::Panic, failure(&status));
    }

    fn end(self, stage: Stage, status: ResponseStatus) {
        self.note(stage, status);
    }

    fn note(&self, stage: Stage, status: ResponseStatus) {
        let mut event = self.event.lock();
        event.stage = stage;
        event.stage_timestamp = micro_time(self.ambient.now());
        event.response_status = Some(status);
        self.log.write(&event);
    }
}

impl About<'_> {
    fn reference(&self) -> ObjectRef {
        ObjectRef {
            resource: self.resource.to_owned(),
            namespace: self.namespace.to_owned(),
            name: self.name.clone().into_owned(),
            api_group: self.group.to_owned(),
            api_version: self.version.to_owned(),
            subresource: self.subresource.to_owned(),
            ..ObjectRef::default()
        }
    }

    /// Whether what is sent there is nobody's business.
    fn is_secret(&self) -> bool {
        match (self.group, self.resource, self.subresource) {
            ("", "secrets", _) | ("", "serviceaccounts", "token") => true,
            ("authentication.k8s.io", resource, _) => resource == "tokenreviews",
            _ => false,
        }
    }
}

fn success(code: u16, details: Option<Box<Details>>) -> ResponseStatus {
    ResponseStatus {
        details: details.map(|details| *details),
        code,
        ..ResponseStatus::default()
    }
}

fn failure(status: &Status) -> ResponseStatus {
    ResponseStatus {
        status: "Failure",
        message: status.message.clone(),
        reason: (status.reason != Reason::Unknown).then_some(status.reason),
        details: status.details.as_deref().cloned(),
        code: status.code,
        ..ResponseStatus::default()
    }
}

/// What was sent as JSON; what is none as a text.
fn raw(sent: &[u8]) -> Option<Box<RawValue>> {
    let json = serde_json::from_slice::<Box<RawValue>>(sent);
    json.ok()
        .filter(|raw| !raw.get().contains('\n'))
        .or_else(|| {
            // A line is an event: what has lines of its own is written anew.
            let value = serde_json::from_slice(sent)
                .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(sent)));
            serde_json::value::to_raw_value(&value).ok()
        })
}

/// A time as `metav1.MicroTime` writes it.
fn micro_time(time: Timestamp) -> String {
    format!("{time:.6}")
}
