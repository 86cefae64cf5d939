//! The kubeconfig of a control plane.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// A user with its bearer token. The context of the same name is that user on the cluster.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) token: String,
}

/// A kubeconfig (JSON, which is YAML) with one cluster and a context for each user, the first of
/// them current.
pub(crate) fn kubeconfig(server: &str, ca_pem: &[u8], users: &[User]) -> Value {
    let entries: Vec<_> = users
        .iter()
        .map(|user| json!({"name": user.name, "user": {"token": user.token}}))
        .collect();
    let contexts: Vec<_> = users
        .iter()
        .map(|user| json!({"name": user.name, "context": {"cluster": CLUSTER, "user": user.name}}))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": CLUSTER,
            "cluster": {
                "server": server,
                "certificate-authority-data": STANDARD.encode(ca_pem),
            },
        }],
        "users": entries,
        "contexts": contexts,
        "current-context": users.first().map(|user| user.name),
    })
}

const CLUSTER: &str = "control-plane";

/// Writes `value` to `path`, whole or not at all, readable by its owner alone.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<()> {
    let write = || -> Result<()> {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let mut file = NamedTempFile::new_in(parent.unwrap_or(Path::new(".")))?;
        serde_json::to_writer_pretty(&mut file, value)?;
        file.write_all(b"\n")?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_user_is_current_and_each_has_a_context() {
        let users = [
            User {
                name: "admin",
                token: "a".into(),
            },
            User {
                name: "unprivileged",
                token: "b".into(),
            },
        ];
        let config = kubeconfig("https://127.0.0.1:1", b"pem", &users);
        assert_eq!(config["current-context"], "admin");
        assert_eq!(
            config["clusters"][0]["cluster"]["certificate-authority-data"],
            "cGVt"
        );
        for (index, user) in users.iter().enumerate() {
            assert_eq!(config["users"][index]["name"], user.name);
            assert_eq!(config["users"][index]["user"]["token"], user.token);
            assert_eq!(config["contexts"][index]["context"]["user"], user.name);
        }
    }

    #[test]
    fn a_file_is_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_json(&path, &json!({"a": 1})).unwrap();
        write_json(&path, &json!({"a": 2})).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({"a": 2})
        );
        let error = write_json(&dir.path().join("no/f"), &json!({})).unwrap_err();
        assert!(format!("{error:#}").contains("no/f"));
    }
}
