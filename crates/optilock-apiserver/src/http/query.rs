//! Options out of the query of a request, and their rules.

use std::num::{IntErrorKind, ParseIntError};

use http::HeaderMap;
use http::header::USER_AGENT;

use crate::managed::Operation;
use crate::registry::{DeleteOptions, FieldValidation, ListOptions, Propagation, WriteOptions};
use crate::selector::{LabelSelector, SelectableFields};
use crate::status::Status;
use crate::validation::gofmt::quote;
use crate::validation::{Path, field};

/// `fieldManager` may have so many bytes.
const FIELD_MANAGER_LIMIT: usize = 128;

/// The manager of a client that tells nothing of itself.
const UNKNOWN_AGENT: &str = "unknown";

/// The decoded query of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        // As Go does: a pair that is no pair is passed over.
        let sound = query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| is_sound(pair));
        let pairs = sound.flat_map(|pair| form_urlencoded::parse(pair.as_bytes()).into_owned());
        Self(pairs.collect())
    }

    /// The first value of that name; empty when it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Every value of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// A boolean as the API server reads it: there, and neither "0" nor "false".
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        let value = self.all(name).next()?;
        Some(!(value == "0" || value.eq_ignore_ascii_case("false")))
    }

    fn integer(&self, name: &str) -> Result<Option<i64>, Status> {
        let Some(text) = self.all(name).next() else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|error: ParseIntError| {
            let why = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            Status::bad_request(format!("strconv.ParseInt: parsing {}: {why}", quote(text)))
        })
    }

    /// Options of create, update and patch; `kind` is the name of these options, e.g. `UpdateOptions`.
    pub(crate) fn write_options(
        &self,
        kind: &str,
        operation: Operation,
        subresource: &str,
        headers: &HeaderMap,
    ) -> Result<WriteOptions, Status> {
        let mut problems = Vec::new();
        let dry_run = self.dry_run(&mut problems);
        let manager = self.get("fieldManager");
        let path = Path::new("fieldManager");
        if manager.len() > FIELD_MANAGER_LIMIT {
            problems.push(field::Error::too_long(&path, FIELD_MANAGER_LIMIT));
        }
        if let Some((at, bad)) = manager.chars().enumerate().find(|(_, c)| c.is_control()) {
            let why = format!(
                "invalid character U+{:04X} (at position {at})",
                u32::from(bad)
            );
            problems.push(field::Error::invalid(&path, manager, &*why));
        }
        if operation == Operation::Apply && manager.is_empty() {
            problems.push(field::Error::required(&path, "is required for apply patch"));
        }
        if operation == Operation::Update && kind == "PatchOptions" && self.flag("force").is_some()
        {
            let path = Path::new("force");
            problems.push(field::Error::forbidden(
                &path,
                "may not be specified for non-apply patch",
            ));
        }
        let field_validation = match self.get("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let path = Path::new("fieldValidation");
                problems.push(field::Error::not_supported(
                    &path,
                    other,
                    &["", "Ignore", "Strict", "Warn"],
                ));
                FieldValidation::Warn
            }
        };
        refuse(kind, &problems)?;
        let manager = match manager {
            "" => agent(headers),
            manager => manager.to_owned(),
        };
        Ok(WriteOptions {
            dry_run,
            field_validation,
            manager,
            operation,
            subresource: subresource.to_owned(),
            ..WriteOptions::default()
        })
    }

    fn dry_run(&self, problems: &mut Vec<field::Error>) -> bool {
        let values: Vec<&str> = self.all("dryRun").collect();
        dry_run(&values, problems)
    }

    /// Options of delete, for a request without a body.
    pub(crate) fn delete_options(&self) -> Result<DeleteOptions, Status> {
        let mut problems = Vec::new();
        let options = DeleteOptions {
            dry_run: self.dry_run(&mut problems),
            uid: None,
            resource_version: None,
            grace_seconds: self.integer("gracePeriodSeconds")?,
            propagation: propagation(
                Some(self.get("propagationPolicy")).filter(|policy| !policy.is_empty()),
                self.flag("orphanDependents"),
                &mut problems,
            ),
        };
        refuse("DeleteOptions", &problems)?;
        Ok(options)
    }

    /// Options of list and watch.
    pub(crate) fn list_options(&self, fields: &SelectableFields) -> Result<ListOptions, Status> {
        let limit = self.integer("limit")?.unwrap_or(0);
        let timeout = self.integer("timeoutSeconds")?;
        let refuse = |error: crate::selector::SelectorError| Status::bad_request(error.to_string());
        Ok(ListOptions {
            labels: LabelSelector::parse(self.get("labelSelector")).map_err(refuse)?,
            fields: fields.parse(self.get("fieldSelector")).map_err(refuse)?,
            resource_version: self.get("resourceVersion").to_owned(),
            version_match: self.get("resourceVersionMatch").to_owned(),
            // A negative limit is none, as in kube-apiserver.
            limit: usize::try_from(limit).unwrap_or(0),
            continue_token: self.get("continue").to_owned(),
            timeout_seconds: timeout.and_then(|seconds| u64::try_from(seconds).ok()),
            bookmarks: self.flag("allowWatchBookmarks").unwrap_or(false),
            send_initial_events: self.flag("sendInitialEvents"),
        })
    }
}

