//! The audit log: the events of kube-apiserver, and what never is in it.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use common::{Api, CONFIGMAPS, configmap};
use http::Method;
use optilock_apiserver::{AuditLevel, AuditLog, Server};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// A file that can be full.
#[derive(Debug, Clone, Default)]
struct File(Arc<Mutex<(Vec<u8>, bool)>>);

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.0.lock();
        if file.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl File {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().0.clone()).unwrap()
    }

    fn events(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn logged(level: AuditLevel) -> (Api, AuditLog, File) {
    let file = File::default();
    let log = AuditLog::new(file.clone(), level).unwrap();
    let clock = || "2026-01-02T03:04:05.678901Z".parse().unwrap();
    let server = Server::builder()
        .controllers([])
        .clock(clock)
        .audit(log.clone());
    (Api::of(server.build()), log, file)
}

/// The order of members and what is left out are those of Go's `Event`.
#[tokio::test]
async fn events_are_those_of_kube_apiserver() {
    let (api, log, file) = logged(AuditLevel::Metadata);
    let headers = [("audit-id", "my-own"), ("user-agent", "tests")];
    let path = format!("{CONFIGMAPS}?fieldManager=m");
    let body = configmap("a").to_string();
    let answer = api.call(Method::POST, &path, &headers, body.clone()).await;
    assert_eq!(answer.headers["audit-id"], "my-own");
    let refused = api.call(Method::POST, &path, &[], body).await;
    assert_eq!(refused.code, 409);
    assert_eq!(refused.headers["audit-id"].len(), 36);
    log.flush();
    let text = file.text();
    let head = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"my-own","stage":"#;
    let request = r#","requestURI":"/api/v1/namespaces/default/configmaps?fieldManager=m","verb":"create","user":{"username":"optilock-admin","groups":["system:masters","system:authenticated"]},"userAgent":"tests","objectRef":{"resource":"configmaps","namespace":"default","#;
    let times = r#""requestReceivedTimestamp":"2026-01-02T03:04:05.678901Z","stageTimestamp":"2026-01-02T03:04:05.678901Z""#;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        format!("{head}\"RequestReceived\"{request}\"apiVersion\":\"v1\"}},{times}}}")
    );
    assert_eq!(
        lines[1],
        format!(
            "{head}\"ResponseComplete\"{request}\"name\":\"a\",\"apiVersion\":\"v1\"}},\"responseStatus\":{{\"metadata\":{{}},\"code\":201}},{times},\
             \"annotations\":{{\"authorization.k8s.io/decision\":\"allow\",\"authorization.k8s.io/reason\":\"\"}}}}"
        )
    );
    let events = file.events();
    assert_eq!(
        events[3]["responseStatus"],
        json!({
            "metadata": {}, "status": "Failure", "reason": "AlreadyExists", "code": 409,
            "message": "configmaps \"a\" already exists",
            "details": {"name": "a", "kind": "configmaps"},
        })
    );
    assert_eq!(events.len(), 4);
}

#[tokio::test]
async fn watches_and_strangers_have_stages_of_their_own() {
    let (api, log, file) = logged(AuditLevel::Metadata);
    let watch = api.watch(&format!("{CONFIGMAPS}?watch=1")).await;
    log.flush();
    let stages = |events: &[Value]| -> Vec<String> {
        events
            .iter()
            .map(|event| event["stage"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        stages(&file.events()),
        ["RequestReceived", "ResponseStarted"]
    );
    drop(watch);
    api.call(
        Method::GET,
        CONFIGMAPS,
        &[("authorization", "Bearer wrong")],
        "",
    )
    .await;
    log.flush();
    let events = file.events();
    assert_eq!(
        stages(&events)[2..],
        ["ResponseComplete", "ResponseStarted"]
    );
    let stranger = &events[3];
    assert_eq!(stranger["user"], json!({}));
    assert_eq!(stranger["responseStatus"]["code"], 401);
    assert_eq!(stranger["responseStatus"]["message"], "Unauthorized");
}

/// What was sent is shown at level Request, in JSON whatever it came in; secrets and tokens never are, at any level.
#[tokio::test]
async fn secrets_are_not_written_down() {
    let (api, log, file) = logged(AuditLevel::Request);
    api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    let yaml = [("content-type", "application/apply-patch+yaml")];
    let path = format!("{CONFIGMAPS}/a?fieldManager=m&force=true");
    let patch = Bytes::from_static(b"apiVersion: v1\nkind: ConfigMap\ndata: {k: w}\n");
    api.call(Method::PATCH, &path, &yaml, patch).await;
    let hidden = "aGlkZGVu";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": hidden}});
    let secrets = "/api/v1/namespaces/default/secrets";
    api.post(secrets, &secret).await.expect(201);
    api.patch(
        &format!("{secrets}/s"),
        "merge",
        &json!({"data": {"l": hidden}}),
    )
    .await
    .expect(200);
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": hidden}});
    api.post("/apis/authentication.k8s.io/v1/tokenreviews", &review)
        .await
        .expect(201);
    let bearer = format!("Bearer {hidden}");
    api.call(Method::GET, CONFIGMAPS, &[("authorization", &bearer)], "")
        .await;
    log.flush();
    let events = file.events();
    assert_eq!(events[1]["requestObject"]["data"], json!({"k": "v"}));
    assert!(
        events[3]["requestObject"]
            .as_str()
            .unwrap()
            .contains("data: {k: w}")
    );
    assert!(!file.text().contains(hidden), "{}", file.text());
    assert_eq!(events[5]["objectRef"]["name"], "s");
}

/// A disk that is full holds up nobody. What is lost is counted, and what comes later is written on lines of its own.
#[tokio::test]
async fn a_full_disk_holds_up_nobody() {
    let (api, log, file) = logged(AuditLevel::Metadata);
    file.0.lock().1 = true;
    for _ in 0..10 {
        api.get(CONFIGMAPS).await.expect(200);
    }
    log.flush();
    assert_eq!(file.text(), "");
    let metrics = api.get("/metrics").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    let lost = metrics.lines().find_map(|line| {
        let lost = line.strip_prefix("apiserver_audit_error_total{plugin=\"log\"} ")?;
        lost.parse::<u64>().ok()
    });
    // The last request may have lost its first event already.
    assert!(matches!(lost, Some(20 | 21)), "{metrics}");
    log.flush();
    file.0.lock().1 = false;
    api.get(CONFIGMAPS).await.expect(200);
    log.flush();
    assert_eq!(file.events().len(), 2);
}
