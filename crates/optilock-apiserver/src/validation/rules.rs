//! The rules of each type, as rows. They follow kube-apiserver's validation of the group that the
//! type is in (`pkg/apis/*/validation`), in its order.
//!
//! What a row can't say (rules about several members) is a function that the row names.

use super::field::ErrorList;
use super::walk::{Rule, Scope};
use super::{addresses, autoscaling, format, pods, priorities, services, workloads};
use crate::schema::ByType;

use Rule::{Always, Between, Format, Into, Labels, NonNegative, OneOf, Required, Run, Unique};

/// OpenAPI name of the type of label selectors.
pub(super) const LABEL_SELECTOR: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector";

/// The rules of each type.
pub(super) static RULES: ByType<Rule> = ByType::new(ROWS);

const I32_MAX: i64 = i32::MAX as i64;
const PORT: (i64, i64) = (1, 65_535);
const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const RBAC_GROUP: &[&str] = &["rbac.authorization.k8s.io"];

#[rustfmt::skip] // a table
const ROWS: &[(&str, &[Rule])] = &[
    (LABEL_SELECTOR, &[Labels("matchLabels"), Run(workloads::label_selector_expressions)]),
    // apps
    ("apps.v1.DeploymentSpec", &[
        NonNegative("replicas"),
        Run(workloads::required_selector),
        Into("selector"),
        Run(|spec, errors| workloads::empty_selector(spec, "deployment", errors)),
        Run(|spec, errors| workloads::selector_matches_template(spec, Some("invalid label selector"), errors)),
        Into("template"),
        Run(|spec, errors| workloads::runs_forever(spec, "ReplicaSet", errors)),
        Into("strategy"),
        NonNegative("minReadySeconds"),
        NonNegative("revisionHistoryLimit"),
        NonNegative("progressDeadlineSeconds"),
        Run(workloads::deadline_after_ready),
    ]),
    ("apps.v1.DeploymentStrategy", &[Run(workloads::deployment_strategy)]),
    ("apps.v1.DeploymentStatus", &[
        NonNegative("observedGeneration"),
        NonNegative("replicas"),
        NonNegative("updatedReplicas"),
        NonNegative("readyReplicas"),
        NonNegative("availableReplicas"),
        NonNegative("unavailableReplicas"),
        NonNegative("terminatingReplicas"),
        NonNegative("collisionCount"),
        Run(|status, errors| workloads::not_more_than_replicas(status, &["updatedReplicas", "readyReplicas", "availableReplicas"], errors)),
        Run(workloads::available_are_ready),
    ]),
    ("apps.v1.ReplicaSetSpec", &[
        NonNegative("replicas"),
        NonNegative("minReadySeconds"),
        Run(workloads::required_selector),
        Into("selector"),
        // Upstream says deployment here too.
        Run(|spec, errors| workloads::empty_selector(spec, "deployment", errors)),
        Run(|spec, errors| workloads::selector_matches_template(spec, Some("invalid label selector"), errors)),
        Into("template"),
        Run(|spec, errors| workloads::runs_forever(spec, "ReplicaSet", errors)),
    ]),
    ("apps.v1.ReplicaSetStatus", &[
        NonNegative("replicas"),
        NonNegative("fullyLabeledReplicas"),
        NonNegative("readyReplicas"),
        NonNegative("availableReplicas"),
        NonNegative("observedGeneration"),
        NonNegative("terminatingReplicas"),
        Run(|status, errors| workloads::not_more_than_replicas(status, &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"], errors)),
        Run(workloads::available_are_ready),
    ]),
    ("apps.v1.DaemonSetSpec", &[
        Into("selector"),
        Run(|spec, errors| workloads::selector_matches_template(spec, None, errors)),
        Run(|spec, errors| workloads::empty_selector(spec, "daemonset", errors)),
        Into("template"),
        Run(|spec, errors| workloads::runs_forever(spec, "DaemonSet", errors)),
        NonNegative("minReadySeconds"),
        NonNegative("revisionHistoryLimit"),
    ]),
    ("apps.v1.DaemonSetUpdateStrategy", &[Run(workloads::daemon_set_strategy)]),
    ("apps.v1.StatefulSetSpec", &[
        Run(workloads::stateful_set_policies),
        NonNegative("replicas"),
        NonNegative("minReadySeconds"),
        Format("serviceName", format::dns1123_label),
        Run(workloads::required_selector),
        Into("selector"),
        Run(|spec, errors| workloads::empty_selector(spec, "statefulset", errors)),
        Run(|spec, errors| workloads::selector_matches_template(spec, Some(""), errors)),
        Into("template"),
        Run(|spec, errors| workloads::runs_forever(spec, "StatefulSet", errors)),
        NonNegative("revisionHistoryLimit"),
    ]),
    // batch
    ("batch.v1.JobSpec", &[
        NonNegative("parallelism"),
        NonNegative("completions"),
        NonNegative("activeDeadlineSeconds"),
        NonNegative("backoffLimit"),
        NonNegative("ttlSecondsAfterFinished"),
        NonNegative("backoffLimitPerIndex"),
        NonNegative("maxFailedIndexes"),
        OneOf("completionMode", &["NonIndexed", "Indexed"]),
        Run(workloads::job_spec),
        Into("template"),
        Run(workloads::runs_to_completion),
    ]),
    ("batch.v1.CronJobSpec", &[
        Required("schedule", ""),
        NonNegative("startingDeadlineSeconds"),
        OneOf("concurrencyPolicy", &["Allow", "Forbid", "Replace"]),
        NonNegative("successfulJobsHistoryLimit"),
        NonNegative("failedJobsHistoryLimit"),
    ]),
    // autoscaling
    ("autoscaling.v2.HorizontalPodAutoscalerSpec", &[Run(autoscaling::replicas), Run(autoscaling::target)]),
    // pods
    ("core.v1.PodTemplateSpec", &[Run(pods::template)]),
    ("core.v1.PodSpec", &[
        Run(pods::volumes),
        Required("containers", ""),
        Into("containers"),
        Unique("containers", "name"),
        Run(pods::host_ports),
        Into("initContainers"),
        Run(pods::init_containers),
        Run(pods::host_network),
        OneOf("restartPolicy", &["Always", "OnFailure", "Never"]),
        OneOf("dnsPolicy", &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]),
        Labels("nodeSelector"),
        Run(pods::dns_config),
        Format("serviceAccountName", format::dns1123_subdomain),
        Format("nodeName", format::dns1123_subdomain),
        Between("activeDeadlineSeconds", 1, I32_MAX),
        Format("hostname", format::dns1123_label),
        Format("subdomain", format::dns1123_label),
        Format("priorityClassName", format::dns1123_subdomain),
        Format("runtimeClassName", format::dns1123_subdomain),
        OneOf("preemptionPolicy", &["PreemptLowerPriority", "Never"]),
    ]),
    ("core.v1.Container", &[
        Required("name", ""),
        Format("name", format::dns1123_label),
        Required("image", ""),
        OneOf("terminationMessagePolicy", &["File", "FallbackToLogsOnError"]),
        Into("ports"),
        Unique("ports", "name"),
        Into("env"),
        Into("envFrom"),
        OneOf("imagePullPolicy", &["Always", "IfNotPresent", "Never"]),
        Into("lifecycle"),
        Into("livenessProbe"),
        Into("readinessProbe"),
        Into("startupProbe"),
        Run(pods::probes),
    ]),
    ("core.v1.ContainerPort", &[
        Format("name", format::port_name),
        Run(pods::container_port),
        Between("hostPort", PORT.0, PORT.1),
        OneOf("protocol", PROTOCOLS),
    ]),
    ("core.v1.EnvVar", &[Required("name", ""), Format("name", format::env_var_name), Run(pods::env_source), Run(pods::env_field)]),
    ("core.v1.EnvFromSource", &[Format("prefix", format::env_var_name), Run(pods::env_from_source)]),
    ("core.v1.ConfigMapEnvSource", &[Required("name", ""), Format("name", format::dns1123_subdomain)]),
    ("core.v1.SecretEnvSource", &[Required("name", ""), Format("name", format::dns1123_subdomain)]),
    ("core.v1.ConfigMapKeySelector", &[
        Always("name", format::dns1123_subdomain),
        Required("key", ""),
        Format("key", format::config_map_key),
    ]),
    ("core.v1.SecretKeySelector", &[
        Always("name", format::dns1123_subdomain),
        Required("key", ""),
        Format("key", format::config_map_key),
    ]),
    ("core.v1.ObjectFieldSelector", &[Required("fieldPath", "")]),
    ("core.v1.ResourceRequirements", &[Run(pods::resources)]),
    ("core.v1.Probe", &[
        Run(pods::handler),
        NonNegative("initialDelaySeconds"),
        NonNegative("timeoutSeconds"),
        NonNegative("periodSeconds"),
        NonNegative("successThreshold"),
        NonNegative("failureThreshold"),
        Run(pods::probe_grace),
    ]),
    ("core.v1.LifecycleHandler", &[Run(pods::handler)]),
    ("core.v1.ExecAction", &[Required("command", "")]),
    ("core.v1.HTTPGetAction", &[
        Required("path", ""),
        Run(|action, errors| pods::port_or_name(action, "port", errors)),
        OneOf("scheme", &["HTTP", "HTTPS"]),
        Run(pods::http_headers),
    ]),
    ("core.v1.TCPSocketAction", &[Run(|action, errors| pods::port_or_name(action, "port", errors))]),
    ("core.v1.GRPCAction", &[Run(|action, errors| pods::port_or_name(action, "port", errors))]),
    ("core.v1.Toleration", &[Run(pods::toleration)]),
    ("core.v1.HostAlias", &[Run(pods::host_alias)]),
    ("core.v1.NodeSelector", &[Required("nodeSelectorTerms", "must have at least one node selector term")]),
    ("core.v1.TopologySpreadConstraint", &[Run(pods::spread)]),
    ("core.v1.PodSecurityContext", &[
        Between("fsGroup", 0, I32_MAX),
        Between("runAsUser", 0, I32_MAX),
        Between("runAsGroup", 0, I32_MAX),
    ]),
    ("core.v1.SecurityContext", &[
        Between("runAsUser", 0, I32_MAX),
        Between("runAsGroup", 0, I32_MAX),
        Run(pods::privileges),
    ]),
    ("core.v1.ConfigMapVolumeSource", &[Required("name", ""), Run(DEFAULT_MODE)]),
    ("core.v1.SecretVolumeSource", &[Required("secretName", ""), Run(DEFAULT_MODE)]),
    ("core.v1.ProjectedVolumeSource", &[Run(DEFAULT_MODE)]),
    ("core.v1.DownwardAPIVolumeSource", &[Run(DEFAULT_MODE)]),
    ("core.v1.HostPathVolumeSource", &[Required("path", "")]),
    ("core.v1.NFSVolumeSource", &[Required("server", ""), Required("path", "")]),
    ("core.v1.PersistentVolumeClaimVolumeSource", &[Required("claimName", "")]),
    ("core.v1.KeyToPath", &[Required("key", ""), Required("path", ""), Run(|item, errors| pods::mode(item, "mode", errors))]),
    // core: the rest
    ("core.v1.ServiceSpec", &[
        Run(services::ports),
        Into("ports"),
        Labels("selector"),
        OneOf("sessionAffinity", &["ClientIP", "None"]),
        OneOf("type", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]),
        Run(services::repeated_ports),
        Run(addresses::cluster_ips),
        OneOf("externalTrafficPolicy", &["Cluster", "Local"]),
        Run(addresses::by_type),
        OneOf("internalTrafficPolicy", &["Cluster", "Local"]),
    ]),
    ("core.v1.ServicePort", &[
        Format("name", format::dns1123_label),
        Run(services::port_number),
        OneOf("protocol", PROTOCOLS),
        Run(|port, errors| pods::port_or_name(port, "targetPort", errors)),
        Format("appProtocol", format::label_key),
    ]),
    ("scheduling.v1.PriorityClass", &[Run(priorities::class)]),
    ("core.v1.ConfigMap", &[Run(services::config_map)]),
    ("core.v1.Secret", &[Run(services::secret)]),
    ("core.v1.PersistentVolumeClaimSpec", &[
        Required("accessModes", "at least 1 access mode is required"),
        Run(services::claim),
        OneOf("volumeMode", &["Block", "Filesystem"]),
    ]),
    ("networking.v1.ParentReference", &[
        Format("namespace", format::path_segment),
        Format("name", format::path_segment),
    ]),
    // rbac
    ("rbac.v1.Role", &[Run(services::namespaced_rules)]),
    ("rbac.v1.ClusterRole", &[Run(services::cluster_rules)]),
    ("rbac.v1.RoleBinding", &[
        Run(|binding, errors| services::role_ref(binding, &["Role", "ClusterRole"], errors)),
        Run(|binding, errors| services::subjects(binding, true, errors)),
    ]),
    ("rbac.v1.ClusterRoleBinding", &[
        Run(|binding, errors| services::role_ref(binding, &["ClusterRole"], errors)),
        Run(|binding, errors| services::subjects(binding, false, errors)),
    ]),
    ("rbac.v1.RoleRef", &[OneOf("apiGroup", RBAC_GROUP)]),
];

const DEFAULT_MODE: fn(&Scope<'_>, &mut ErrorList) =
    |source, errors| pods::mode(source, "defaultMode", errors);
