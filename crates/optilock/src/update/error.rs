//! How an update fails.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Effort, Target, Winner};
use crate::interrupt::chain;
use crate::{BoxError, Interrupt, Outcome, Pending};

/// An update that failed, with what it was about and what was tried.
///
/// The text says all of it: the object, the reason, what to do next, and the effort.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// use optilock::Outcome;
///
/// let error = optilock::update(&api, "settings").apply(|_| Ok(())).await.unwrap_err();
/// assert_eq!(error.outcome(), Outcome::Refused); // there is no such object
/// assert!(error.to_string().starts_with("configmaps \"settings\" in namespace \"default\""));
/// println!("{error}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UpdateError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    target: Target,
    resource_version: Option<String>,
    effort: Effort,
    reason: Reason,
}

impl UpdateError {
    pub(crate) fn new(
        target: Target,
        resource_version: Option<String>,
        effort: Effort,
        reason: Reason,
    ) -> Self {
        Self(Box::new(Inner {
            target,
            resource_version,
            effort,
            reason,
        }))
    }

    /// Why it failed.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// Why it failed, to keep.
    #[must_use]
    pub fn into_reason(self) -> Reason {
        self.0.reason
    }

    /// The object that it was about.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.0.target
    }

    /// The resourceVersion that the last attempt started from; none if the object was never at hand.
    #[must_use]
    pub fn resource_version(&self) -> Option<&str> {
        self.0.resource_version.as_deref()
    }

    /// What was tried.
    #[must_use]
    pub fn effort(&self) -> Effort {
        self.0.effort
    }

    /// Whether the change may be in the object all the same: [`Outcome::Unknown`] if it may, else
    /// [`Outcome::Refused`].
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match &self.0.reason {
            Reason::Unknown { .. } | Reason::Stopped => Outcome::Unknown,
            Reason::Combined(error) => error.outcome(),
            _ => Outcome::Refused,
        }
    }

    /// The write whose outcome is unknown, to [find it out](crate::resolve()) later.
    #[must_use]
    pub fn pending(&self) -> Option<&Pending> {
        match &self.0.reason {
            Reason::Unknown { pending, .. } => Some(pending),
            Reason::Combined(error) => error.pending(),
            _ => None,
        }
    }

    /// Who had written the object when an attempt read it again after a conflict, where managedFields
    /// told it. After the last conflict nobody reads any more, so it is about an earlier one.
    #[must_use]
    pub fn winner(&self) -> Option<&Winner> {
        match &self.0.reason {
            Reason::Interrupted { winner, .. } => winner.as_deref(),
            Reason::Combined(error) => error.winner(),
            _ => None,
        }
    }
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            target,
            resource_version,
            effort,
            reason,
        } = &*self.0;
        write!(f, "{target}: {reason} (")?;
        if let Some(version) = resource_version {
            write!(f, "resourceVersion: {version}, ")?;
        }
        write!(f, "{effort})")
    }
}

impl Error for UpdateError {
    /// The source of the [reason](Self::reason): the reason itself is in the text already.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.reason.source()
    }
}

