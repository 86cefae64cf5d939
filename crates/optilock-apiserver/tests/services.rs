//! Services: addresses and node ports, and the Service by which the server is known.
//!
//! Texts and shapes are those that kube-apiserver 1.36.3 gave with `--service-cluster-ip-range=10.0.0.0/24`.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{Answer, Api};
use http::Method;
use serde_json::{Value, json};

const SERVICES: &str = "/api/v1/namespaces/default/services";
const ADDRESSES: &str = "/apis/networking.k8s.io/v1/ipaddresses";

fn service(name: &str, spec: &Value) -> Value {
    let mut object = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}});
    for (member, value) in spec.as_object().unwrap() {
        object["spec"][member] = value.clone();
    }
    object
}

async fn create(api: &Api, name: &str, spec: Value) -> Answer {
    api.post(SERVICES, &service(name, &spec)).await
}

async fn created(api: &Api, name: &str, spec: Value) -> Value {
    create(api, name, spec).await.expect(201)["spec"].take()
}

async fn update(api: &Api, name: &str, change: Value) -> Answer {
    let path = format!("{SERVICES}/{name}");
    let mut object = api.get(&path).await.expect(200);
    for (member, value) in change.as_object().unwrap() {
        if value.is_null() {
            object["spec"].as_object_mut().unwrap().remove(member);
        } else {
            object["spec"][member] = value.clone();
        }
    }
    api.put(&path, &object).await
}

#[tokio::test]
async fn a_service_gets_an_address_and_gives_it_back() {
    let api = Api::new();
    let spec = created(&api, "a", json!({})).await;
    let address = spec["clusterIP"].as_str().unwrap().to_owned();
    assert!(address.starts_with("10.0.0."), "{address}");
    assert_eq!(
        spec,
        json!({
            "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
            "clusterIP": address, "clusterIPs": [address], "type": "ClusterIP", "sessionAffinity": "None",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
        })
    );
    let path = format!("{ADDRESSES}/{address}");
    let held = api.get(&path).await.expect(200);
    assert_eq!(
        held["metadata"]["labels"],
        json!({"ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"})
    );
    assert_eq!(
        held["spec"],
        json!({"parentRef": {"resource": "services", "namespace": "default", "name": "a"}})
    );
    let name = format!("{SERVICES}/a");
    assert_eq!(api.delete(&name).await.expect(200)["kind"], "Service");
    assert_eq!(api.get(&path).await.code, 404);
}

