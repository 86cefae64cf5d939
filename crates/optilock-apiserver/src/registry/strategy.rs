//! What is particular about a resource: the table that the engine reads.
//!
//! The rows say what kube-apiserver's strategies say in code (`pkg/registry/*/strategy.go`). What no row names has the
//! values of [`Strategy::DEFAULT`].

/// When a change counts as a new generation of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// The kind has no generation.
    None,
    /// A change of one of these members, given as paths from the root, counts.
    On(&'static [&'static [&'static str]]),
    /// A change of anything but metadata and status counts.
    AllButMetadata,
}

/// What an update through `/status` takes from the body beside the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusUpdate {
    /// All metadata that an update may change.
    Metadata,
    /// All metadata but labels.
    MetadataWithoutLabels,
    /// Nothing.
    StatusOnly,
}

/// What becomes of the dependents of a deleted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dependents {
    /// They go, when the client does not say that they stay.
    Deleted,
    /// They stay, when the client does not say that they go.
    Orphaned,
    /// There are none, whatever the client says.
    None,
}

/// Rules of one resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strategy {
    /// An update without a resourceVersion overwrites what is there.
    pub(crate) unconditional_update: bool,
    /// An update of an object that does not exist creates it.
    pub(crate) create_on_update: bool,
    /// What counts as a new generation.
    pub(crate) generation: Generation,
    /// What `/status` takes.
    pub(crate) status: StatusUpdate,
    /// The answer to a deletion is the object, not a Status.
    pub(crate) returns_deleted: bool,
    /// Deletion waits for the kubelet to end the containers.
    pub(crate) graceful: bool,
    /// What becomes of the dependents of a deleted object.
    pub(crate) dependents: Dependents,
    /// Told to whoever deletes an object and does not say what becomes of the dependents.
    pub(crate) deletion_warning: Option<&'static str>,
    /// Told to whoever uses the resource.
    pub(crate) warning: Option<&'static str>,
    /// What the creator said in `spec` is for ever, and nobody's.
    pub(crate) spec_is_fixed: bool,
    /// Path of the keys below `/registry/` where it is not the plural name.
    pub(crate) storage: Option<&'static str>,
}

const SPEC: Generation = Generation::On(&[&["spec"]]);

impl Strategy {
    /// The common case.
    pub(crate) const DEFAULT: Self = Self {
        unconditional_update: true,
        create_on_update: false,
        generation: Generation::None,
        status: StatusUpdate::Metadata,
        returns_deleted: false,
        graceful: false,
        dependents: Dependents::Deleted,
        deletion_warning: None,
        warning: None,
        spec_is_fixed: false,
        storage: None,
    };

    /// The rules of a resource.
    pub(crate) fn of(group: &str, plural: &str) -> Self {
        ROWS.iter()
            .find(|(g, p, _)| *g == group && *p == plural)
            .map_or(Self::DEFAULT, |(_, _, strategy)| *strategy)
    }

    const fn generation(mut self, generation: Generation) -> Self {
        self.generation = generation;
        self
    }

    const fn strict(mut self) -> Self {
        self.unconditional_update = false;
        self
    }

    const fn create_on_update(mut self) -> Self {
        self.create_on_update = true;
        self
    }

    const fn status(mut self, status: StatusUpdate) -> Self {
        self.status = status;
        self
    }

    const fn returns_deleted(mut self) -> Self {
        self.returns_deleted = true;
        self
    }

    const fn graceful(mut self) -> Self {
        self.graceful = true;
        self
    }

    const fn orphans_by_default(mut self) -> Self {
        self.dependents = Dependents::Orphaned;
        self
    }

    const fn without_dependents(mut self) -> Self {
        self.dependents = Dependents::None;
        self
    }

    const fn deletion_warning(mut self, text: &'static str) -> Self {
        self.deletion_warning = Some(text);
        self
    }

    const fn warning(mut self, text: &'static str) -> Self {
        self.warning = Some(text);
        self
    }

    const fn fixed_spec(mut self) -> Self {
        self.spec_is_fixed = true;
        self
    }

    const fn storage(mut self, path: &'static str) -> Self {
        self.storage = Some(path);
        self
    }
}

const D: Strategy = Strategy::DEFAULT;

