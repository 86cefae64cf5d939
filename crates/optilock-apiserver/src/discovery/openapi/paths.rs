//! The paths of a resource.

use std::collections::BTreeMap;

use super::component::Components;
use super::operation::{
    BUILTIN, CUSTOM, Content, MediaTypes, Operation, PathItem, RequestBody, capitalised,
    group_name, responses, tag,
};
use super::parameter::{self, NAME, NAMESPACE, PRETTY, Parameter};
use super::schema::Reference;
use crate::registry::Resource;
use crate::schema::{Gvk, Subresource};

/// Adds the paths of a resource.
pub(super) fn add(
    resource: &Resource,
    components: &mut Components<'_>,
    paths: &mut BTreeMap<String, PathItem>,
) {
    let kind = Gvk {
        group: resource.api.group.clone(),
        version: resource.api.version.clone(),
        kind: resource.api.kind.clone(),
    };
    let Some(ty) = components.kind(&kind) else {
        return;
    };
    let list = Gvk {
        kind: resource.api.list_kind().into(),
        ..kind.clone()
    };
    let has = |verb: &str| resource.api.verbs.iter().any(|v| &**v == verb);
    let group = group_name(&kind.group);
    let version = capitalised(&kind.version);
    let paths_of = ResourcePaths {
        resource,
        list: has("list").then(|| components.kind(&list)).flatten(),
        watch_event: (has("watch") && resource.custom.is_none())
            .then(|| components.meta("WatchEvent")),
        delete_options: components
            .meta_if("DeleteOptions", has("delete") || has("deletecollection")),
        status: components.meta_if("Status", has("delete") || has("deletecollection")),
        patch: components.meta_if("Patch", has("patch")),
        media_types: if resource.custom.is_some() {
            CUSTOM
        } else {
            BUILTIN
        },
        tag: format!("{}_{}", tag(&group), kind.version),
        prefix: format!("{group}{version}"),
        scope: if resource.api.namespaced {
            "Namespaced"
        } else {
            ""
        },
        kind,
        ty,
    };
    paths_of.collection(paths);
    paths_of.object(paths);
    paths_of.watches(paths);
    for subresource in &resource.api.subresources {
        // What connects to a pod or a node, or reads from it, has no type of its own to describe.
        if subresource.gvk.kind.ends_with("Options") || &*subresource.name == "log" {
            continue;
        }
        if let Some(ty) = components.kind(&subresource.gvk) {
            paths_of.subresource(subresource, &ty, paths);
        }
    }
}

/// A resource and the types that its operations exchange.
struct ResourcePaths<'a> {
    resource: &'a Resource,
    kind: Gvk,
    ty: Reference,
    list: Option<Reference>,
    watch_event: Option<Reference>,
    delete_options: Option<Reference>,
    status: Option<Reference>,
    patch: Option<Reference>,
    media_types: MediaTypes,
    tag: String,
    /// Group and version in names of operations.
    prefix: String,
    /// `Namespaced` or nothing, in names of operations.
    scope: &'static str,
}