#[tokio::test]
async fn what_is_asked_for_has_to_be_free_and_in_range() {
    let api = Api::new();
    let asked = created(&api, "a", json!({"clusterIP": "10.0.0.200"})).await;
    assert_eq!(asked["clusterIPs"], json!(["10.0.0.200"]));
    for (spec, why) in [
        (
            json!({"clusterIP": "10.0.0.200"}),
            r#"spec.clusterIPs: Invalid value: ["10.0.0.200"]: failed to allocate IP 10.0.0.200: provided IP is already allocated"#,
        ),
        (
            json!({"clusterIP": "192.168.3.3"}),
            r#"spec.clusterIPs: Invalid value: ["192.168.3.3"]: failed to allocate IP 192.168.3.3: the provided network does not match the current range"#,
        ),
        (
            json!({"clusterIP": "10.0.0.255"}),
            r#"spec.clusterIPs: Invalid value: ["10.0.0.255"]: failed to allocate IP 10.0.0.255: the provided network does not match the current range"#,
        ),
        (
            json!({"clusterIP": "nope"}),
            r#"spec.clusterIPs[0]: Invalid value: "nope": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
        ),
        (
            json!({"clusterIP": "fd00::1"}),
            r#"spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster"#,
        ),
        (
            json!({"ipFamilies": ["IPv6"]}),
            r#"spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster"#,
        ),
        (
            json!({"ipFamilyPolicy": "RequireDualStack"}),
            r#"spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services"#,
        ),
        (
            json!({"clusterIP": "10.0.0.77", "clusterIPs": ["10.0.0.78"]}),
            r#"spec.clusterIPs: Invalid value: ["10.0.0.78"]: first value must match `clusterIP`"#,
        ),
        (
            json!({"clusterIPs": ["10.0.0.79", "10.0.0.80"]}),
            r#"[spec.clusterIPs: Invalid value: ["10.0.0.79","10.0.0.80"]: must be empty when `clusterIP` is not specified, spec.clusterIPs: Invalid value: ["10.0.0.79","10.0.0.80"]: may specify no more than one IP for each IP family]"#,
        ),
        (
            json!({"type": "ExternalName", "externalName": "x.example.com", "clusterIP": "10.0.0.9"}),
            "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
        ),
        (
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}),
            "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767",
        ),
        (
            json!({"type": "LoadBalancer", "healthCheckNodePort": 31998}),
            "spec.healthCheckNodePort: Invalid value: 31998: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ),
        (
            json!({"externalTrafficPolicy": "Local"}),
            r#"spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services"#,
        ),
        (
            json!({"loadBalancerClass": "a.b/c"}),
            "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
    ] {
        let refused = create(&api, "b", spec.clone()).await.expect(422);
        assert_eq!(
            refused["message"],
            format!("Service \"b\" is invalid: {why}"),
            "{spec}"
        );
    }
    // Nothing of all that was kept.
    let held = api.get(ADDRESSES).await.expect(200);
    let names: Vec<&Value> = held["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["metadata"]["name"])
        .collect();
    assert_eq!(names, ["10.0.0.1", "10.0.0.200"]);
}

#[tokio::test]
async fn a_service_without_an_address_has_its_families() {
    let api = Api::new();
    let free = created(&api, "h", json!({"clusterIP": "None"})).await;
    assert_eq!(free["clusterIPs"], json!(["None"]));
    assert_eq!(free["ipFamilies"], json!(["IPv4", "IPv6"]));
    assert_eq!(free["ipFamilyPolicy"], "RequireDualStack");
    let bound = created(
        &api,
        "s",
        json!({"clusterIP": "None", "selector": {"a": "b"}}),
    )
    .await;
    assert_eq!(bound["ipFamilies"], json!(["IPv4"]));
    assert_eq!(bound["ipFamilyPolicy"], "SingleStack");
    let refused = update(
        &api,
        "s",
        json!({"clusterIP": "10.0.0.150", "clusterIPs": ["10.0.0.150"]}),
    )
    .await;
    assert!(refused.refusal().2.ends_with("may not change once set"));
}

#[tokio::test]
async fn node_ports_are_given_once() {
    let api = Api::new();
    let port = |spec: &Value| spec["ports"][0]["nodePort"].as_i64().unwrap();
    let any = created(&api, "n", json!({"type": "NodePort"})).await;
    assert!((30_000..=32_767).contains(&port(&any)));
    assert_eq!(any["externalTrafficPolicy"], "Cluster");
    let asked = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30_123}]});
    created(&api, "n2", asked.clone()).await;
    let refused = create(&api, "n3", asked).await.expect(422);
    assert_eq!(
        refused["message"],
        "Service \"n3\" is invalid: spec.ports[0].nodePort: Invalid value: 30123: provided port is already allocated"
    );
    // One port with two protocols is one port of the nodes.
    let ports = json!([{"name": "a", "port": 53, "protocol": "UDP"}, {"name": "b", "port": 53, "protocol": "TCP"}]);
    let both = created(&api, "n4", json!({"type": "NodePort", "ports": ports})).await;
    assert_eq!(
        both["ports"][0]["nodePort"], both["ports"][1]["nodePort"],
        "{both}"
    );
    // What an update leaves out stays.
    let kept = update(&api, "n", json!({"ports": [{"port": 81}]}))
        .await
        .expect(200);
    assert_eq!(port(&kept["spec"]), port(&any));
    let refused = update(
        &api,
        "n",
        json!({"ports": [{"port": 80, "nodePort": 30_123}]}),
    )
    .await;
    assert_eq!(refused.code, 422);
    // A port that nobody has any more can be had.
    api.delete(&format!("{SERVICES}/n2")).await.expect(200);
    let moved = update(
        &api,
        "n",
        json!({"ports": [{"port": 80, "nodePort": 30_123}]}),
    )
    .await;
    assert_eq!(port(&moved.expect(200)["spec"]), 30_123);
    let freed = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port(&any)}]});
    created(&api, "n5", freed).await;
}

#[tokio::test]
async fn health_checks_have_a_port() {
    let api = Api::new();
    let local = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31_999});
    let first = created(&api, "l", local.clone()).await;
    assert_eq!(first["healthCheckNodePort"], 31_999);
    assert_eq!(first["allocateLoadBalancerNodePorts"], true);
    let refused = create(&api, "l2", local).await.expect(500);
    assert_eq!(
        refused["message"],
        "Internal error occurred: failed to allocate requested HealthCheck NodePort 31999: provided port is already allocated"
    );
    let changed = update(&api, "l", json!({"healthCheckNodePort": 30_001})).await;
    assert_eq!(
        changed.refusal().2,
        "Service \"l\" is invalid: spec.healthCheckNodePort: Forbidden: field is immutable"
    );
    let kept = update(&api, "l", json!({"healthCheckNodePort": null}))
        .await
        .expect(200);
    assert_eq!(kept["spec"]["healthCheckNodePort"], 31_999);
    let cluster = update(&api, "l", json!({"externalTrafficPolicy": "Cluster"}))
        .await
        .expect(200);
    assert!(cluster["spec"].get("healthCheckNodePort").is_none());
    let declined = created(
        &api,
        "l3",
        json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false}),
    )
    .await;
    assert!(declined["ports"][0].get("nodePort").is_none());
}

