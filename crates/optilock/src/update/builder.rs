//! The options of an update.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::api::PostParams;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use super::endpoint::SCALE;
use super::job::{Done, InDoubt, Job, Look, Observer};
use super::{Doubt, Effort, Endpoint, Event, Reason, Target, UpdateError, Updated};
use crate::contention::{Contended, Contention};
use crate::engine::{Engine, Pace};
use crate::limits::{self, Limits};
use crate::measure;
use crate::random::thread_random;
use crate::{Backoff, BoxError, Carrier, Feed, OpId, Outcome, Pending, PendingSlot};

/// How long an update may take when nobody says otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// How long an attempt may take when nobody says otherwise: kube-apiserver itself gives up a write
/// after 34 seconds, so there is no answer to wait for after that.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(35);

/// Updates the object of this name: reads it, lets a closure change it, writes it, and starts again if
/// somebody else was faster.
///
/// This gives the options; [`Update::apply`] does it.
///
/// ```
/// # use k8s_openapi::api::apps::v1::Deployment;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let existing: kube::Api<Deployment> = kube::Api::default_namespaced(client.clone());
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "nginx-deployment"}, "spec": {"selector": {"matchLabels": {"app": "nginx-deployment"}}, "template": {"metadata": {"labels": {"app": "nginx-deployment"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}))?;
/// # existing.create(&Default::default(), &object).await?;
/// use kube::{Api, ResourceExt};
///
/// let deployments: Api<Deployment> = Api::default_namespaced(client);
/// let updated = optilock::update(&deployments, "nginx-deployment")
///     .apply(|deployment| {
///         let version: u64 = match deployment.labels().get("biz-version") {
///             Some(version) => version.parse()?,
///             None => 0,
///         };
///         deployment.labels_mut().insert("biz-version".into(), (version + 1).to_string());
///         Ok(())
///     })
///     .await?;
/// println!("{} after {}", updated.object.resource_version().unwrap_or_default(), updated.effort);
/// # Ok(())
/// # }
/// ```
pub fn update<K>(api: &Api<K>, name: impl Into<String>) -> Update<'_, K>
where
    K: Resource + Clone,
{
    Update::at(Endpoint::of(api), name.into(), None)
}

/// Updates the scale of the object of this name: how many replicas there are to be, whatever kind it is
/// of, custom resources included.
///
/// The closure is given a [`Scale`], which has the name, uid and resourceVersion of its object, and no
/// managedFields. So the update conflicts with every other write of the object, and not only with those
/// of its scale. It is applied exactly once, as by [`update`]; to find its op-id takes a read of the
/// object's metadata besides that of the scale, which only happens if it might be there: where the op-id
/// is [given](Update::op_id), after a conflict, and after an unknown outcome.
///
/// ```
/// # use k8s_openapi::api::apps::v1::Deployment;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<Deployment> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}))?;
/// # api.create(&Default::default(), &object).await?;
/// optilock::update_scale(&api, "web")
///     .apply(|scale| {
///         let replicas = &mut scale.spec.get_or_insert_default().replicas;
///         *replicas = Some(replicas.unwrap_or(0) + 1);
///         Ok(())
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
pub fn update_scale<K>(api: &Api<K>, name: impl Into<String>) -> Update<'_, Scale>
where
    K: Resource + Clone,
{
    let subresource = Some(SCALE.to_owned());
    Update::at(Endpoint::of(api).scales(), name.into(), subresource)
}

/// An update that is about to be made; see [`update`](crate::update()) and [`update_scale`].
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// use std::time::Duration;
///
/// let update = optilock::update(&api, "settings")
///     .or_create(ConfigMap::default())
///     .field_manager("setup")
///     .timeout(Duration::from_secs(10));
/// let updated = update
///     .apply(|config| {
///         config.data.get_or_insert_default().insert("level".into(), "debug".into());
///         Ok(())
///     })
///     .await?;
/// assert_eq!(updated.object.data.unwrap_or_default()["level"], "debug");
/// # Ok(())
/// # }
/// ```
#[must_use = "an update does nothing until `apply` is called and awaited"]
pub struct Update<'a, K> {
    endpoint: Endpoint,
    name: String,
    backoff: Option<Backoff>,
    contention: Option<Contention<K>>,
    limits: Limits,
    timeout: Duration,
    attempt_timeout: Duration,
    params: PostParams,
    subresource: Option<String>,
    from: Option<K>,
    feed: Option<Feed<K>>,
    pinned: bool,
    op_id: Option<OpId>,
    carrier: Option<Carrier>,
    idempotent: bool,
    once: bool,
    template: Option<K>,
    still: Option<Look<'a, K>>,
    slot: PendingSlot,
    in_doubt: Option<InDoubt>,
    observer: Observer<'a, K>,
    random: Box<dyn FnMut() -> f64 + Send + 'a>,
}

