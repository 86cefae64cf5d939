//! How the tests' expected answers are recorded: ignored tests send their cases to a reference
//! control plane and rewrite their data.
//!
//! ```text
//! cargo xtask control-plane up
//! kubectl --kubeconfig <printed> proxy --port 8001 &
//! OPTILOCK_RECORD=127.0.0.1:8001 cargo test -p optilock-apiserver --lib record_ -- --ignored
//! ```

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use serde_json::Value;

/// A request to the recorded server, through a proxy that authenticates.
pub(crate) fn request(method: &str, path: &str, body: &Value) -> Value {
    let address = std::env::var("OPTILOCK_RECORD").expect("OPTILOCK_RECORD is a host:port");
    let body = body.to_string();
    let mut stream = TcpStream::connect(&address).expect("a proxy at OPTILOCK_RECORD");
    // HTTP/1.0: the answer ends with the connection and is not chunked.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("a request");
    stream.write_all(body.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    serde_json::from_str(body).expect("a JSON answer")
}

/// Where the data of a test is.
fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", name]
        .iter()
        .collect()
}

/// Reads cases, one a line of a JSON list.
pub(crate) fn read(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file(name)).expect("recorded answers");
    serde_json::from_str(&text).expect("recorded answers are a JSON list")
}

/// Writes cases as [`read`] reads them.
pub(crate) fn write(name: &str, cases: &[Value]) {
    let lines: Vec<String> = cases.iter().map(Value::to_string).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    std::fs::write(file(name), text).expect("tests/data is writable");
}
