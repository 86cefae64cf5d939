//! The table of defaults: type, then field and value, or a function for what is no constant.
//!
//! It follows the `SetDefaults_*` functions of kube-apiserver 1.36, and is keyed by the type that
//! each of them is for: the defaults of a job are not those of a cron job's template. What the
//! schema says already (`protocol: TCP`) has no row.

use serde_json::{Map, Value};

use super::{functions, is_unset};
use crate::schema::{ByType, StructType};

/// One default.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// A field has this value, given as JSON.
    Set(&'static str, &'static str),
    /// The same for a field of a member that is a struct. The member is made where it is missing.
    In(&'static str, &'static str, &'static str),
    /// Whatever the function does to the struct.
    Run(fn(&mut Map<String, Value>)),
}

impl Rule {
    pub(super) fn apply(self, ty: &StructType, members: &mut Map<String, Value>) {
        match self {
            Self::Set(name, default) => set(ty, members, name, default),
            Self::In(member, name, default) => {
                let inner = ty.field(member).and_then(|field| field.shape.as_struct());
                if let Some(inner) = inner
                    && let Some(inside) = functions::object(members, member)
                {
                    set(inner, inside, name, default);
                }
            }
            Self::Run(function) => function(members),
        }
    }
}

fn set(ty: &StructType, members: &mut Map<String, Value>, name: &str, default: &'static str) {
    let unset = ty
        .field(name)
        .is_some_and(|field| is_unset(field, members.get(name)));
    if unset && let Ok(value) = serde_json::from_str(default) {
        members.insert(name.to_owned(), value);
    }
}

/// The defaults of each type.
pub(super) static DEFAULTS: ByType<Rule> = ByType::new(ROWS);

use Rule::{In, Run, Set};