impl<K> Debug for Update<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("name", &self.name)
            .field("backoff", &self.backoff)
            .field("limits", &self.limits)
            .field("timeout", &self.timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

impl<'a, K> Update<'a, K> {
    fn at(endpoint: Endpoint, name: String, subresource: Option<String>) -> Self {
        Self {
            endpoint,
            name,
            backoff: None,
            contention: None,
            limits: Limits::default(),
            timeout: TIMEOUT,
            attempt_timeout: ATTEMPT_TIMEOUT,
            params: PostParams::default(),
            subresource,
            from: None,
            feed: None,
            pinned: false,
            op_id: None,
            carrier: None,
            idempotent: false,
            once: false,
            template: None,
            still: None,
            slot: PendingSlot::default(),
            in_doubt: None,
            observer: Box::new(|_| {}),
            random: Box::new(thread_random),
        }
    }

    /// Tries and sleeps as this backoff says, as client-go would.
    ///
    /// Without it there is no limit to the attempts but the [deadline](Self::deadline). The sleeps are
    /// then random from a range that follows the contention: it starts with how long the refused write
    /// took, and is steered by how fast the object is seen to change and by how many attempts end in a
    /// conflict. Nobody has to know how many writers there are. See docs/contention.md.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// Takes turns with the updates that are given the same handle, and shares with them what is learnt of
    /// the contention for the object; see [`Contention`].
    pub fn sharing(mut self, contention: &Contention<K>) -> Self {
        self.contention = Some(contention.clone());
        self
    }

    /// Gives up at this instant. Without a deadline or a [timeout](Self::timeout) an update has two minutes.
    ///
    /// Where the outcome of a write isn't known at that instant, the error says so.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.limits.deadline = Some(deadline.into());
        self
    }

    /// Gives up this long after [`apply`](Self::apply) is first polled; [`Duration::MAX`] for never. A
    /// [deadline](Self::deadline) that is given comes first.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Waits no longer than this for the answers of one attempt, its read and its write together.
    ///
    /// Without it, 35 seconds; kube-apiserver gives up a write after 34. [`Duration::MAX`] for no limit.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Gives up when this future is ready: a signal, a channel, or the `cancelled_owned()` of tokio-util's
    /// `CancellationToken`.
    ///
    /// Where the outcome of a write isn't known then, the error says so.
    ///
    /// ```
    /// # use k8s_openapi::api::core::v1::ConfigMap;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), optilock::BoxError> {
    /// # let client = optilock_apiserver::Server::new().client();
    /// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
    /// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
    /// # api.create(&Default::default(), &object).await?;
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let update = optilock::update(&api, "settings").cancellation(async move {
    ///     // Whoever has dropped the other end wants no more of it either.
    ///     stopped.await.ok();
    /// });
    /// update.apply(|_| Ok(())).await?;
    /// # drop(stop);
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancellation(mut self, cancelled: impl Future<Output = ()> + Send + 'static) -> Self {
        self.limits.cancel_on(cancelled);
        self
    }

    /// The name under which managedFields list the change. Without it, the first part of the client's
    /// User-Agent.
    pub fn field_manager(mut self, manager: impl Into<String>) -> Self {
        self.params.field_manager = Some(manager.into());
        self
    }

    /// Lets the server do everything but store the result.
    pub fn dry_run(mut self) -> Self {
        self.params.dry_run = true;
        self
    }

    /// Starts from an object that is at hand, which saves the first read.
    ///
    /// It must be as the server gave it, with uid and resourceVersion. After a conflict it is read
    /// again; if an object of another uid has its name by then, the update fails.
    pub fn from(mut self, object: K) -> Self {
        self.from = Some(object);
        self.pinned = true;
        self
    }

    /// Starts each attempt from the newest object of this feed instead of reading it, in turn with the
    /// other updates that are fed by it, unless it is [`sharing`](Self::sharing) otherwise; see [`Feed`].
    pub fn fed_by(mut self, feed: &Feed<K>) -> Self {
        self.contention
            .get_or_insert_with(|| feed.contention().clone());
        self.feed = Some(feed.clone());
        self
    }

    /// Starts from what the object of this name was a moment ago, whichever object that was.
    pub(crate) fn cached(mut self, object: K) -> Self {
        self.from = Some(object);
        self
    }

    /// How writes will carry the op-id.
    pub(crate) fn chosen_carrier(&self) -> Carrier {
        self.carrier.clone().unwrap_or_else(|| {
            let resource = Target::new(&self.endpoint, &self.name).resource;
            Carrier::best_for(&resource, self.subresource.as_deref())
        })
    }

    /// Writes this subresource, such as `status`: the server then takes over that part of the object
    /// and keeps the rest. It must be one that is written as the object itself is; for `scale`, which
    /// isn't, there is [`update_scale`].
    ///
    /// ```
    /// # use k8s_openapi::api::core::v1::Pod;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), optilock::BoxError> {
    /// # let client = optilock_apiserver::Server::new().client();
    /// # let pods: kube::Api<Pod> = kube::Api::default_namespaced(client);
    /// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "web-0"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}))?;
    /// # pods.create(&Default::default(), &object).await?;
    /// optilock::update(&pods, "web-0")
    ///     .subresource("status")
    ///     .apply(|pod| {
    ///         pod.status.get_or_insert_default().message = Some("resting".into());
    ///         Ok(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn subresource(mut self, subresource: impl Into<String>) -> Self {
        self.subresource = Some(subresource.into());
        self
    }

    /// The identity of this update. Without it, one that nobody else has.
    ///
    /// Where an update with the same op-id is in the object already, nothing is written and the closure
    /// isn't called: so a caller may repeat an update that it can't remember the outcome of. The object
    /// remembers its last updates only ([`Carrier`] says how many), and only those that had something to
    /// write: to be sure beyond that, keep what is [pending](Self::pending) and
    /// [resume](Self::resume) it.
    ///
    /// ```
    /// # use k8s_openapi::api::core::v1::ConfigMap;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), optilock::BoxError> {
    /// # let client = optilock_apiserver::Server::new().client();
    /// # let accounts: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
    /// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "orders"}}))?;
    /// # accounts.create(&Default::default(), &object).await?;
    /// // However often this order comes in, it is counted once.
    /// optilock::update(&accounts, "orders")
    ///     .op_id("order-4711".parse()?)
    ///     .apply(|orders| {
    ///         let count = orders.data.get_or_insert_default().entry("count".into()).or_default();
    ///         *count = (count.parse::<u64>().unwrap_or(0) + 1).to_string();
    ///         Ok(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn op_id(mut self, id: OpId) -> Self {
        self.op_id = Some(id);
        self
    }

    /// How writes carry the op-id. Without it, an annotation; for Deployments and for subresources, a
    /// field manager.
    pub fn carrier(mut self, carrier: Carrier) -> Self {
        self.carrier = Some(carrier);
        self
    }

    /// Says that this update may be applied more than once.
    ///
    /// Writes then carry no op-id, and after an unknown outcome the update simply starts again, which is
    /// right for a closure that sets something, whatever was there before.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Where there is no object of this name, creates one: this, as the closure changes it.
    ///
    /// Name and namespace are those of the update. If somebody else creates it first, theirs is updated.
    /// A creation whose outcome is unknown is sent again too; it insists on nothing but that there is
    /// no such object, so if it is carried out and the object deleted meanwhile, it may be created twice.
    ///
    /// ```
    /// # use k8s_openapi::api::core::v1::ConfigMap;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), optilock::BoxError> {
    /// # let client = optilock_apiserver::Server::new().client();
    /// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
    /// optilock::update(&api, "settings")
    ///     .or_create(ConfigMap::default())
    ///     .apply(|config| {
    ///         config.data.get_or_insert_default().insert("level".into(), "debug".into());
    ///         Ok(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "CreateOrUpdate")]
    pub fn or_create(mut self, template: K) -> Self {
        self.template = Some(template);
        self
    }

    /// Goes on only as long as a part of the object is what it was in the first attempt: with
    /// [`from`](Self::from), in the object that the caller had before it. Changes of the rest are taken in
    /// by another attempt, as ever; a change of this part is [`Reason::Outdated`].
    ///
    /// ```
    /// # use k8s_openapi::api::apps::v1::Deployment;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), optilock::BoxError> {
    /// # let client = optilock_apiserver::Server::new().client();
    /// # let api: kube::Api<Deployment> = kube::Api::default_namespaced(client);
    /// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}))?;
    /// # api.create(&Default::default(), &object).await?;
    /// # let deployment = api.get("web").await?;
    /// // Decided upon the spec that is at hand; whoever writes the status meanwhile doesn't matter.
    /// optilock::update(&api, "web")
    ///     .from(deployment)
    ///     .as_long_as(|deployment| deployment.spec.clone())
    ///     .apply(|deployment| {
    ///         deployment.spec.get_or_insert_default().replicas = Some(3);
    ///         Ok(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn as_long_as<T: PartialEq + Send + 'a>(
        mut self,
        look: impl Fn(&K) -> T + Send + 'a,
    ) -> Self {
        let mut first = None;
        self.still = Some(Box::new(move |object| {
            let now = look(object);
            *first.get_or_insert_with(|| look(object)) == now
        }));
        self
    }

    /// Makes no other attempt when somebody else was faster: [`Reason::Overtaken`], with the delay to
    /// requeue with. That is for controllers, which had better look at the object again before they
    /// change it.
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Remembers the write that is under way in this slot, so that dropping the future loses nothing.
    pub fn pending(mut self, slot: &PendingSlot) -> Self {
        self.slot = slot.clone();
        self
    }

    /// Starts by finding out what became of a write that an earlier call for the same update has left
    /// behind. Only if that wasn't applied, the closure is called. What is written then is the same
    /// [subresource](Self::subresource), or none.
    pub fn resume(mut self, pending: Pending) -> Self {
        self.op_id = Some(pending.op_id.clone());
        self.subresource = pending.subresource.clone();
        self.carrier = self.carrier.or_else(|| pending.carrier.clone());
        self.in_doubt = Some(InDoubt {
            pending: Arc::new(pending),
            doubt: Doubt::Earlier,
        });
        self
    }

    /// Calls this at every step of the way.
    ///
    /// ```
    /// # use k8s_openapi::api::core::v1::ConfigMap;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), optilock::BoxError> {
    /// # let client = optilock_apiserver::Server::new().client();
    /// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
    /// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
    /// # api.create(&Default::default(), &object).await?;
    /// use optilock::Event;
    ///
    /// optilock::update(&api, "settings")
    ///     .observe(|event| match event {
    ///         Event::Conflict { attempt, base, .. } => println!("attempt {attempt}: {base} is outdated"),
    ///         Event::Written { base, resource_version, .. } => println!("{base} -> {resource_version}"),
    ///         _ => {}
    ///     })
    ///     .apply(|config| {
    ///         config.data.get_or_insert_default().insert("level".into(), "debug".into());
    ///         Ok(())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn observe(mut self, observer: impl FnMut(&Event<'_, K>) + Send + 'a) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Takes the random numbers of the sleeps, from 0 (included) to 1 (excluded), from here.
    pub fn random(mut self, random: impl FnMut() -> f64 + Send + 'a) -> Self {
        self.random = Box::new(random);
        self
    }

    /// Makes the update.
    ///
    /// Each attempt reads the object (the first one only if none was [given](Self::from)), lets `change`
    /// change a copy, and writes it with the uid and resourceVersion that were read, so that it can't
    /// overwrite what others have written since. A conflict starts the next attempt, with the closure
    /// called on the object as it is then; so does an answer that asks to try again later, if it is certain that
    /// nothing was written. Where the closure changes nothing, nothing is written.
    ///
    /// The closure may be called any number of times: it should compute the change from the object that
    /// it is given, and have no other effect. Its own error ends the update.
    ///
    /// A typed object knows the fields of its Rust type only; writing it removes any others that a
    /// newer server may have. [`DynamicObject`](kube::api::DynamicObject) keeps all.
    ///
    /// # Errors
    /// [`UpdateError::reason`] says why. Only with [`Reason::Unknown`] the change may be in the object all
    /// the same.
    ///
    /// After an answer that leaves open whether the write was carried out, the closure isn't called
    /// again before that is known. To find out, the identical write is sent again, the object is looked
    /// at for the op-id, and then its history, as long as the limits allow. An update that may be
    /// repeated needs none of that: see [`idempotent`](Self::idempotent).
    ///
    /// # Cancellation
    /// Dropping the future ends the update. If a write was under way, it may or may not have been
    /// applied: a [slot](Self::pending) remembers it.
    pub async fn apply<F>(self, mut change: F) -> Result<Updated<K>, UpdateError>
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned,
        F: FnMut(&mut K) -> Result<(), BoxError>,
    {
        self.apply_for(|object| change(object).map(|()| Vec::new()))
            .await
    }

    /// Makes an update on behalf of others, whose op-ids the closure gives.
    pub(crate) async fn apply_for<F>(self, change: F) -> Result<Updated<K>, UpdateError>
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned,
        F: FnMut(&mut K) -> Result<Vec<OpId>, BoxError>,
    {
        let target = Target::new(&self.endpoint, &self.name);
        let span = tracing::debug_span!(
            "update",
            resource = target.resource,
            namespace = target.namespace,
            name = target.name,
        );
        let resource = target.resource.clone();
        let result = self.run(target, change).instrument(span).await;
        let (outcome, effort) = match &result {
            Ok(updated) => (Outcome::Applied, updated.effort),
            Err(error) => (error.outcome(), error.effort()),
        };
        measure::ended(&resource, outcome, effort);
        result
    }

    /// What keeps these options from being carried out, before anything is sent.
    fn misuse(&self) -> Option<Reason>
    where
        K: Resource,
    {
        let scale = self.subresource.as_deref() == Some(SCALE);
        let creates = self.template.is_some();
        if scale != self.endpoint.scale || scale && creates {
            return Some(Reason::ScaleOnly);
        }
        if K::metadata_api() && (creates || self.subresource.is_some()) {
            return Some(Reason::MetadataOnly);
        }
        let in_doubt = self.in_doubt.as_ref()?;
        (in_doubt.pending.name != self.name).then(|| Reason::Misnamed {
            found: in_doubt.pending.name.clone(),
        })
    }

    async fn run<F>(mut self, target: Target, change: F) -> Result<Updated<K>, UpdateError>
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned,
        F: FnMut(&mut K) -> Result<Vec<OpId>, BoxError>,
    {
        if let Some(misuse) = self.misuse() {
            return Err(UpdateError::new(target, None, Effort::default(), misuse));
        }
        self.limits.deadline = self.limits.deadline.or_else(|| limits::after(self.timeout));
        let carrier = self.chosen_carrier();
        let subresource = self.subresource.as_deref();
        let repeatable = self.idempotent || self.params.dry_run;
        let shared = self.contention.is_some();
        let contended = match self.contention {
            Some(contention) => contention.of(self.endpoint.namespace.as_deref(), &self.name),
            None => Arc::new(Contended::new()),
        };
        let mut job = Job {
            endpoint: &self.endpoint,
            name: &self.name,
            params: &self.params,
            subresource,
            named: self.op_id.is_some(),
            op_id: self.op_id.unwrap_or_else(OpId::random),
            carrier: (!repeatable).then_some(carrier),
            slot: self.slot,
            in_doubt: self.in_doubt,
            once: self.once,
            overtaken: false,
            template: self.template,
            still: self.still,
            limits: &self.limits,
            attempt_timeout: self.attempt_timeout,
            change,
            observer: self.observer,
            pinned: self
                .from
                .as_ref()
                .filter(|_| self.pinned)
                .and_then(|object| object.meta().uid.clone()),
            remembered: (self.from.is_some() && !self.pinned).then_some(Duration::ZERO),
            misremembered: false,
            feed: self.feed,
            reads: false,
            fed: false,
            at_hand: self.from,
            contended: Arc::clone(&contended),
            steers: self.backoff.is_none(),
            shared,
            turn: None,
            effort: Effort::default(),
            resource_version: None,
            last: None,
            beaten: None,
            winner: None,
        };
        let pace: Box<dyn Pace + Send> = match self.backoff {
            Some(backoff) => Box::new(backoff.delays_with(self.random)),
            None => Box::new(contended.pace(self.random, self.limits.deadline)),
        };
        let result = job.run(Engine::new(&self.limits, pace)).await;
        match result {
            Ok(Done {
                object,
                evidence,
                written,
            }) => Ok(Updated {
                object,
                written,
                evidence,
                op_id: job.op_id,
                effort: job.effort,
            }),
            Err(error) => {
                let reason = job.ended(error);
                let (version, effort) = (job.resource_version, job.effort);
                Err(UpdateError::new(target, version, effort, reason))
            }
        }
    }
}
