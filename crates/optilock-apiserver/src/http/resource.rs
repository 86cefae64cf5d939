//! Requests on resources: one function a verb, for every resource.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::accept::Accept;
use super::auth::Authentication;
use super::body::Body;
use super::closing::Closing;
use super::input::{self, Expected, MediaType};
use super::output::{self, Representation, Subject};
use super::patching::{Patch, PatchKind};
use super::query::Query;
use super::reply::Reply;
use super::route::ResourcePath;
use super::shared::Shared;
use crate::audit;
use crate::managed::Operation;
use crate::registry::{
    self, Asker, Deleted, Part, Resource, Target, User, View, WriteOptions, method_not_allowed,
    missing_resource,
};
use crate::status::{Reason, Status};
use crate::validation;
use crate::validation::gofmt::quote;

/// A request on a resource, with its body.
pub(super) struct ResourceRequest<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) closing: &'a Closing,
    pub(super) authentication: &'a Authentication,
    pub(super) user: &'a User,
    pub(super) method: &'a Method,
    pub(super) path: &'a ResourcePath<'a>,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) accept: &'a Accept,
    pub(super) pretty: bool,
    pub(super) audited: Option<&'a audit::Entry>,
    pub(super) body: Bytes,
}

/// What a method on a path means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

impl ResourceRequest<'_> {
    /// Serves the request.
    pub(super) async fn serve(self) -> Result<Reply, Status> {
        let Some(resource) = self.resource()? else {
            return Ok(super::discovery::not_found());
        };
        let verb = self.verb(&resource)?;
        let view = self.view(&resource)?;
        let target = Target {
            namespace: self.path.namespace.to_string(),
            name: self.path.name.to_string(),
            resource,
        };
        let mut warnings: Vec<String> = target
            .resource
            .warning()
            .map(str::to_owned)
            .into_iter()
            .collect();
        let told = &mut warnings;
        // What is large has a place of its own, so that small requests don't carry room for it.
        let reply = match verb {
            Verb::Get => self.get(&target, &view).await,
            Verb::List => self.list(&target).await,
            Verb::Watch => Box::pin(self.watch(target)).await,
            Verb::Create => Box::pin(self.create(&target, &view, told)).await,
            Verb::Update => Box::pin(self.update(&target, &view, told)).await,
            Verb::Patch => Box::pin(self.patch(&target, &view, told)).await,
            Verb::Delete => Box::pin(self.delete(&target, &view)).await,
            Verb::DeleteCollection => Box::pin(self.delete_collection(&target)).await,
        };
        // Refusals carry the warnings too.
        let reply = reply.unwrap_or_else(|status| Reply::status(&status, self.accept, self.pretty));
        Ok(reply.warnings(&warnings))
    }

    /// The resource that the path names. `None` where nobody knows the path: only the groups of Kubernetes itself have a
    /// handler for what they lack.
    fn resource(&self) -> Result<Option<Arc<Resource>>, Status> {
        let path = self.path;
        let registry = &self.shared.registry;
        let resource = registry
            .resource(&path.group, &path.version, &path.plural)
            // A namespace in the path of what has none.
            .filter(|resource| resource.api.namespaced || path.namespace.is_empty())
            // One object of a namespaced resource needs its namespace.
            .filter(|resource| {
                !resource.api.namespaced || path.name.is_empty() || !path.namespace.is_empty()
            });
        let Some(resource) = resource else {
            let known = registry.is_built_in(&path.group);
            return if known {
                Err(missing_resource())
            } else {
                Ok(None)
            };
        };
        let has_subresource =
            path.subresource.is_empty() || resource.subresource(&path.subresource).is_some();
        if has_subresource && !path.too_deep {
            check_path_name(&path.name)?;
            Ok(Some(resource))
        } else if resource.custom.is_some() {
            Err(registry::not_found(&resource, &path.name))
        } else {
            Err(missing_resource())
        }
    }

    fn verb(&self, resource: &Resource) -> Result<Verb, Status> {
        let path = self.path;
        let one = !path.name.is_empty();
        let watch = path.watch || self.query.flag("watch").unwrap_or(false);
        let verb = match (self.method, one) {
            (&Method::GET, false) if watch => Verb::Watch,
            // One object is watched by a path of old days; otherwise it is only read.
            (&Method::GET, true) if path.watch && path.subresource.is_empty() => Verb::Watch,
            (&Method::GET, true) => Verb::Get,
            (&Method::GET, false) => Verb::List,
            (&Method::POST, _) => Verb::Create,
            (&Method::PUT, true) => Verb::Update,
            (&Method::PATCH, true) => Verb::Patch,
            (&Method::DELETE, true) => Verb::Delete,
            (&Method::DELETE, false) => Verb::DeleteCollection,
            _ => return Err(method_not_allowed()),
        };
        let verbs = match resource.subresource(&path.subresource) {
            Some(subresource) => &subresource.verbs,
            None => &resource.api.verbs,
        };
        let collection = path.subresource.is_empty() && verb == Verb::Create && one;
        // A namespaced object is created in a namespace.
        let homeless = resource.api.namespaced
            && path.namespace.is_empty()
            && matches!(verb, Verb::Create | Verb::DeleteCollection);
        if collection || homeless || !verbs.iter().any(|allowed| &**allowed == verb.name()) {
            return Err(method_not_allowed());
        }
        Ok(verb)
    }

    fn view(&self, resource: &Resource) -> Result<View, Status> {
        View::of(resource, &self.path.subresource)
            .filter(|_| resource.is_served())
            .ok_or_else(|| {
                let path = [resource.qualified(), self.path.subresource.to_string()];
                let path = path.join("/");
                Status::not_implemented(format!(
                    "{} is not served by this version of optilock",
                    path.trim_end_matches('/')
                ))
            })
    }

    fn represent(&self, resource: &Resource, subject: Subject) -> Result<Representation, Status> {
        Representation::negotiate(self.accept, subject, self.query, resource, self.pretty)
    }

    fn reply(
        &self,
        code: StatusCode,
        target: &Target,
        view: &View,
        stored: &registry::Stored,
    ) -> Result<Reply, Status> {
        let now = self.shared.ambient.now();
        self.represent(&target.resource, Subject::Object)?.object(
            code,
            &target.resource,
            view,
            stored,
            now,
        )
    }

    async fn get(&self, target: &Target, view: &View) -> Result<Reply, Status> {
        self.represent(&target.resource, Subject::Object)?;
        let stored = self
            .shared
            .registry
            .get(target, self.query.get("resourceVersion"))
            .await?;
        self.reply(StatusCode::OK, target, view, &stored)
    }

    async fn list(&self, target: &Target) -> Result<Reply, Status> {
        let representation = self.represent(&target.resource, Subject::List)?;
        let fields = target.resource.selectable();
        let options = self.query.list_options(fields)?;
        let list = self.shared.registry.list(target, &options).await?;
        representation.list(&target.resource, &list, self.shared.ambient.now())
    }

    async fn watch(&self, target: Target) -> Result<Reply, Status> {
        Representation::route(self.accept, Subject::Watch, &target.resource)?;
        let fields = target.resource.selectable();
        let mut options = self.query.list_options(fields)?;
        if !target.name.is_empty() {
            options.fields = fields
                .parse(&format!("metadata.name={}", target.name))
                .map_err(|error| Status::bad_request(error.to_string()))?;
        }
        let collection = Target {
            name: String::new(),
            ..target
        };
        let watch = self.shared.registry.watch(&collection, &options).await?;
        // What a watch can't be is told after what is wrong with the question.
        let representation = self.represent(&collection.resource, Subject::Watch)?;
        let shared = Arc::clone(self.shared);
        let content_type = representation.stream_type();
        let state = (watch, true);
        let events = futures::stream::unfold(state, move |(mut watch, first)| {
            let (shared, representation) = (Arc::clone(&shared), representation.clone());
            let resource = Arc::clone(&collection.resource);
            async move {
                let event = watch.next().await?;
                let frame = shared.frames.get(&representation, &resource, &event, || {
                    representation.event(&resource, &event, first, shared.ambient.now())
                });
                Some((frame, (watch, false)))
            }
        });
        let events = events.take_until(Box::pin(self.closing.clone().closed()));
        // A mistake of ours ends this watch, and not all that share its connection.
        let events = AssertUnwindSafe(events).catch_unwind().filter_map(|event| {
            let event = event.inspect_err(|_| tracing::error!("a watch made the server panic"));
            std::future::ready(event.ok())
        });
        Ok(Reply::new(
            StatusCode::OK,
            content_type,
            Body::events(events),
        ))
    }

    /// The object in the body; complaints about it are added to `warnings`.
    fn decode(
        &self,
        view: &View,
        options: &WriteOptions,
        warnings: &mut Vec<String>,
    ) -> Result<Value, Status> {
        let expected = Expected {
            view,
            media_type: MediaType::of(self.headers)?,
            validation: options.field_validation,
        };
        let mut decoded = input::object(&self.body, &expected)?;
        if let Some(entry) = self.audited {
            entry.object(&decoded.value, || {
                let mut whole = decoded.value.clone();
                whole["apiVersion"] = view.api_version.as_str().into();
                whole["kind"] = view.kind.as_str().into();
                output::encode(&view.ty, &whole)
            });
        }
        warnings.extend(decoded.warnings());
        warnings.extend(input::distinct_owners(&mut decoded.value));
        Ok(decoded.value)
    }

    async fn create(
        &self,
        target: &Target,
        view: &View,
        warnings: &mut Vec<String>,
    ) -> Result<Reply, Status> {
        self.represent(&target.resource, Subject::Object)?;
        let options = self.write_options("CreateOptions", Operation::Update)?;
        let mut sent = self.decode(view, &options, warnings)?;
        self.check_namespace(target, &sent)?;
        let asker = Asker {
            user: self.user,
            token: self.review_token(&target.resource, &sent).await?,
            options: &options,
        };
        let ambient = &self.shared.ambient;
        if let Some(answered) = registry::review(target, ambient, &asker, &sent) {
            return self.represent(&target.resource, Subject::Object)?.value(
                StatusCode::CREATED,
                view,
                &answered?,
            );
        }
        let registry = &self.shared.registry;
        if let Some(action) = view.action() {
            let answer = registry.act(action, target, &sent, &options).await?;
            let representation = self.represent(&target.resource, Subject::Object)?;
            return match answer {
                Some(object) => representation.value(StatusCode::CREATED, view, &object),
                None => output::done(&representation),
            };
        }
        let advice = validation::warnings::about(&target.resource.api, &sent, None);
        registry::before_post(&mut sent);
        let created = registry.create(target, sent, &options).await;
        // Who is told that the name is taken is told what is odd too: nothing is wrong with the object.
        if !matches!(&created, Err(status) if status.reason != Reason::AlreadyExists) {
            warnings.extend(advice);
        }
        self.reply(StatusCode::CREATED, target, view, &created?)
    }

    /// The status of a `TokenReview`; null for anything else.
    async fn review_token(&self, resource: &Resource, sent: &Value) -> Result<Value, Status> {
        if !registry::reviews_tokens(resource) {
            return Ok(Value::Null);
        }
        let spec = &sent["spec"];
        let token = spec["token"].as_str().unwrap_or_default();
        if token.is_empty() {
            return Err(Status::bad_request(
                "token is required for TokenReview in authentication",
            ));
        }
        let audiences = spec["audiences"].as_array().into_iter().flatten();
        let audiences: Vec<String> = audiences
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let registry = &self.shared.registry;
        let known = self
            .authentication
            .user_of(token, &audiences, registry)
            .await;
        Ok(match known {
            Ok((user, audiences)) => {
                json!({"authenticated": true, "user": user.info(), "audiences": audiences})
            }
            Err(why) => json!({"error": why.to_string()}),
        })
    }

    async fn update(
        &self,
        target: &Target,
        view: &View,
        warnings: &mut Vec<String>,
    ) -> Result<Reply, Status> {
        self.represent(&target.resource, Subject::Object)?;
        let options = self.write_options("UpdateOptions", Operation::Update)?;
        let sent = self.decode(view, &options, warnings)?;
        self.check_name(target, &sent)?;
        self.check_namespace(target, &sent)?;
        let uid = sent["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let mut advice = Vec::new();
        let mut sent = Some(sent);
        let mut build = |current: Option<&Value>| {
            // Another writer is seldom faster: reading the body again then is cheaper than always to keep a copy.
            let mut sent = match sent.take() {
                Some(sent) => sent,
                None => self.decode(view, &options, &mut Vec::new())?,
            };
            self.fill_namespace(target, view, &mut sent);
            let merged = view.merge(target, sent, current, &options)?;
            advice = advise(target, view, &merged, current);
            Ok(merged)
        };
        let written = self
            .shared
            .registry
            .update(target, view.part(), &uid, &mut build, &options)
            .await;
        warnings.extend(options.told.take());
        let written = written?;
        warnings.extend(advice);
        self.written(target, view, &written)
    }

    async fn patch(
        &self,
        target: &Target,
        view: &View,
        warnings: &mut Vec<String>,
    ) -> Result<Reply, Status> {
        let kind = PatchKind::of(self.headers)?;
        kind.check(&target.resource)?;
        self.represent(&target.resource, Subject::Object)?;
        let options = self.write_options("PatchOptions", kind.operation())?;
        let patch = Patch {
            kind,
            body: &self.body,
            force: self.query.flag("force").unwrap_or(false),
            options: &options,
        };
        if let Some(entry) = self.audited {
            entry.patch(&self.body);
        }
        let now = self.shared.ambient.now_text();
        let (mut told, mut advice) = (Vec::new(), Vec::new());
        let mut build = |current: Option<&Value>| {
            told.clear();
            let mut patched = patch.patched(target, view, current, &now, &mut told)?;
            self.check_name(target, &patched)?;
            self.check_namespace(target, &patched)?;
            self.fill_namespace(target, view, &mut patched);
            told.extend(input::distinct_owners(&mut patched));
            advice = advise(target, view, &patched, current);
            Ok(patched)
        };
        let written = self
            .shared
            .registry
            .update(target, view.part(), "", &mut build, &options)
            .await;
        warnings.append(&mut told);
        warnings.extend(options.told.take());
        let written = written?;
        warnings.append(&mut advice);
        self.written(target, view, &written)
    }

    /// A body may leave out what the path says.
    fn fill_namespace(&self, target: &Target, view: &View, object: &mut Value) {
        if target.resource.api.namespaced && view.is_object() {
            object["metadata"]["namespace"] = target.namespace.as_str().into();
        }
    }

    fn write_options(&self, kind: &str, operation: Operation) -> Result<WriteOptions, Status> {
        self.query
            .write_options(kind, operation, &self.path.subresource, self.headers)
    }

    /// The answer to a write: 201 when it has made the object.
    fn written(
        &self,
        target: &Target,
        view: &View,
        written: &registry::Written,
    ) -> Result<Reply, Status> {
        let code = if written.created {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        self.reply(code, target, view, &written.stored)
    }

    async fn delete(&self, target: &Target, view: &View) -> Result<Reply, Status> {
        let representation = self.represent(&target.resource, Subject::Object)?;
        let options = input::delete_options(&self.body, self.headers, self.query)?;
        let reply = match self.shared.registry.delete(target, &options).await {
            Ok(Deleted::Object(stored)) => self.reply(StatusCode::OK, target, view, &stored)?,
            Ok(Deleted::Gone(details)) => output::gone(&representation, &details)?,
            Err(status) => Reply::status(&status, self.accept, self.pretty),
        };
        let warning = target.resource.deletion_warning(&options);
        Ok(reply.warnings(warning.map(str::to_owned).as_slice()))
    }

    async fn delete_collection(&self, target: &Target) -> Result<Reply, Status> {
        let representation = self.represent(&target.resource, Subject::List)?;
        let fields = target.resource.selectable();
        let selection = self.query.list_options(fields)?;
        let options = input::delete_options(&self.body, self.headers, self.query)?;
        let list = self
            .shared
            .registry
            .delete_collection(target, &selection, &options)
            .await?;
        let reply = representation.list(&target.resource, &list, self.shared.ambient.now())?;
        let warning = target.resource.deletion_warning(&options);
        let warning = warning.filter(|_| !list.items.is_empty());
        Ok(reply.warnings(warning.map(str::to_owned).as_slice()))
    }

    fn check_name(&self, target: &Target, object: &Value) -> Result<(), Status> {
        let (sent, name) = (
            object["metadata"]["name"].as_str().unwrap_or_default(),
            &target.name,
        );
        if sent.is_empty() {
            return Err(Status::bad_request(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )));
        }
        if sent != name {
            return Err(Status::bad_request(format!(
                "the name of the object ({sent}) does not match the name on the URL ({name})"
            )));
        }
        Ok(())
    }

    fn check_namespace(&self, target: &Target, object: &Value) -> Result<(), Status> {
        let sent = object["metadata"]["namespace"].as_str().unwrap_or_default();
        if target.resource.api.namespaced && !sent.is_empty() && sent != target.namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        Ok(())
    }
}

/// What a writer is told about what is odd in an object, if it writes the object as such.
fn advise(target: &Target, view: &View, object: &Value, old: Option<&Value>) -> Vec<String> {
    if view.part() != Part::Main || !view.is_object() {
        return Vec::new();
    }
    validation::warnings::about(&target.resource.api, object, old)
}

/// Refuses a name that would lead out of the resource's keys in storage.
fn check_path_name(name: &str) -> Result<(), Status> {
    let why = match name {
        "." => "may not be '.'",
        ".." => "may not be '..'",
        name if name.contains('%') => "may not contain '%'",
        _ => return Ok(()),
    };
    Err(Status::bad_request(format!(
        "Name parameter invalid: {}: {why}",
        quote(name)
    )))
}
