//! `optilock-bench first`: how long a program that has just begun waits for its first answer from a server in process.

use std::time::Instant;

use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use optilock_apiserver::Server;
use serde_json::json;

pub(crate) fn run() -> Result<()> {
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let api: Api<Namespace> = Api::all(Server::new().client());
        api.get("default").await?;
        println!(
            "{}",
            json!({"first_us": began.elapsed().as_micros() as u64})
        );
        Ok(())
    })
}