#[rustfmt::skip] // a table
const ROWS: &[(&str, &[Rule])] = &[
    // apps
    ("apps.v1.Deployment", &[
        In("spec", "replicas", "1"),
        In("spec", "revisionHistoryLimit", "10"),
        In("spec", "progressDeadlineSeconds", "600"),
    ]),
    ("apps.v1.DeploymentStrategy", &[Set("type", r#""RollingUpdate""#), Run(functions::rolling_deployment)]),
    ("apps.v1.ReplicaSet", &[In("spec", "replicas", "1")]),
    ("apps.v1.DaemonSet", &[In("spec", "revisionHistoryLimit", "10")]),
    ("apps.v1.DaemonSetUpdateStrategy", &[Set("type", r#""RollingUpdate""#), Run(functions::rolling_daemon_set)]),
    ("apps.v1.StatefulSet", &[
        In("spec", "podManagementPolicy", r#""OrderedReady""#),
        In("spec", "replicas", "1"),
        In("spec", "revisionHistoryLimit", "10"),
        In("spec", "persistentVolumeClaimRetentionPolicy", "{}"),
        Run(functions::claim_templates),
    ]),
    ("apps.v1.StatefulSetUpdateStrategy", &[Run(functions::rolling_stateful_set)]),
    ("apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy", &[
        Set("whenDeleted", r#""Retain""#),
        Set("whenScaled", r#""Retain""#),
    ]),
    // batch
    ("batch.v1.Job", &[Run(functions::job)]),
    ("batch.v1.CronJob", &[
        In("spec", "concurrencyPolicy", r#""Allow""#),
        In("spec", "suspend", "false"),
        In("spec", "successfulJobsHistoryLimit", "3"),
        In("spec", "failedJobsHistoryLimit", "1"),
    ]),
    ("batch.v1.PodFailurePolicyOnPodConditionsPattern", &[Set("status", r#""True""#)]),
    // autoscaling
    ("autoscaling.v1.HorizontalPodAutoscaler", &[In("spec", "minReplicas", "1")]),
    ("autoscaling.v2.HorizontalPodAutoscaler", &[
        In("spec", "minReplicas", "1"),
        In("spec", "metrics", r#"[{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]"#),
    ]),
    ("autoscaling.v2.HorizontalPodAutoscalerBehavior", &[
        In("scaleUp", "stabilizationWindowSeconds", "0"),
        In("scaleUp", "selectPolicy", r#""Max""#),
        In("scaleUp", "policies", r#"[{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]"#),
        In("scaleDown", "selectPolicy", r#""Max""#),
        In("scaleDown", "policies", r#"[{"type": "Percent", "value": 100, "periodSeconds": 15}]"#),
    ]),
    // core: pods
    ("core.v1.Pod", &[In("spec", "enableServiceLinks", "true"), Run(functions::pod)]),
    ("core.v1.PodSpec", &[
        Set("dnsPolicy", r#""ClusterFirst""#),
        Set("restartPolicy", r#""Always""#),
        Set("securityContext", "{}"),
        Set("terminationGracePeriodSeconds", "30"),
        Set("schedulerName", r#""default-scheduler""#),
        Run(functions::service_account),
    ]),
    ("core.v1.Container", CONTAINER),
    ("core.v1.EphemeralContainer", CONTAINER),
    ("core.v1.Probe", &[
        Set("timeoutSeconds", "1"),
        Set("periodSeconds", "10"),
        Set("successThreshold", "1"),
        Set("failureThreshold", "3"),
    ]),
    ("core.v1.HTTPGetAction", &[Set("path", r#""/""#), Set("scheme", r#""HTTP""#)]),
    ("core.v1.GRPCAction", &[Set("service", r#""""#)]),
    ("core.v1.ObjectFieldSelector", &[Set("apiVersion", r#""v1""#)]),
    ("core.v1.FileKeySelector", &[Set("optional", "false")]),
    ("core.v1.Volume", &[Run(functions::volume)]),
    ("core.v1.SecretVolumeSource", &[Set("defaultMode", "420")]),
    ("core.v1.ConfigMapVolumeSource", &[Set("defaultMode", "420")]),
    ("core.v1.DownwardAPIVolumeSource", &[Set("defaultMode", "420")]),
    ("core.v1.ProjectedVolumeSource", &[Set("defaultMode", "420")]),
    ("core.v1.ServiceAccountTokenProjection", &[Set("expirationSeconds", "3600")]),
    ("core.v1.HostPathVolumeSource", &[Set("type", r#""""#)]),
    ("core.v1.AzureDiskVolumeSource", &[Set("readOnly", "false")]),
    // core: the rest
    ("core.v1.Service", &[In("spec", "sessionAffinity", r#""None""#), In("spec", "type", r#""ClusterIP""#), Run(functions::service)]),
    ("core.v1.ServicePort", &[Run(functions::service_port)]),
    ("core.v1.EndpointPort", &[Set("protocol", r#""TCP""#)]),
    ("core.v1.Namespace", &[Run(functions::namespace)]),
    ("core.v1.NamespaceStatus", &[Set("phase", r#""Active""#)]),
    ("core.v1.NodeStatus", &[Run(functions::node_status)]),
    ("core.v1.Secret", &[Set("type", r#""Opaque""#)]),
    ("core.v1.PersistentVolume", &[
        In("status", "phase", r#""Pending""#),
        In("spec", "persistentVolumeReclaimPolicy", r#""Retain""#),
        In("spec", "volumeMode", r#""Filesystem""#),
    ]),
    ("core.v1.PersistentVolumeClaim", &[In("status", "phase", r#""Pending""#)]),
    ("core.v1.PersistentVolumeClaimSpec", &[Set("volumeMode", r#""Filesystem""#)]),
    ("core.v1.ReplicationController", &[Run(functions::replication_controller)]),
    ("core.v1.LimitRangeItem", &[Run(functions::limit_range_item)]),
    // rbac
    ("rbac.v1.ClusterRoleBinding", &[In("roleRef", "apiGroup", RBAC)]),
    ("rbac.v1.RoleBinding", &[In("roleRef", "apiGroup", RBAC)]),
    ("rbac.v1.Subject", &[Run(functions::subject)]),
    // networking
    ("networking.v1.NetworkPolicyPort", &[Set("protocol", r#""TCP""#)]),
    ("networking.v1.NetworkPolicySpec", &[Run(functions::network_policy_spec)]),
    ("networking.v1.IngressClassParametersReference", &[Set("scope", r#""Cluster""#)]),
    ("discovery.v1.EndpointPort", &[Set("name", r#""""#), Set("protocol", r#""TCP""#)]),
    // storage and scheduling
    ("storage.v1.StorageClass", &[Set("reclaimPolicy", r#""Delete""#), Set("volumeBindingMode", r#""Immediate""#)]),
    ("storage.v1.CSIDriverSpec", &[
        Set("attachRequired", "true"),
        Set("podInfoOnMount", "false"),
        Set("storageCapacity", "false"),
        Set("fsGroupPolicy", r#""ReadWriteOnceWithFSType""#),
        Set("volumeLifecycleModes", r#"["Persistent"]"#),
        Set("requiresRepublish", "false"),
        Set("seLinuxMount", "false"),
    ]),
    ("scheduling.v1.PriorityClass", &[Set("preemptionPolicy", r#""PreemptLowerPriority""#)]),
    // admission
    ("admissionregistration.v1.ValidatingWebhook", WEBHOOK),
    ("admissionregistration.v1.MutatingWebhook", WEBHOOK),
    ("admissionregistration.v1.RuleWithOperations", &[Set("scope", r#""*""#)]),
    ("admissionregistration.v1.NamedRuleWithOperations", &[Set("scope", r#""*""#)]),
    ("admissionregistration.v1.ServiceReference", &[Set("port", "443")]),
    ("admissionregistration.v1.ValidatingAdmissionPolicySpec", &[Set("failurePolicy", FAIL)]),
    ("admissionregistration.v1.MutatingAdmissionPolicySpec", &[Set("failurePolicy", FAIL)]),
    ("admissionregistration.v1.MatchResources", &[
        Set("matchPolicy", EQUIVALENT),
        Set("namespaceSelector", "{}"),
        Set("objectSelector", "{}"),
    ]),
    // flow control
    ("flowcontrol.v1.FlowSchemaSpec", &[Set("matchingPrecedence", "1000")]),
    ("flowcontrol.v1.ExemptPriorityLevelConfiguration", &[Set("nominalConcurrencyShares", "0"), Set("lendablePercent", "0")]),
    ("flowcontrol.v1.LimitedPriorityLevelConfiguration", &[Set("nominalConcurrencyShares", "30"), Set("lendablePercent", "0")]),
    ("flowcontrol.v1.QueuingConfiguration", &[Set("handSize", "8"), Set("queues", "64"), Set("queueLengthLimit", "50")]),
    // dynamic resource allocation
    ("resource.v1.ExactDeviceRequest", &[Run(functions::device_request)]),
    ("resource.v1.DeviceSubRequest", &[Run(functions::device_request)]),
    // the API itself
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition", &[Run(functions::custom_resource_definition)]),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference", &[Set("port", "443")]),
    ("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference", &[Set("port", "443")]),
];

const RBAC: &str = r#""rbac.authorization.k8s.io""#;
const FAIL: &str = r#""Fail""#;
const EQUIVALENT: &str = r#""Equivalent""#;

const CONTAINER: &[Rule] = &[
    Run(functions::image_pull_policy),
    Set("terminationMessagePath", r#""/dev/termination-log""#),
    Set("terminationMessagePolicy", r#""File""#),
];

const WEBHOOK: &[Rule] = &[
    Set("failurePolicy", FAIL),
    Set("matchPolicy", EQUIVALENT),
    Set("namespaceSelector", "{}"),
    Set("objectSelector", "{}"),
    Set("timeoutSeconds", "10"),
    // Only mutating webhooks have this one.
    Set("reinvocationPolicy", r#""Never""#),
];
