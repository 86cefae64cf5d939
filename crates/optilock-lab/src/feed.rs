//! One watch of an object, which all workers of a run read from.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{WatchEvent, WatchParams},
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{AttemptError, worker::version};

/// A server that ends watches at once is not asked for the next one in a tight loop.
const BEFORE_NEXT_WATCH: Duration = Duration::from_millis(100);

/// The newest version of an object that a watch has told of; it ends with the last handle.
#[derive(Debug)]
pub(crate) struct Feed {
    newest: watch::Receiver<Arc<Deployment>>,
    task: JoinHandle<()>,
}

impl Feed {
    /// Reads the object and watches it from there.
    pub(crate) async fn open(api: Api<Deployment>, name: String) -> Result<Self, AttemptError> {
        let object = api.get(&name).await.map_err(AttemptError::Api)?;
        let (sender, newest) = watch::channel(Arc::new(object));
        let task = tokio::spawn(follow(api, name, sender));
        Ok(Self { newest, task })
    }

    /// The newest version, once it is another than `base`.
    pub(crate) async fn other_than(&self, base: Option<&str>) -> Deployment {
        let mut newest = self.newest.clone();
        let moved = newest.wait_for(|object| Some(version(object).as_str()) != base);
        match moved.await {
            Ok(object) => Deployment::clone(&object),
            // The object is gone, and so is the task: whoever writes will be told.
            Err(_) => Deployment::clone(&self.newest.borrow()),
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(api: Api<Deployment>, name: String, newest: watch::Sender<Arc<Deployment>>) {
    let params = WatchParams::default().fields(&format!("metadata.name={name}"));
    loop {
        let from = version(&newest.borrow());
        if let Ok(events) = api.watch(&params, &from).await {
            pin_mut!(events);
            while let Some(Ok(event)) = events.next().await {
                match event {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                        newest.send_replace(Arc::new(object));
                    }
                    WatchEvent::Deleted(_) => return,
                    WatchEvent::Bookmark(_) => {}
                    WatchEvent::Error(_) => break,
                }
            }
        }
        tokio::time::sleep(BEFORE_NEXT_WATCH).await;
        // What was missed in between; a failure is tried again with the next watch.
        if let Ok(object) = api.get(&name).await {
            newest.send_replace(Arc::new(object));
        }
    }
}
