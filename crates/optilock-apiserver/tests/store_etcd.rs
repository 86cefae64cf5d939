//! The store in an etcd: who is let in, what it says when etcd is away, full or another one, and two of them side by side.
//!
//! `cargo xtask test --only etcd` builds an etcd and runs them.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

#[path = "common/etcd.rs"]
mod etcd;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use etcd::Etcd;
use optilock_apiserver::store::{
    CommitError, EtcdError, EtcdOptions, EtcdStore, Expected, Fault, Range, ReadError, Retention,
    Store,
};
use optilock_conformance::ask_etcd;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "/registry/configmaps/default/a";

async fn connect(options: &EtcdOptions) -> Result<EtcdStore, EtcdError> {
    EtcdStore::connect(options, Retention::default()).await
}

async fn store(etcd: &Etcd) -> EtcdStore {
    connect(&EtcdOptions::new(&etcd.url).unwrap())
        .await
        .unwrap()
}

fn config_map(value: &str) -> Option<Bytes> {
    let json = format!(
        r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"a","namespace":"default"}},"data":{{"k":"{value}"}}}}"#
    );
    Some(json.into())
}

async fn put(store: &EtcdStore, expected: Expected, value: &str) -> u64 {
    store
        .commit(KEY, expected, config_map(value))
        .await
        .unwrap()
}

/// A key of etcd's, as it has it.
async fn raw(etcd: &Etcd, key: &str) -> Value {
    let request = json!({"key": STANDARD.encode(key)});
    let answer = ask_etcd(&etcd.url, "/v3/kv/range", &request).await;
    answer.unwrap()["kvs"][0].clone()
}

#[tokio::test]
#[ignore = "needs an etcd: cargo xtask test --only etcd"]
async fn what_one_has_written_the_other_reads_at_once() {
    let etcd = Etcd::start();
    let (one, other) = (store(&etcd).await, store(&etcd).await);
    let mut cursor = other.watch("/registry/", other.revision()).unwrap();
    let first = put(&one, Expected::Absent, "1").await;
    let read = other.get(KEY).await.unwrap().unwrap();
    assert_eq!((Some(read.value), read.revision), (config_map("1"), first));
    let second = put(&other, Expected::Revision(first), "2").await;
    let late = one
        .commit(KEY, Expected::Revision(first), config_map("3"))
        .await;
    let Err(CommitError::Mismatch(Some(current))) = late else {
        panic!("{late:?}");
    };
    assert_eq!(
        (Some(current.value), current.revision),
        (config_map("2"), second)
    );
    one.commit(KEY, Expected::Revision(second), None)
        .await
        .unwrap();
    assert!(other.get(KEY).await.unwrap().is_none());
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.extend(cursor.next().await.unwrap());
    }
    let values: Vec<_> = seen.iter().map(|event| event.value.clone()).collect();
    assert_eq!(values, [config_map("1"), config_map("2"), None]);
    // What memory has forgotten, etcd may know yet.
    let third = store(&etcd).await;
    let range = Range {
        limit: 1,
        at: Some(second),
        ..Range::all("/registry/configmaps/")
    };
    let past = third.range(range).await.unwrap();
    assert_eq!((past.entries.len(), past.remaining), (1, 0));
    assert_eq!(past.entries[0].revision, second);
}

#[tokio::test]
#[ignore = "needs an etcd: cargo xtask test --only etcd"]
async fn values_are_those_of_kube_apiserver_and_events_have_a_lease() {
    let etcd = Etcd::start();
    let store = store(&etcd).await;
    put(&store, Expected::Absent, "1").await;
    let value = STANDARD.decode(raw(&etcd, KEY).await["value"].as_str().unwrap());
    assert!(value.unwrap().starts_with(b"k8s\0"));
    assert_eq!(raw(&etcd, KEY).await["lease"], Value::Null);
    let event = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"e","namespace":"default"},"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,"reportingComponent":"","reportingInstance":""}"#;
    let key = "/registry/events/default/e";
    let made = store
        .commit(key, Expected::Absent, Some(event.into()))
        .await;
    made.unwrap();
    assert!(raw(&etcd, key).await["lease"].is_string());
}

