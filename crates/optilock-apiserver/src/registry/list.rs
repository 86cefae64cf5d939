//! list

use super::continuation::Continuation;
use super::read::parse_version;
use super::select::Selection;
use super::{ListOptions, Registry, Stored, Target, component, errors};
use crate::status::{Reason, Status};
use crate::store::{Range, ReadError};
use crate::validation::Path;
use crate::validation::field;

const TOO_OLD_TO_CONTINUE: &str = "The provided continue parameter is too old to display a consistent list result. You can \
    start a new list without the continue parameter, or use the continue token in this response to retrieve the \
    remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were \
    created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

/// How many objects are read at a time when a selector leaves some out.
const CHUNK: usize = 500;

/// A list or one page of it.
#[derive(Debug)]
pub(crate) struct List {
    /// In order of namespace and name.
    pub(crate) items: Vec<Stored>,
    /// The version that the list shows.
    pub(crate) revision: u64,
    /// Token for the next page; empty on the last.
    pub(crate) continue_token: String,
    /// Items behind this page, where it is known.
    pub(crate) remaining: Option<usize>,
}

impl Registry {
    /// Objects of a resource, of all namespaces or of one, as of one version.
    ///
    /// # Errors
    /// 400 and 422 for options that make no sense, 410 for a version that is gone, 504 for one that is not there yet.
    pub(crate) async fn list(
        &self,
        target: &Target,
        options: &ListOptions,
    ) -> Result<List, Status> {
        validate(options)?;
        let selection = Selection::new(target, options);
        if component::is_component(&target.resource) {
            return component::list(&selection);
        }
        let prefix = selection.prefix(target);
        let (at, start) = self.starting_point(target, options).await?;
        // Any version will do: kube-apiserver answers from its cache then, which knows no pages. Nor has one object any.
        let limit = if options.resource_version == "0" || selection.is_one_object(target) {
            0
        } else {
            options.limit
        };

        let mut items = Vec::new();
        let mut start = start;
        let mut at = at;
        loop {
            let wanted = match limit {
                0 => 0,
                limit if selection.is_everything() => limit - items.len(),
                _ => CHUNK,
            };
            let range = Range {
                prefix: &prefix,
                start: start.as_deref(),
                limit: wanted,
                at,
            };
            let page = match self.store.range(range).await {
                Ok(page) => page,
                Err(ReadError::Compacted { .. }) if !options.continue_token.is_empty() => {
                    return Err(expired(target, start.unwrap_or_default()));
                }
                Err(error) => return Err(errors::read(&error)),
            };
            let mut behind = page.remaining;
            let mut last = None;
            let mut entries = page.entries.into_iter();
            for entry in entries.by_ref() {
                let stored = Stored {
                    bytes: entry.value,
                    revision: entry.revision,
                };
                last = Some(entry.key);
                if selection.matches(&stored)? {
                    items.push(stored);
                    if limit != 0 && items.len() == limit {
                        break;
                    }
                }
            }
            behind += entries.len();
            let next = last.map(|key| format!("{key}\0"));
            let full = limit != 0 && items.len() == limit;
            if let Some(next) = next.filter(|_| behind > 0) {
                if full {
                    let token = Continuation {
                        revision: Some(page.revision),
                        start: next,
                    };
                    return Ok(List {
                        items,
                        revision: page.revision,
                        continue_token: token.encode(&root(target)),
                        remaining: selection.is_everything().then_some(behind),
                    });
                }
                (start, at) = (Some(next), Some(page.revision));
                continue;
            }
            return Ok(List {
                items,
                revision: page.revision,
                continue_token: String::new(),
                remaining: None,
            });
        }
    }

    /// The version to read at (`None`: the latest) and the key to begin with.
    async fn starting_point(
        &self,
        target: &Target,
        options: &ListOptions,
    ) -> Result<(Option<u64>, Option<String>), Status> {
        if !options.continue_token.is_empty() {
            let token = Continuation::decode(&options.continue_token, &root(target))?;
            if !matches!(options.resource_version.as_str(), "" | "0") {
                return Err(Status::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            return Ok((token.revision, Some(token.start)));
        }
        let version = parse_version(&options.resource_version)?;
        self.reached(version).await?;
        // Without a match a version and a limit together mean exactly that version: a rule of old.
        let exact = match options.version_match.as_str() {
            "Exact" => true,
            "" => options.limit != 0,
            _ => false,
        };
        let at = match version {
            // Any version will do: what is here is not held against what others have written.
            0 if options.resource_version == "0" && self.store.is_shared() => {
                Some(self.store.revision())
            }
            0 => None,
            version => Some(version).filter(|_| exact),
        };
        Ok((at, None))
    }
}

/// What the keys of a collection begin with. Tokens are relative to it, so that kube-apiserver can go on with them.
fn root(target: &Target) -> String {
    target.resource.key(&target.namespace, "")
}

/// 410 with a token that continues in the present.
fn expired(target: &Target, start: String) -> Status {
    let token = Continuation {
        revision: None,
        start,
    };
    let mut status = Status::new(410, Reason::Expired, TOO_OLD_TO_CONTINUE);
    status.continue_token = Some(token.encode(&root(target)));
    status
}

/// The rules of `ListOptions` for a list.
fn validate(options: &ListOptions) -> Result<(), Status> {
    let mut problems = Vec::new();
    let path = Path::new("resourceVersionMatch");
    if !options.version_match.is_empty() {
        let forbidden = |why: &str| field::Error::forbidden(&path, why);
        if options.resource_version.is_empty() {
            problems.push(forbidden(
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            ));
        }
        if !options.continue_token.is_empty() {
            problems.push(forbidden(
                "resourceVersionMatch is forbidden when continue is provided",
            ));
        }
        if !matches!(options.version_match.as_str(), "Exact" | "NotOlderThan") {
            let sent = options.version_match.as_str();
            problems.push(field::Error::not_supported(
                &path,
                sent,
                &["Exact", "NotOlderThan", ""],
            ));
        }
        if options.version_match == "Exact" && options.resource_version == "0" {
            problems.push(forbidden(
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            ));
        }
    }
    if options.send_initial_events.is_some() {
        let path = Path::new("sendInitialEvents");
        problems.push(field::Error::forbidden(
            &path,
            "sendInitialEvents is forbidden for list",
        ));
    }
    refuse(&problems)
}

/// 422 for list options, when there is anything to say.
pub(super) fn refuse(problems: &[field::Error]) -> Result<(), Status> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(field::invalid("ListOptions", "meta.k8s.io", "", problems))
}
