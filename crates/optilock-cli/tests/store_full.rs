//! `optilock serve --store redb:PATH` where its file can't grow any more, for a while: a limit on the size of files says so.
#![cfg(target_os = "linux")]
// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use common::{Serve, text, wait_for};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Config, Error, ResourceExt,
    api::{ListParams, PostParams},
    config::Kubeconfig,
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// More than the file has room for at any time.
const MANY: usize = 40;

/// A server that outlives writes over its limit: the signal that comes with them is ignored.
fn serve(store: &Path) -> Serve {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    let mut child = Command::new("/bin/sh")
        .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
        .args([env!("CARGO_BIN_EXE_optilock"), "serve"])
        .args(["--controllers", "none", "--kubeconfig", text(&kubeconfig)])
        .args(["--store", &format!("redb:{}", text(store))])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&mut child, "listening on ");
    Serve {
        child,
        kubeconfig,
        directory,
    }
}

/// Files of the process may be so large from now on.
fn limit(child: &Child, bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Some(Pid::from_child(child)), Resource::Fsize, limit).unwrap();
}

async fn api(serve: &Serve) -> Api<ConfigMap> {
    let kubeconfig = Kubeconfig::read_from(&serve.kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await;
    let mut config = config.unwrap();
    // What is sent once is to be written once.
    config.default_retry = false;
    Api::default_namespaced(Client::try_from(config).unwrap())
}

/// What was acknowledged: names and versions.
type Acknowledged = BTreeMap<String, String>;

async fn create(
    api: &Api<ConfigMap>,
    name: &str,
    acknowledged: &mut Acknowledged,
) -> Result<(), Error> {
    let mut object = ConfigMap {
        data: Some([("k".to_owned(), "x".repeat(100_000))].into()),
        ..ConfigMap::default()
    };
    object.metadata.name = Some(name.to_owned());
    let created = api.create(&PostParams::default(), &object).await?;
    acknowledged.insert(created.name_any(), created.resource_version().unwrap());
    Ok(())
}

async fn held(api: &Api<ConfigMap>) -> Acknowledged {
    let list = api.list(&ListParams::default()).await.unwrap();
    let held = |object: ConfigMap| (object.name_any(), object.resource_version().unwrap());
    list.items.into_iter().map(held).collect()
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut server = serve(&store);
    let objects = api(&server).await;
    let mut acknowledged = held(&objects).await;
    create(&objects, "first", &mut acknowledged).await.unwrap();

    limit(&server.child, Some(fs::metadata(&store).unwrap().len()));
    let mut refused = Vec::new();
    for n in 0..MANY {
        if let Err(error) = create(&objects, &format!("full-{n}"), &mut acknowledged).await {
            let Error::Api(status) = error else {
                panic!("{error}");
            };
            assert_eq!(status.code, 500, "{status:?}");
            assert!(status.message.contains("no space"), "{status:?}");
            refused.push(format!("full-{n}"));
        }
    }
    assert!(!refused.is_empty(), "the file has grown over its limit");
    // Reads go on, and show nothing that was refused.
    assert_eq!(held(&objects).await, acknowledged);

    limit(&server.child, None);
    let mut tries = 0;
    while create(&objects, "again", &mut acknowledged).await.is_err() {
        tries += 1;
        assert!(tries < 100_000, "nothing is written any more");
    }
    for name in refused {
        create(&objects, &name, &mut acknowledged).await.unwrap();
    }
    assert_eq!(held(&objects).await, acknowledged);

    // It is all on the disk.
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = serve(&store);
    assert_eq!(held(&api(&server).await).await, acknowledged);
}