#[tokio::test]
#[ignore = "needs an etcd: cargo xtask test --only etcd"]
async fn history_is_compacted_by_one_of_them() {
    let etcd = Etcd::start();
    let options = EtcdOptions::new(&etcd.url).unwrap();
    let retention = Retention {
        age: Duration::ZERO,
        ..Retention::default()
    };
    let one = EtcdStore::connect(&options, retention).await.unwrap();
    let other = EtcdStore::connect(&options, retention).await.unwrap();
    let first = put(&one, Expected::Absent, "1").await;
    let second = put(&one, Expected::Revision(first), "2").await;
    let range = Range {
        at: Some(first - 1),
        ..Range::all("/registry/")
    };
    // Memory knows no more than the last change here. Each of them looks once a second.
    while !matches!(
        other.range(range.clone()).await,
        Err(ReadError::Compacted { .. })
    ) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let marker = raw(&etcd, "compact_rev_key").await;
    let revision = STANDARD.decode(marker["value"].as_str().unwrap()).unwrap();
    let revision: u64 = String::from_utf8(revision).unwrap().parse().unwrap();
    assert!(revision >= first, "{revision}");
    assert_eq!(one.get(KEY).await.unwrap().unwrap().revision, second);
}

#[tokio::test]
#[ignore = "needs an etcd: cargo xtask test --only etcd"]
async fn only_who_is_known_is_let_in() {
    let mut etcd = Etcd::start();
    for (path, body) in [
        ("user/add", json!({"name": "root", "password": "right"})),
        ("role/add", json!({"name": "root"})),
        ("user/grant", json!({"user": "root", "role": "root"})),
        ("enable", json!({})),
    ] {
        ask_etcd(&etcd.url, &format!("/v3/auth/{path}"), &body)
            .await
            .unwrap();
    }
    let options = EtcdOptions::new(&etcd.url).unwrap();
    for (options, why) in [
        (options.clone(), "user name is empty"),
        (
            options.clone().user("root", "wrong"),
            "authentication failed",
        ),
    ] {
        let error = connect(&options).await.unwrap_err();
        assert!(matches!(error, EtcdError::Refused { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(why) && text.contains(&etcd.url), "{text}");
    }
    let store = connect(&options.user("root", "right")).await.unwrap();
    let first = put(&store, Expected::Absent, "1").await;
    // A new etcd does not know the tokens of the old one.
    etcd.kill();
    etcd.start_again();
    assert_eq!(store.get(KEY).await.unwrap().unwrap().revision, first);
    put(&store, Expected::Revision(first), "2").await;
}

/// A certificate for 127.0.0.1 and its key, as files, and the authority that both sides trust.
struct Papers {
    ca: String,
    certificate: String,
    key: String,
    folder: TempDir,
}

impl Papers {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&ca_key).unwrap().pem();
        let issuer = Issuer::new(params, ca_key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap().pem();
        let papers = Self {
            ca,
            certificate,
            key: key.serialize_pem(),
            folder: tempfile::tempdir().unwrap(),
        };
        for (name, pem) in [
            ("ca", &papers.ca),
            ("certificate", &papers.certificate),
            ("key", &papers.key),
        ] {
            std::fs::write(papers.folder.path().join(name), pem).unwrap();
        }
        papers
    }

    fn option(&self, option: &str, name: &str) -> String {
        format!("--{option}={}", self.folder.path().join(name).display())
    }
}

#[tokio::test]
#[ignore = "needs an etcd: cargo xtask test --only etcd"]
async fn both_sides_show_their_certificates() {
    let papers = Papers::new();
    let etcd = Etcd::with(
        "https",
        &[
            papers.option("cert-file", "certificate"),
            papers.option("key-file", "key"),
            papers.option("trusted-ca-file", "ca"),
            "--client-cert-auth".to_owned(),
        ],
    );
    let options = EtcdOptions::new(&etcd.url).unwrap();
    let trusting = options.clone().certificate_authority(&*papers.ca);
    for (options, why) in [
        (options.clone(), "invalid peer certificate"),
        (trusting.clone(), ""),
        (
            EtcdOptions::new(&etcd.url.replace("https", "http")).unwrap(),
            "",
        ),
    ] {
        let error = connect(&options).await.unwrap_err();
        assert!(matches!(error, EtcdError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    let known = trusting.client_certificate(&*papers.certificate, &*papers.key);
    let store = connect(&known).await.unwrap();
    put(&store, Expected::Absent, "1").await;
}

#[tokio::test]
async fn an_address_without_an_etcd_is_told() {
    // Port 1 is nobody's.
    let options = EtcdOptions::new("http://127.0.0.1:1").unwrap();
    let error = connect(&options).await.unwrap_err();
    assert!(matches!(error, EtcdError::Unreachable { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("127.0.0.1:1") && text.contains("refused"),
        "{text}"
    );
    for url in [
        "",
        "127.0.0.1:2379",
        "http://a,b",
        "ftp://a",
        "http://u:p@a",
        "http://a/b",
    ] {
        let error = EtcdOptions::new(url).unwrap_err();
        assert!(matches!(error, EtcdError::Url { .. }), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs an etcd: cargo xtask test --only etcd"]
async fn without_etcd_nothing_is_answered_and_nothing_is_lost() {
    let mut etcd = Etcd::start();
    let store = store(&etcd).await;
    let first = put(&store, Expected::Absent, "1").await;
    etcd.kill();
    let (read, written) = tokio::join!(
        store.get(KEY),
        store.commit(KEY, Expected::Revision(first), config_map("2"))
    );
    assert!(matches!(read, Err(ReadError::Unavailable(_))), "{read:?}");
    // The first try may have found the connection there, and lost it.
    assert!(
        matches!(
            written,
            Err(CommitError::Refused(Fault::Unreachable(_)) | CommitError::Unknown(_))
        ),
        "{written:?}"
    );
    etcd.start_again();
    assert_eq!(store.get(KEY).await.unwrap().unwrap().revision, first);
    put(&store, Expected::Revision(first), "3").await;
}

#[tokio::test]
#[ignore = "needs an etcd: cargo xtask test --only etcd"]
async fn a_full_etcd_takes_nothing_and_is_read() {
    let etcd = Etcd::start();
    let store = store(&etcd).await;
    let first = put(&store, Expected::Absent, "1").await;
    let status = ask_etcd(&etcd.url, "/v3/maintenance/status", &json!({}))
        .await
        .unwrap();
    let alarm = async |action| {
        let alarm = json!({"action": action, "memberID": status["header"]["member_id"], "alarm": "NOSPACE"});
        ask_etcd(&etcd.url, "/v3/maintenance/alarm", &alarm)
            .await
            .unwrap();
    };
    alarm("ACTIVATE").await;
    let full = store
        .commit(KEY, Expected::Revision(first), config_map("2"))
        .await;
    assert!(
        matches!(full, Err(CommitError::Refused(Fault::NoSpace))),
        "{full:?}"
    );
    assert_eq!(store.get(KEY).await.unwrap().unwrap().revision, first);
    alarm("DEACTIVATE").await;
    put(&store, Expected::Revision(first), "3").await;
}

#[tokio::test]
#[ignore = "needs an etcd: cargo xtask test --only etcd"]
async fn another_history_takes_the_place_of_the_first() {
    let mut etcd = Etcd::start();
    let store = store(&etcd).await;
    let first = put(&store, Expected::Absent, "1").await;
    let last = put(&store, Expected::Revision(first), "2").await;
    let mut cursor = store.watch("/registry/", last).unwrap();
    etcd.kill();
    etcd.forget();
    etcd.start_again();
    // What the first one held is never read again.
    let read = loop {
        match store.get(KEY).await {
            Ok(read) => break read,
            Err(ReadError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(read.is_none(), "{read:?}");
    assert!(matches!(
        cursor.next().await,
        Err(ReadError::Compacted { .. })
    ));
    put(&store, Expected::Absent, "3").await;
}