/// (group, plural name, rules)
const ROWS: &[(&str, &str, Strategy)] = &[
    // core
    (
        "",
        "componentstatuses",
        D.warning("v1 ComponentStatus is deprecated in v1.19+"),
    ),
    (
        "",
        "endpoints",
        D.create_on_update()
            .storage("services/endpoints")
            .warning("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
    ),
    ("", "events", D.create_on_update().without_dependents()),
    ("", "limitranges", D.create_on_update()),
    ("", "nodes", D.storage("minions")),
    ("", "persistentvolumeclaims", D.returns_deleted()),
    ("", "persistentvolumes", D.returns_deleted()),
    ("", "pods", D.generation(SPEC).returns_deleted().graceful()),
    (
        "",
        "podtemplates",
        D.generation(Generation::On(&[&["template"]]))
            .returns_deleted(),
    ),
    (
        "",
        "replicationcontrollers",
        D.generation(SPEC)
            .storage("controllers")
            .orphans_by_default(),
    ),
    ("", "resourcequotas", D.returns_deleted()),
    ("", "serviceaccounts", D.returns_deleted()),
    (
        "",
        "services",
        D.create_on_update()
            .returns_deleted()
            .storage("services/specs"),
    ),
    // admissionregistration.k8s.io
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        D.strict().generation(Generation::On(&[&["webhooks"]])),
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        D.strict().generation(Generation::On(&[&["webhooks"]])),
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        D.strict()
            .generation(SPEC)
            .status(StatusUpdate::StatusOnly),
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        D.strict().generation(SPEC),
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicies",
        D.strict().generation(SPEC),
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings",
        D.strict().generation(SPEC),
    ),
    // apiextensions.k8s.io, apiregistration.k8s.io
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        D.strict()
            .generation(SPEC)
            .storage("apiextensions.k8s.io/customresourcedefinitions"),
    ),
    (
        "apiregistration.k8s.io",
        "apiservices",
        D.strict()
            .status(StatusUpdate::StatusOnly)
            .storage("apiregistration.k8s.io/apiservices"),
    ),
    // apps
    ("apps", "daemonsets", D.generation(SPEC)),
    (
        "apps",
        "deployments",
        D.generation(Generation::On(&[&["spec"], &["metadata", "annotations"]]))
            .status(StatusUpdate::MetadataWithoutLabels),
    ),
    ("apps", "replicasets", D.generation(SPEC)),
    ("apps", "statefulsets", D.generation(SPEC)),
    // batch
    ("batch", "cronjobs", D.generation(SPEC)),
    (
        "batch",
        "jobs",
        D.generation(SPEC).orphans_by_default().deletion_warning(
            "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove \
             them or set propagationPolicy=Orphan to suppress this warning",
        ),
    ),
    // certificates.k8s.io
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        D.fixed_spec(),
    ),
    // coordination.k8s.io
    (
        "coordination.k8s.io",
        "leases",
        D.strict().create_on_update(),
    ),
    // events.k8s.io
    (
        "events.k8s.io",
        "events",
        D.create_on_update().without_dependents(),
    ),
    // discovery.k8s.io
    (
        "discovery.k8s.io",
        "endpointslices",
        D.generation(Generation::On(&[
            &["addressType"],
            &["endpoints"],
            &["ports"],
            &["metadata", "labels"],
        ])),
    ),
    // flowcontrol.apiserver.k8s.io
    (
        "flowcontrol.apiserver.k8s.io",
        "flowschemas",
        D.generation(SPEC).status(StatusUpdate::StatusOnly),
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "prioritylevelconfigurations",
        D.generation(SPEC).status(StatusUpdate::StatusOnly),
    ),
    // networking.k8s.io
    (
        "networking.k8s.io",
        "ingresses",
        D.generation(SPEC).storage("ingress"),
    ),
    ("networking.k8s.io", "ingressclasses", D.generation(SPEC)),
    (
        "networking.k8s.io",
        "servicecidrs",
        D.status(StatusUpdate::StatusOnly),
    ),
    ("networking.k8s.io", "networkpolicies", D.generation(SPEC)),
    // node.k8s.io
    (
        "node.k8s.io",
        "runtimeclasses",
        D.strict().create_on_update(),
    ),
    // policy
    (
        "policy",
        "poddisruptionbudgets",
        D.strict().generation(SPEC),
    ),
    // rbac.authorization.k8s.io
    (
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        D.create_on_update(),
    ),
    (
        "rbac.authorization.k8s.io",
        "clusterroles",
        D.create_on_update(),
    ),
    (
        "rbac.authorization.k8s.io",
        "rolebindings",
        D.create_on_update(),
    ),
    ("rbac.authorization.k8s.io", "roles", D.create_on_update()),
    // resource.k8s.io
    (
        "resource.k8s.io",
        "deviceclasses",
        D.generation(SPEC).returns_deleted(),
    ),
    (
        "resource.k8s.io",
        "resourceclaims",
        D.returns_deleted().status(StatusUpdate::StatusOnly),
    ),
    (
        "resource.k8s.io",
        "resourceclaimtemplates",
        D.returns_deleted(),
    ),
    (
        "resource.k8s.io",
        "resourceslices",
        D.generation(SPEC).returns_deleted(),
    ),
    // scheduling.k8s.io
    (
        "scheduling.k8s.io",
        "priorityclasses",
        D.generation(Generation::On(&[
            &["value"],
            &["description"],
            &["globalDefault"],
        ])),
    ),
    // storage.k8s.io
    ("storage.k8s.io", "csidrivers", D.strict().returns_deleted()),
    ("storage.k8s.io", "csinodes", D.strict().returns_deleted()),
    ("storage.k8s.io", "csistoragecapacities", D.strict()),
    ("storage.k8s.io", "storageclasses", D.returns_deleted()),
    (
        "storage.k8s.io",
        "volumeattachments",
        D.strict()
            .returns_deleted()
            .status(StatusUpdate::StatusOnly),
    ),
    (
        "storage.k8s.io",
        "volumeattributesclasses",
        D.returns_deleted(),
    ),
];