/// Whether a pair of a query is without a semicolon and without a percent sign that is no escape.
fn is_sound(pair: &str) -> bool {
    let mut rest = pair.as_bytes();
    while let Some(at) = memchr::memchr2(b'%', b';', rest) {
        let escape = rest.get(at + 1..at + 3).unwrap_or_default();
        if rest[at] == b';' || escape.len() < 2 || !escape.iter().all(u8::is_ascii_hexdigit) {
            return false;
        }
        rest = &rest[at + 3..];
    }
    true
}

/// The manager of a client that does not say: the first word of its `User-Agent`.
fn agent(headers: &HeaderMap) -> String {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let word = agent
        .and_then(|agent| agent.split('/').next())
        .unwrap_or_default();
    let mut name: String = word.chars().filter(|c| !c.is_control()).collect();
    name.truncate(FIELD_MANAGER_LIMIT);
    if name.is_empty() {
        UNKNOWN_AGENT.to_owned()
    } else {
        name
    }
}

/// Reads `dryRun`; `All` is the only stage there is.
pub(super) fn dry_run(values: &[&str], problems: &mut Vec<field::Error>) -> bool {
    if values.iter().any(|value| *value != "All") {
        let sent = serde_json::json!(values);
        let path = Path::new("dryRun");
        problems.push(field::Error::not_supported(&path, &sent, &["All"]));
    }
    !values.is_empty()
}

/// Reads the two ways to say what becomes of the dependents.
pub(super) fn propagation(
    policy: Option<&str>,
    orphan_dependents: Option<bool>,
    problems: &mut Vec<field::Error>,
) -> Option<Propagation> {
    if policy.is_some() && orphan_dependents.is_some() {
        let path = Path::new("propagationPolicy");
        problems.push(field::Error::invalid(
            &path,
            policy.unwrap_or_default(),
            "orphanDependents and deletionPropagation cannot be both set",
        ));
        return None;
    }
    match (policy, orphan_dependents) {
        (None, None) => None,
        (None, Some(true)) => Some(Propagation::Orphan),
        (None, Some(false)) | (Some("Background"), _) => Some(Propagation::Background),
        (Some("Foreground"), _) => Some(Propagation::Foreground),
        (Some("Orphan"), _) => Some(Propagation::Orphan),
        (Some(other), _) => {
            let path = Path::new("propagationPolicy");
            let supported = ["Foreground", "Background", "Orphan", "nil"];
            problems.push(field::Error::not_supported(&path, other, &supported));
            None
        }
    }
}

/// 422 for the options of a request, when there is anything to say.
pub(super) fn refuse(kind: &str, problems: &[field::Error]) -> Result<(), Status> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(field::invalid(kind, "meta.k8s.io", "", problems))
}