impl ResourcePaths<'_> {
    /// `/apis/apps/v1/namespaces/{namespace}/deployments`; `middle` is `/watch` or nothing.
    fn path(&self, middle: &str, in_namespace: bool) -> String {
        let (group, version) = (&self.kind.group, &self.kind.version);
        let root = match &**group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        let namespace = if in_namespace {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        format!("{root}{middle}{namespace}/{}", self.resource.api.plural)
    }

    fn own_path(&self) -> String {
        self.path("", self.resource.api.namespaced)
    }

    /// Parameters that are part of the path of the collection.
    fn of_collection(&self) -> &'static [Parameter] {
        if self.resource.api.namespaced {
            &[NAMESPACE]
        } else {
            &[]
        }
    }

    /// An operation without body and answers.
    fn operation(
        &self,
        id: String,
        action: &'static str,
        parameters: &[&[Parameter]],
    ) -> Operation {
        Operation {
            tags: [self.tag.clone()],
            operation_id: id,
            parameters: parameter::sorted(parameters),
            request_body: None,
            responses: BTreeMap::new(),
            action,
            gvk: Some((&self.kind).into()),
        }
    }

    fn has(&self, verb: &str) -> bool {
        self.resource.api.verbs.iter().any(|v| &**v == verb)
    }

    /// The list of a collection, of one namespace or of all.
    fn list(&self, end: &str, scope: &str) -> Option<Operation> {
        let list = self.list.as_ref()?;
        let id = format!("list{}{scope}{}{end}", self.prefix, self.kind.kind);
        let parameters = [parameter::SELECT, parameter::WATCH];
        Some(Operation {
            responses: responses(&["200"], self.media_types.streams, list),
            ..self.operation(id, "list", &parameters)
        })
    }

    fn collection(&self, paths: &mut BTreeMap<String, PathItem>) {
        let (prefix, scope, kind) = (&self.prefix, self.scope, &self.kind.kind);
        let delete = self.delete_options.as_ref().zip(self.status.as_ref());
        let delete = delete
            .filter(|_| self.has("deletecollection"))
            .map(|(options, status)| Operation {
                request_body: Some(optional(self.media_types.bodies, options)),
                responses: responses(&["200"], self.media_types.documents, status),
                ..self.operation(
                    format!("delete{prefix}Collection{scope}{kind}"),
                    "deletecollection",
                    &[parameter::SELECT, parameter::DELETE],
                )
            });
        let item = PathItem {
            get: self.list("", scope),
            post: self
                .has("create")
                .then(|| self.create("", &self.ty, &self.kind)),
            delete,
            ..PathItem::default()
        };
        let own = [self.of_collection(), &[PRETTY]].concat();
        paths.insert(self.own_path(), item.with_parameters(&own));
        if self.resource.api.namespaced
            && let Some(list) = self.list("ForAllNamespaces", "")
        {
            let item = PathItem::get(list).with_parameters(&[PRETTY]);
            paths.insert(self.path("", false), item);
        }
    }

    /// A creation, in a collection or through a subresource.
    fn create(&self, subresource: &str, ty: &Reference, gvk: &Gvk) -> Operation {
        let (prefix, scope, kind) = (&self.prefix, self.scope, &self.kind.kind);
        Operation {
            request_body: Some(required(self.media_types.bodies, ty)),
            responses: responses(&["200", "201", "202"], self.media_types.documents, ty),
            gvk: Some(gvk.into()),
            ..self.operation(
                format!("create{prefix}{scope}{kind}{subresource}"),
                "post",
                &[parameter::WRITE],
            )
        }
    }

    /// An object or a subresource of it, with the operations that its verbs name.
    fn item(&self, subresource: &str, verbs: &[Box<str>], ty: &Reference, gvk: &Gvk) -> PathItem {
        let (prefix, scope, kind) = (&self.prefix, self.scope, &self.kind.kind);
        let has = |verb: &str| verbs.iter().any(|v| &**v == verb);
        let id = |action: &str| format!("{action}{prefix}{scope}{kind}{subresource}");
        let get = has("get").then(|| Operation {
            responses: responses(&["200"], self.media_types.documents, ty),
            gvk: Some(gvk.into()),
            ..self.operation(id("read"), "get", &[])
        });
        let put = has("update").then(|| Operation {
            request_body: Some(required(self.media_types.bodies, ty)),
            responses: responses(&["200", "201"], self.media_types.documents, ty),
            gvk: Some(gvk.into()),
            ..self.operation(id("replace"), "put", &[parameter::WRITE])
        });
        let patch = self
            .patch
            .as_ref()
            .filter(|_| has("patch"))
            .map(|patch| Operation {
                request_body: Some(required(self.media_types.patches, patch)),
                responses: responses(&["200", "201"], self.media_types.documents, ty),
                gvk: Some(gvk.into()),
                ..self.operation(id("patch"), "patch", &[parameter::PATCH])
            });
        PathItem {
            get,
            put,
            patch,
            ..PathItem::default()
        }
    }

    fn object(&self, paths: &mut BTreeMap<String, PathItem>) {
        let (prefix, scope, kind) = (&self.prefix, self.scope, &self.kind.kind);
        let mut item = self.item("", &self.resource.api.verbs, &self.ty, &self.kind);
        let gone = if self.resource.returns_deleted() {
            Some(&self.ty)
        } else {
            self.status.as_ref()
        };
        let delete = self
            .delete_options
            .as_ref()
            .zip(gone)
            .filter(|_| self.has("delete"));
        item.delete = delete.map(|(options, gone)| Operation {
            request_body: Some(optional(self.media_types.bodies, options)),
            responses: responses(&["200", "202"], self.media_types.documents, gone),
            ..self.operation(
                format!("delete{prefix}{scope}{kind}"),
                "delete",
                &[parameter::DELETE],
            )
        });
        if self.has("get") {
            let path = format!("{}/{{name}}", self.own_path());
            paths.insert(path, item.with_parameters(&self.of_object()));
        }
    }

    fn of_object(&self) -> Vec<Parameter> {
        [self.of_collection(), &[NAME, PRETTY]].concat()
    }

    fn subresource(
        &self,
        subresource: &Subresource,
        ty: &Reference,
        paths: &mut BTreeMap<String, PathItem>,
    ) {
        let name = capitalised(&subresource.name);
        let mut item = self.item(&name, &subresource.verbs, ty, &subresource.gvk);
        let creates = subresource.verbs.iter().any(|verb| &**verb == "create");
        item.post = creates.then(|| self.create(&name, ty, &subresource.gvk));
        let path = format!("{}/{{name}}/{}", self.own_path(), subresource.name);
        paths.insert(path, item.with_parameters(&self.of_object()));
    }

    /// The paths of old days, with `watch` in front.
    fn watches(&self, paths: &mut BTreeMap<String, PathItem>) {
        let Some(event) = &self.watch_event else {
            return;
        };
        let (prefix, scope, kind) = (&self.prefix, self.scope, &self.kind.kind);
        let watch = |id: String, action: &'static str| {
            PathItem::get(Operation {
                responses: responses(&["200"], self.media_types.streams, event),
                ..self.operation(id, action, &[parameter::SELECT, parameter::WATCH])
            })
        };
        let own_path = self.path("/watch", self.resource.api.namespaced);
        let one = watch(format!("watch{prefix}{scope}{kind}"), "watch");
        paths.insert(
            format!("{own_path}/{{name}}"),
            one.with_parameters(&self.of_object()),
        );
        let all = watch(format!("watch{prefix}{scope}{kind}List"), "watchlist");
        let own = [self.of_collection(), &[PRETTY]].concat();
        paths.insert(own_path, all.with_parameters(&own));
        if self.resource.api.namespaced {
            let everywhere = watch(
                format!("watch{prefix}{kind}ListForAllNamespaces"),
                "watchlist",
            );
            paths.insert(
                self.path("/watch", false),
                everywhere.with_parameters(&[PRETTY]),
            );
        }
    }
}

fn required(media_types: &'static [&'static str], schema: &Reference) -> RequestBody {
    RequestBody {
        content: Content::new(media_types, schema),
        required: true,
    }
}

fn optional(media_types: &'static [&'static str], schema: &Reference) -> RequestBody {
    RequestBody {
        content: Content::new(media_types, schema),
        required: false,
    }
}