#[tokio::test]
async fn addresses_stay_and_go_with_the_type() {
    let api = Api::new();
    let spec = created(&api, "a", json!({})).await;
    let address = spec["clusterIP"].clone();
    for change in [
        json!({"clusterIP": "10.0.0.222", "clusterIPs": ["10.0.0.222"]}),
        json!({"clusterIP": "10.0.0.222"}),
    ] {
        assert_eq!(
            update(&api, "a", change).await.refusal().2,
            r#"Service "a" is invalid: spec.clusterIPs[0]: Invalid value: ["10.0.0.222"]: may not change once set"#
        );
    }
    for change in [
        json!({"clusterIP": null, "clusterIPs": null}),
        json!({"clusterIP": null}),
        json!({"ipFamilies": null, "ipFamilyPolicy": null}),
    ] {
        assert_eq!(update(&api, "a", change).await.expect(200)["spec"], spec);
    }
    let node = update(&api, "a", json!({"type": "NodePort"}))
        .await
        .expect(200);
    let port = node["spec"]["ports"][0]["nodePort"].clone();
    assert_eq!(node["spec"]["clusterIP"], address);
    let local = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"});
    let local = update(&api, "a", local).await.expect(200);
    assert_eq!(local["spec"]["ports"][0]["nodePort"], port);
    assert!(local["spec"]["healthCheckNodePort"].is_i64());
    let back = update(&api, "a", json!({"type": "ClusterIP"}))
        .await
        .expect(200);
    assert_eq!(back["spec"], spec);

    let external = json!({"type": "ExternalName", "externalName": "x.y"});
    let external = update(&api, "a", external).await.expect(200);
    assert_eq!(
        external["spec"],
        json!({
            "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
            "type": "ExternalName", "sessionAffinity": "None", "externalName": "x.y",
        })
    );
    let path = format!("{ADDRESSES}/{}", address.as_str().unwrap());
    assert_eq!(api.get(&path).await.code, 404);
    let again = json!({"type": "ClusterIP", "externalName": null});
    let again = update(&api, "a", again).await.expect(200);
    assert!(again["spec"]["clusterIP"].is_string());
}

#[tokio::test]
async fn a_dry_run_takes_nothing() {
    let api = Api::new();
    let path = format!("{SERVICES}?dryRun=All");
    let dry = api
        .post(&path, &service("d", &json!({"type": "NodePort"})))
        .await
        .expect(201);
    assert_eq!(dry["spec"]["clusterIP"], "10.0.0.0");
    assert!(dry["spec"]["ports"][0]["nodePort"].is_i64());
    let held = api.get(ADDRESSES).await.expect(200);
    assert_eq!(held["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn all_addresses_can_be_had_and_no_more() {
    let api = Api::new();
    for at in 1..254 {
        created(&api, &format!("s{at}"), json!({})).await;
    }
    let refused = create(&api, "more", json!({})).await.refusal();
    assert_eq!(refused.0, 500);
    assert!(refused.2.ends_with("range is full"), "{}", refused.2);
    api.delete(&format!("{SERVICES}/s7")).await.expect(200);
    created(&api, "more", json!({})).await;
}

#[tokio::test]
async fn the_server_is_a_service_itself() {
    let api = Api::new();
    let own = api.get(&format!("{SERVICES}/kubernetes")).await.expect(200);
    assert_eq!(
        own["metadata"]["labels"],
        json!({"component": "apiserver", "provider": "kubernetes"})
    );
    assert_eq!(own["spec"]["clusterIP"], "10.0.0.1");
    assert_eq!(own["spec"]["ports"][0]["port"], 443);
    let range = "/apis/networking.k8s.io/v1/servicecidrs/kubernetes";
    let range = api.get(range).await.expect(200);
    assert_eq!(range["spec"], json!({"cidrs": ["10.0.0.0/24"]}));
    assert_eq!(range["status"]["conditions"][0]["status"], "True");
    let classes = api
        .call(
            Method::GET,
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            &[],
            "",
        )
        .await
        .expect(200);
    let values: Vec<&Value> = classes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| &class["value"])
        .collect();
    assert_eq!(values, [2_000_000_000, 2_000_001_000]);
}
