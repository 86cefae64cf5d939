//! What a worker asks for, again and again.

use anyhow::{Context, Result, bail};
use http::{Method, StatusCode};

use crate::connection::{Call, Connection, Keep};
use crate::objects::{continuation, deployment, deployments, merge_patch, recount};

/// Where workers have their objects.
pub(crate) const NAMESPACE: &str = "default";
/// The namespace whose Deployments are listed, so that what workers write is not among them.
pub(crate) const LISTED: &str = "listed";
/// The object that all have.
const HOT: &str = "hot";
/// As many objects as client-go's lists ask for at a time.
const PAGE: usize = 500;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Verb {
    /// Reads an object.
    Get,
    /// Reads all objects of a namespace at once.
    List,
    /// The same in pages.
    Pages,
    /// Reads the next of these pages, and begins anew after the last.
    Page,
    /// Makes new objects.
    Create,
    /// Deletes the objects that were made.
    Delete,
    /// Writes an object of the worker's own, on the version that the last answer had.
    Update,
    /// Sends a merge patch without a version.
    Patch,
    /// Applies the whole object.
    Apply,
    /// Updates the one object that all workers have: whoever loses reads it and tries again.
    Hot,
}

impl Verb {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self);
        value.map_or(String::new(), |value| value.get_name().to_owned())
    }
}

/// Somebody who asks one thing after the other.
#[derive(Debug)]
pub(crate) struct Worker {
    connection: Connection,
    name: String,
    /// Counts what it has written.
    written: u64,
    /// Its object, as the server has last shown it.
    object: Vec<u8>,
    /// The object of all.
    hot: Vec<u8>,
    /// How the list goes on.
    next_page: Option<String>,
    /// Objects that it has made and not deleted.
    made: Vec<String>,
    pub(crate) conflicts: u64,
}

impl Worker {
    /// A worker with an object of its own, which is made if it isn't there.
    pub(crate) async fn new(mut connection: Connection, number: usize) -> Result<Self> {
        let name = format!("load-{number}");
        let object = make(&mut connection, &name).await?;
        let hot = make(&mut connection, HOT).await?;
        Ok(Self {
            connection,
            name,
            // Not what was written by workers before, nor by others to the same object.
            written: 1_000_000 * (number as u64 + 1),
            object,
            hot,
            next_page: None,
            made: Vec::new(),
            conflicts: 0,
        })
    }

    /// Does it once. False where there is nothing more to do.
    pub(crate) async fn step(&mut self, verb: Verb) -> Result<bool> {
        let own = || format!("{}/{}", deployments(NAMESPACE), self.name);
        self.written += 1;
        let call = match verb {
            Verb::Get => Call::new(Method::GET, own(), ""),
            Verb::List => Call::new(Method::GET, deployments(LISTED), ""),
            Verb::Pages => {
                self.page().await?;
                while self.next_page.is_some() {
                    self.page().await?;
                }
                return Ok(true);
            }
            Verb::Page => return self.page().await.map(|()| true),
            Verb::Hot => return self.hot().await,
            Verb::Create => {
                let name = format!("{}-{}", self.name, self.written);
                let body = deployment(&name, self.written);
                self.made.push(name);
                Call::new(Method::POST, deployments(NAMESPACE), body)
            }
            Verb::Delete => {
                let Some(name) = self.made.pop() else {
                    return Ok(false);
                };
                let path = format!("{}/{name}", deployments(NAMESPACE));
                Call::new(Method::DELETE, path, "")
            }
            Verb::Update => {
                recount(&mut self.object, self.written)?;
                Call::new(Method::PUT, own(), self.object.clone())
            }
            Verb::Patch => {
                let call = Call::new(Method::PATCH, own(), merge_patch(self.written));
                call.of_type("application/merge-patch+json")
            }
            Verb::Apply => {
                let path = format!("{}?fieldManager=load&force=true", own());
                let body = deployment(&self.name, self.written);
                Call::new(Method::PATCH, path, body).of_type("application/apply-patch+yaml")
            }
        };
        let keep = match verb {
            Verb::Update => Keep::All,
            _ => Keep::Nothing,
        };
        let answer = self.connection.ask(&call, keep).await?.success();
        let answer = answer.with_context(|| format!("{} {}", call.method, call.path))?;
        if verb == Verb::Update {
            self.object = answer.body;
        }
        Ok(true)
    }

    async fn page(&mut self) -> Result<()> {
        let mut path = format!("{}?limit={PAGE}", deployments(LISTED));
        if let Some(token) = &self.next_page {
            path += &format!("&continue={token}");
        }
        let call = Call::new(Method::GET, path, "");
        let page = self.connection.ask(&call, Keep::Head).await?.success()?;
        self.next_page = continuation(&page.body).map(str::to_owned);
        Ok(())
    }

    async fn hot(&mut self) -> Result<bool> {
        let path = format!("{}/{HOT}", deployments(NAMESPACE));
        loop {
            recount(&mut self.hot, self.written)?;
            let put = Call::new(Method::PUT, path.clone(), self.hot.clone());
            let answer = self.connection.ask(&put, Keep::All).await?;
            if answer.code == StatusCode::CONFLICT {
                self.conflicts += 1;
                let get = Call::new(Method::GET, path.clone(), "");
                self.hot = self.connection.ask(&get, Keep::All).await?.success()?.body;
                continue;
            }
            self.hot = answer.success()?.body;
            return Ok(true);
        }
    }

    /// Brings its object up to date after a verb that doesn't keep it, and deletes what it has made.
    pub(crate) async fn tidy(&mut self) -> Result<()> {
        while self.step(Verb::Delete).await? {}
        let path = format!("{}/{}", deployments(NAMESPACE), self.name);
        let call = Call::new(Method::GET, path, "");
        self.object = self.connection.ask(&call, Keep::All).await?.success()?.body;
        Ok(())
    }
}

/// Makes a Deployment, or takes the one that is there.
async fn make(connection: &mut Connection, name: &str) -> Result<Vec<u8>> {
    let post = Call::new(Method::POST, deployments(NAMESPACE), deployment(name, 0));
    let answer = connection.ask(&post, Keep::All).await?;
    if answer.code != StatusCode::CONFLICT {
        return Ok(answer.success()?.body);
    }
    let get = Call::new(
        Method::GET,
        format!("{}/{name}", deployments(NAMESPACE)),
        "",
    );
    Ok(connection.ask(&get, Keep::All).await?.success()?.body)
}

/// Adds Deployments to the namespace that is listed, this many from this number on.
pub(crate) async fn add_listed(
    connection: &mut Connection,
    numbers: std::ops::Range<u64>,
) -> Result<()> {
    for number in numbers {
        let body = deployment(&format!("listed-{number}"), number);
        let call = Call::new(Method::POST, deployments(LISTED), body);
        let answer = connection.ask(&call, Keep::Head).await?;
        if !answer.code.is_success() && answer.code != StatusCode::CONFLICT {
            bail!("{}: {}", answer.code, String::from_utf8_lossy(&answer.body));
        }
    }
    Ok(())
}

/// Makes the namespace whose Deployments are listed.
pub(crate) async fn make_namespace(connection: &mut Connection) -> Result<()> {
    let body =
        format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{LISTED}"}}}}"#);
    let call = Call::new(Method::POST, "/api/v1/namespaces", body);
    let answer = connection.ask(&call, Keep::Head).await?;
    if answer.code != StatusCode::CONFLICT {
        answer.success()?;
    }
    Ok(())
}
