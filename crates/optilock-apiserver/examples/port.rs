//! An API server on a free port of this machine, until standard input ends. Prints the kubeconfig.
//!
//! `cargo run -p optilock-apiserver --example port > kubeconfig`

use optilock_apiserver::Server;
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = Server::new().listen("127.0.0.1:0".parse()?).await?;
    print!("{}", listener.kubeconfig());
    let end_of_input = async {
        let mut input = Vec::new();
        // An error ends the input too.
        let _ended = tokio::io::stdin().read_to_end(&mut input).await;
    };
    listener.serve_until(end_of_input).await;
    Ok(())
}