/// Why an update failed.
///
/// Except for [`Unknown`](Self::Unknown) nothing of it is in the object.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use optilock::Reason;
///
/// let result = optilock::update(&api, "settings").apply(|_| Err("not today".into())).await;
/// match result.unwrap_err().into_reason() {
///     Reason::Change(why) => assert_eq!(why.to_string(), "not today"),
///     Reason::Unknown { pending, .. } => println!("to be resolved: {}", pending.op_id),
///     other => println!("{other}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The backoff's steps are used up, the deadline has passed, or the update was cancelled, and no
    /// attempt had succeeded. Nothing was written.
    #[error("gave up: {interrupt}{}", seen(last.as_ref(), winner.as_deref()))]
    #[non_exhaustive]
    Interrupted {
        /// Which of the three.
        interrupt: Interrupt,
        /// The answer that ended the last attempt that got one: a conflict, or a request for patience.
        #[source]
        last: Option<kube::Error>,
        /// Who had written the object when it was read again after a conflict, if that could be told.
        winner: Option<Box<Winner>>,
    },
    /// The closure returned an error. Nothing was written.
    #[error("the change was given up: {0}")]
    Change(#[source] BoxError),
    /// The object could not be read. Nothing was written.
    #[error("reading failed: {}", text(.0))]
    Read(#[source] kube::Error),
    /// The server didn't answer the read in the time that is allowed for an attempt. Nothing was written.
    #[error(
        "reading took longer than the {0:?} of an attempt; \
         check the connection to the server or allow more with `attempt_timeout`"
    )]
    ReadTimeout(Duration),
    /// The write was turned down, by the server or on the way there, for a reason that trying again
    /// at once doesn't cure. Nothing was written.
    #[error("the write was refused: {}", text(.0))]
    Refused(#[source] kube::Error),
    /// The write may or may not have been carried out, and what could be done to find out was in vain.
    ///
    /// The closure was not called again, for that might have applied the change twice.
    /// [`resolve`](crate::resolve()) tries once more with what is [pending](UpdateError::pending), and
    /// [`Update::resume`](crate::Update::resume) goes on with the update after that.
    #[error(
        "the write may or may not have been applied: {doubt}{}; before you repeat it, `resolve` what is \
         pending (op-id {}, base {})",
        unresolved.as_ref().map(|why| format!("; {why}")).unwrap_or_default(),
        pending.op_id, pending.base
    )]
    #[non_exhaustive]
    Unknown {
        /// What left it open.
        #[source]
        doubt: Box<Doubt>,
        /// Why it couldn't be found out; none if there was no time to try.
        unresolved: Option<Box<Unresolved>>,
        /// The write.
        pending: Arc<Pending>,
    },
    /// Somebody else has written the object since the base, so that the write wasn't and never will be
    /// applied, and no other attempt was to be made.
    #[error(
        "somebody else has written the object first, and no other attempt was to be made; \
         look at the object again, in {delay:?} or later"
    )]
    #[non_exhaustive]
    Overtaken {
        /// How long to wait before the next attempt: what the update itself would have slept.
        delay: Duration,
    },
    /// What the caller [had looked at](crate::Update::as_long_as) has changed. Nothing was written.
    #[error("the part of the object that the change was decided upon has changed; decide again")]
    Outdated,
    /// The write that a [`Combiner`](crate::Combiner) has made for this update and others has failed, and
    /// this is how: the [outcome](UpdateError::outcome) is the same for all of them.
    #[error("the write for this update and others failed: {}", .0.reason())]
    Combined(#[source] Arc<UpdateError>),
    /// The combiner's queue is full. Nothing was sent.
    #[error(
        "{0} updates of the object wait already; wait for a place with `apply`, or allow more with \
         `Combiners::capacity`"
    )]
    QueueFull(usize),
    /// The runtime in which the combiner wrote was shut down. The update may or may not have been applied.
    #[error("the runtime that the combiner wrote in was shut down, so the outcome is unknown")]
    Stopped,
    /// With the op-ids in it, the object's annotations are larger than the API server takes. Nothing was
    /// written.
    #[error(
        "the annotations would have {0} bytes, and the API server takes 262144; shorten them, or choose \
         another carrier for the op-id with `carrier`"
    )]
    AnnotationsTooLarge(usize),
    /// The object given to start from, or the server's answer, lacks what a safe write needs. Nothing
    /// was written.
    #[error(
        "the object has no usable {field}, so a write could overwrite others' changes; read it first"
    )]
    #[non_exhaustive]
    Incomplete {
        /// The field that is missing.
        field: &'static str,
    },
    /// The `Api` is one of metadata only, which can't create objects or write subresources. Nothing was
    /// sent.
    #[error(
        "an Api of PartialObjectMeta can't create objects or write subresources; use one of the object's \
         own type"
    )]
    MetadataOnly,
    /// A scale is an object of a type of its own: [`update_scale`](crate::update_scale) alone updates it, it
    /// isn't created, and it has no subresources. Nothing was sent.
    #[error(
        "a scale is an object of a type of its own, which isn't created and has no subresources; use \
         `update_scale`, without `or_create` and `subresource`"
    )]
    ScaleOnly,
    /// The object to start from has another name than the one to update. Nothing was written.
    #[error("the object at hand is named {found:?}; give the object that is to be updated")]
    #[non_exhaustive]
    Misnamed {
        /// Its name.
        found: String,
    },
    /// The closure changed a field that says which version of which object is written. Nothing was written.
    #[error("the closure changed {field}; leave it as it was read")]
    #[non_exhaustive]
    IdentityChanged {
        /// The field that was changed.
        field: &'static str,
    },
    /// The object given to start from is gone, and another one has its name. Nothing was written.
    #[error(
        "the object with uid {expected} is gone and one with uid {found} has its name; \
         leave out `from` to update whatever has that name"
    )]
    #[non_exhaustive]
    Recreated {
        /// The uid of the object given to start from.
        expected: String,
        /// The uid of the object that is there.
        found: String,
    },
    /// The changed object can't be encoded as JSON. Nothing was written.
    #[error("the object can't be encoded as JSON: {}", text(.0))]
    Encode(#[source] kube::Error),
}

