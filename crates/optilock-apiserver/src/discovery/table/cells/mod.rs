//! The cells of each kind, as kube-apiserver's printers fill them.
//!
//! A kind is a line of [`PRINTERS`] and a function from an object to its cells, in the order of the resource's columns.

mod admission;
mod autoscaling;
mod batch;
mod certificates;
mod config;
mod event;
mod extension;
mod flow;
mod generic;
mod network;
mod node;
mod pod;
mod policy;
mod rbac;
mod scheduling;
mod storage;
mod workload;

use serde_json::Value;

use super::row::Row;
use crate::schema::Resource;

/// What the objects of a table are sorted by.
type SortKey = fn(&Value) -> (i64, String);

/// How the objects of a kind are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    group: &'static str,
    plural: &'static str,
    /// The cells of a row.
    pub(super) cells: fn(Row<'_>) -> Vec<Value>,
    /// The `conditions` of a row, as JSON.
    pub(super) conditions: Option<fn(Row<'_>) -> Option<&'static str>>,
    /// Order of the rows where it is not that of the objects.
    pub(super) sorted_by: Option<SortKey>,
    /// An annotation that is one of the kind's version only, and not in the metadata of a row.
    pub(super) hidden_annotation: Option<&'static str>,
    /// Every table of a watch has the columns, not only the first.
    pub(super) repeats_columns: bool,
}

impl Printer {
    const fn new(
        group: &'static str,
        plural: &'static str,
        cells: fn(Row<'_>) -> Vec<Value>,
    ) -> Self {
        Self {
            group,
            plural,
            cells,
            conditions: None,
            sorted_by: None,
            hidden_annotation: None,
            repeats_columns: false,
        }
    }

    /// Whether this is the printer of kinds without one of their own.
    pub(super) fn is_generic(&self) -> bool {
        self.plural.is_empty()
    }
}

/// The printer of a resource. One line stands for all versions of its group.
pub(super) fn printer(resource: &Resource) -> Printer {
    PRINTERS
        .iter()
        .find(|printer| printer.plural == &*resource.plural && printer.group == &*resource.group)
        .copied()
        .unwrap_or(GENERIC)
}

const GENERIC: Printer = Printer::new("", "", generic::cells);

const ADMISSION: &str = "admissionregistration.k8s.io";
const DEVICES: &str = "resource.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const STORAGE: &str = "storage.k8s.io";

static PRINTERS: &[Printer] = &[
    Printer::new("", "componentstatuses", node::component_status),
    Printer::new("", "configmaps", config::config_map),
    Printer::new("", "endpoints", network::endpoints),
    Printer::new("", "events", event::event),
    Printer::new("", "namespaces", config::namespace),
    Printer::new("", "nodes", node::node),
    Printer::new("", "persistentvolumeclaims", storage::claim),
    Printer::new("", "persistentvolumes", storage::volume),
    Printer {
        conditions: Some(pod::conditions),
        ..Printer::new("", "pods", pod::pod)
    },
    Printer::new("", "podtemplates", workload::pod_template),
    Printer::new(
        "",
        "replicationcontrollers",
        workload::replication_controller,
    ),
    Printer::new("", "resourcequotas", policy::resource_quota),
    Printer::new("", "secrets", config::secret),
    Printer::new("", "serviceaccounts", config::name_and_age),
    Printer::new("", "services", network::service),
    Printer {
        repeats_columns: true,
        ..Printer::new(
            "apiregistration.k8s.io",
            "apiservices",
            extension::api_service,
        )
    },
    Printer::new("autoscaling", "scales", autoscaling::scale),
    Printer::new("apps", "controllerrevisions", workload::controller_revision),
    Printer {
        hidden_annotation: Some("deprecated.daemonset.template.generation"),
        ..Printer::new("apps", "daemonsets", workload::daemon_set)
    },
    Printer::new("apps", "deployments", workload::deployment),
    Printer::new("apps", "replicasets", workload::replica_set),
    Printer::new("apps", "statefulsets", workload::stateful_set),
    Printer::new("events.k8s.io", "events", event::event),
    Printer::new(
        "autoscaling",
        "horizontalpodautoscalers",
        autoscaling::autoscaler,
    ),
    Printer::new("batch", "cronjobs", batch::cron_job),
    Printer::new("batch", "jobs", batch::job),
    Printer::new(
        "certificates.k8s.io",
        "certificatesigningrequests",
        certificates::signing_request,
    ),
    Printer::new(NETWORKING, "ingressclasses", network::ingress_class),
    Printer::new(NETWORKING, "ingresses", network::ingress),
    Printer::new(NETWORKING, "ipaddresses", network::ip_address),
    Printer::new(NETWORKING, "networkpolicies", network::network_policy),
    Printer::new(NETWORKING, "servicecidrs", network::service_cidr),
    Printer::new("policy", "poddisruptionbudgets", policy::disruption_budget),
    Printer::new(RBAC, "clusterrolebindings", rbac::binding),
    Printer::new(RBAC, "rolebindings", rbac::binding),
    Printer::new(STORAGE, "csidrivers", storage::driver),
    Printer::new(STORAGE, "csinodes", storage::driver_node),
    Printer::new(STORAGE, "storageclasses", storage::class),
    Printer::new(STORAGE, "volumeattachments", storage::attachment),
    Printer::new(
        STORAGE,
        "volumeattributesclasses",
        storage::attributes_class,
    ),
    Printer::new(
        ADMISSION,
        "mutatingadmissionpolicies",
        admission::mutating_policy,
    ),
    Printer::new(
        ADMISSION,
        "mutatingadmissionpolicybindings",
        admission::binding,
    ),
    Printer::new(
        ADMISSION,
        "mutatingwebhookconfigurations",
        admission::webhooks,
    ),
    Printer::new(
        ADMISSION,
        "validatingadmissionpolicies",
        admission::validating_policy,
    ),
    Printer::new(
        ADMISSION,
        "validatingadmissionpolicybindings",
        admission::binding,
    ),
    Printer::new(
        ADMISSION,
        "validatingwebhookconfigurations",
        admission::webhooks,
    ),
    Printer::new(
        "scheduling.k8s.io",
        "priorityclasses",
        scheduling::priority_class,
    ),
    Printer::new("coordination.k8s.io", "leases", config::lease),
    Printer::new("node.k8s.io", "runtimeclasses", node::runtime_class),
    Printer::new(
        "discovery.k8s.io",
        "endpointslices",
        network::endpoint_slice,
    ),
    Printer::new(DEVICES, "deviceclasses", config::name_and_age),
    Printer::new(DEVICES, "resourceclaims", scheduling::resource_claim),
    Printer::new(DEVICES, "resourceclaimtemplates", config::name_and_age),
    Printer::new(DEVICES, "resourceslices", scheduling::resource_slice),
    Printer {
        sorted_by: Some(flow::precedence),
        ..Printer::new(FLOW, "flowschemas", flow::schema)
    },
    Printer::new(FLOW, "prioritylevelconfigurations", flow::priority_level),
];

/// Cells of several types: `cells![name, 3, true]`.
macro_rules! cells {
    ($($cell:expr),* $(,)?) => { vec![$(serde_json::Value::from($cell)),*] };
}
use cells;