/// Why the outcome of a write could not be found out.
///
/// ```
/// use optilock::{Reason, Unresolved, UpdateError};
///
/// /// Whether to ask again later.
/// fn may_be_told_later(error: &UpdateError) -> bool {
///     match error.reason() {
///         Reason::Unknown { unresolved: Some(why), .. } => {
///             matches!(**why, Unresolved::Ended(_) | Unresolved::WatchForbidden(_))
///         }
///         // There was no time to find out.
///         Reason::Unknown { .. } => true,
///         _ => false,
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let error = optilock::update(&api, "settings").apply(|_| Ok(())).await.unwrap_err();
/// # assert!(!may_be_told_later(&error));
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unresolved {
    /// The object is gone, and the write may be what has removed it: it took the last finalizer off an
    /// object that was being deleted.
    #[error("the object is gone, which may be the write's own doing or somebody else's")]
    Deleted,
    /// Others have written the object since, and the server's history doesn't go back to the base any
    /// more.
    #[error(
        "others have written the object since, and the server's history doesn't go back that far"
    )]
    HistoryGone,
    /// Others have written the object since, and we may not watch it to see what came first.
    #[error(
        "others have written the object since, and its history can't be read (allow the verb watch): {}",
        text(.0)
    )]
    WatchForbidden(#[source] kube::Error),
    /// Nothing in the first change after the base tells whose it is: the write carried no op-id, or the
    /// server keeps no managedFields, or the write did nothing but remove fields.
    #[error("nothing in the object or its history tells whose write it was")]
    Untold,
    /// The update ended before the outcome was found out.
    #[error("then: {0}")]
    Ended(#[source] Box<Reason>),
}

/// Why nobody knows whether a write was carried out.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use optilock::{Doubt, Event};
///
/// optilock::update(&api, "settings")
///     .observe(|event| match event {
///         Event::Unknown { doubt: Doubt::AttemptTimeout(time), .. } => println!("silent for {time:?}"),
///         Event::Unknown { doubt, .. } => println!("who knows: {doubt}"),
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
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// The request ended in an error or an answer that leaves it open; see [`Outcome::of_error`].
    #[error("{}", text(.0))]
    Answer(#[source] kube::Error),
    /// A layer of the client sent the request more than once, so that its last answer may be about the
    /// effect of an earlier sending. A client from [`optilock::client`](crate::client()) doesn't do that.
    #[error("the client sent the write more than once, and the last answer was: {}", text(.0))]
    Repeated(#[source] kube::Error),
    /// The server didn't answer in the time that is allowed for an attempt.
    #[error("no answer within the {0:?} of an attempt")]
    AttemptTimeout(Duration),
    /// An earlier update has left it behind.
    #[error("an earlier update didn't find out")]
    Earlier,
    /// The update was cancelled, or its deadline passed, while the write was under way.
    #[error("no answer yet: {0}")]
    Interrupted(#[source] Interrupt),
}

/// The text of an error of kube's: the server's own message, if it sent one, else all that is known.
fn text(error: &kube::Error) -> Cow<'_, str> {
    if let kube::Error::Api(status) = error
        && !status.message.is_empty()
    {
        return Cow::from(&status.message);
    }
    // What went wrong with a connection is told by the innermost source.
    let mut text = error.to_string();
    for source in chain(error).skip(1).map(ToString::to_string) {
        if !text.contains(&source) {
            text += ": ";
            text += &source;
        }
    }
    Cow::from(text)
}

/// What the attempts have seen, for the text of an interruption.
fn seen(last: Option<&kube::Error>, winner: Option<&Winner>) -> String {
    let mut seen = String::new();
    if let Some(last) = last {
        seen += &format!("; the last answer was: {}", text(last));
    }
    if let Some(winner) = winner {
        seen += &format!("; it had been written by {winner}");
    }
    seen + "; allow more steps or a later deadline, or try again later"
}
