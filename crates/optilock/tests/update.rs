//! `update`, against a server that enforces uid and resourceVersion and that fails in every way.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

mod fake;

use std::time::Duration;

use fake::{Fake, Fault, answer, answer_after};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::api::DynamicObject;
use kube::core::response::reason;
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use optilock::{
    Backoff, BoxError, Doubt, Event, Evidence, Interrupt, Outcome, Pending, Reason, Unresolved,
    Update, UpdateError, Updated, resolve, update,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

type Result<T> = std::result::Result<T, UpdateError>;

fn api(client: Client) -> Api<ConfigMap> {
    Api::default_namespaced(client)
}

/// Adds one to the entry `n`.
fn count(object: &mut ConfigMap) -> std::result::Result<(), BoxError> {
    let n = object.data.get_or_insert_default().entry("n".to_owned());
    let n = n.or_default();
    *n = (n.parse::<u64>()? + 1).to_string();
    Ok(())
}

/// Counts on the object of the server, with options, and tells how often the closure was called.
async fn counted<'a>(
    api: &'a Api<ConfigMap>,
    options: impl FnOnce(Update<'a, ConfigMap>) -> Update<'a, ConfigMap>,
) -> (Result<Updated<ConfigMap>>, u32) {
    let mut calls = 0;
    let result = options(update(api, "counter").random(|| 0.5))
        .apply(|object| {
            calls += 1;
            count(object)
        })
        .await;
    (result, calls)
}

fn as_is(update: Update<'_, ConfigMap>) -> Update<'_, ConfigMap> {
    update
}

/// The object as the server has it, as one would get it from a cache.
fn at_hand(fake: &Fake) -> ConfigMap {
    serde_json::from_value(fake.object()).unwrap()
}

// The way it goes when all is well.

#[tokio::test(start_paused = true)]
async fn one_read_and_one_write() {
    let fake = Fake::new();
    let (result, calls) = counted(&api(fake.client()), as_is).await;
    let updated = result.unwrap();
    assert!(updated.written);
    assert_eq!(updated.object.metadata.resource_version.unwrap(), "101");
    assert_eq!(updated.object.data.unwrap()["n"], "1");
    assert_eq!(
        updated.effort.to_string(),
        "attempts: 1, conflicts: 0, requests: 2, waited: 0ns"
    );
    assert_eq!((fake.gets(), fake.puts().len(), calls), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_write_carries_uid_and_version() {
    let fake = Fake::new();
    counted(&api(fake.client()), as_is).await.0.unwrap();
    let (query, body) = fake.puts().remove(0);
    assert_eq!(body["metadata"]["uid"], "uid-0");
    assert_eq!(body["metadata"]["resourceVersion"], "100");
    assert_eq!(body["kind"], "ConfigMap");
    assert_eq!(query, "");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_where_nothing_changes() {
    let fake = Fake::new();
    let updated = update(&api(fake.client()), "counter")
        .apply(|_| Ok(()))
        .await
        .unwrap();
    assert!(!updated.written);
    assert_eq!(updated.effort.requests, 1);
    assert_eq!(updated.object.metadata.resource_version.unwrap(), "100");
    assert!(fake.puts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_manager_and_dry_run_are_told_to_the_server() {
    let fake = Fake::new();
    let (result, _) = counted(&api(fake.client()), |update| {
        update.field_manager("front-desk").dry_run()
    })
    .await;
    assert!(result.unwrap().written);
    assert_eq!(fake.puts()[0].0, "&dryRun=All&fieldManager=front-desk");
    assert_eq!(fake.n(), "0");
}

// Conflicts.

#[tokio::test(start_paused = true)]
async fn a_conflict_is_read_again_and_changed_again() {
    let fake = Fake::new().on_put([Fault::Foreign, Fault::Foreign]);
    let (result, calls) = counted(&api(fake.client()), as_is).await;
    let updated = result.unwrap();
    assert_eq!(updated.effort.attempts, 3);
    assert_eq!(updated.effort.conflicts, 2);
    assert_eq!(updated.effort.requests, 6);
    assert_eq!(calls, 3);
    assert!(!updated.effort.waited.is_zero());
    assert_eq!(fake.n(), "1");
    assert_eq!(fake.writes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_without_a_known_reason_is_one() {
    let fake = Fake::new().on_put([answer(false, 409, "Failed to parse error data")]);
    let (result, _) = counted(&api(fake.client()), as_is).await;
    assert_eq!(result.unwrap().effort.conflicts, 1);
}

/// Whoever asks for the object by its name means whatever has that name.
#[tokio::test(start_paused = true)]
async fn a_namesake_is_updated() {
    let fake = Fake::new().on_put([Fault::Recreate]);
    let (result, _) = counted(&api(fake.client()), as_is).await;
    assert_eq!(result.unwrap().object.metadata.uid.unwrap(), "uid-1");
}

#[tokio::test(start_paused = true)]
async fn steps_that_run_out_give_the_last_conflict_and_who_won() {
    let fake = Fake::new().on_every_put(|| Fault::Foreign);
    let backoff = Backoff::new(3, Duration::from_millis(10));
    let (result, calls) = counted(&api(fake.client()), |update| update.backoff(backoff)).await;
    let error = result.unwrap_err();
    assert_eq!(calls, 3);
    assert_eq!(error.outcome(), Outcome::Refused);
    assert_eq!(error.effort().conflicts, 3);
    assert_eq!(error.effort().waited, Duration::from_millis(20));
    assert_eq!(error.resource_version(), Some("102"));
    let winner = error.winner().unwrap();
    assert_eq!(winner.manager, "kube-controller-manager");
    assert_eq!(winner.operation, "Update");
    assert_eq!(winner.subresource.as_deref(), Some("status"));
    assert_eq!(winner.time.as_deref(), Some("2026-11-22T12:00:42Z"));
    assert!(matches!(
        error.reason(),
        Reason::Interrupted { interrupt: Interrupt::Timeout, last: Some(last), .. }
            if optilock::is_conflict(last)
    ));
    // So that it can be told by code around it, too.
    assert!(optilock::is_conflict_in(&error));
    assert_eq!(
        error.to_string(),
        "configmaps \"counter\" in namespace \"default\": \
         gave up: timed out waiting for the condition; the last answer was: \
         Operation cannot be fulfilled on configmaps \"counter\": the object has been modified; \
         please apply your changes to the latest version and try again; it had been written by \
         \"kube-controller-manager\" (Update of status) at 2026-11-22T12:00:42Z; \
         allow more steps or a later deadline, or try again later \
         (resourceVersion: 102, attempts: 3, conflicts: 3, requests: 6, waited: 20ms)"
    );
}

#[tokio::test(start_paused = true)]
async fn zero_steps_send_nothing() {
    let fake = Fake::new();
    let (result, calls) = counted(&api(fake.client()), |update| {
        update.backoff(Backoff::default())
    })
    .await;
    let error = result.unwrap_err();
    assert!(matches!(
        error.reason(),
        Reason::Interrupted {
            interrupt: Interrupt::Timeout,
            last: None,
            ..
        }
    ));
    assert_eq!((fake.gets(), calls, error.effort().attempts), (0, 0, 0));
    assert!(fake.puts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_existing_name_is_no_conflict() {
    let fake = Fake::new().on_put([answer(false, 409, reason::ALREADY_EXISTS)]);
    let (result, calls) = counted(&api(fake.client()), as_is).await;
    let error = result.unwrap_err();
    assert!(matches!(error.reason(), Reason::Refused(_)));
    assert_eq!((calls, error.effort().conflicts), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_of_field_managers_is_not_tried_again() {
    let mut fault = answer(false, 409, reason::CONFLICT);
    if let Fault::Answer { status, .. } = &mut fault {
        let details = serde_json::json!({"causes": [{"reason": "FieldManagerConflict"}]});
        status.details = Some(serde_json::from_value(details).unwrap());
    }
    let fake = Fake::new().on_put([fault]);
    let (result, calls) = counted(&api(fake.client()), as_is).await;
    assert!(matches!(result.unwrap_err().reason(), Reason::Refused(_)));
    assert_eq!(calls, 1);
}

// An object at hand.

#[tokio::test(start_paused = true)]
async fn an_object_at_hand_saves_the_read() {
    let fake = Fake::new();
    let object = at_hand(&fake);
    let (result, _) = counted(&api(fake.client()), |update| update.from(object)).await;
    assert_eq!(result.unwrap().effort.requests, 1);
    assert_eq!((fake.gets(), fake.puts().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_outdated_object_at_hand_is_read_again() {
    let fake = Fake::new();
    let mut object = at_hand(&fake);
    object.metadata.resource_version = Some("99".to_owned());
    object.data = Some([("n".to_owned(), "77".to_owned())].into());
    let (result, _) = counted(&api(fake.client()), |update| update.from(object)).await;
    let updated = result.unwrap();
    assert_eq!(updated.effort.conflicts, 1);
    assert_eq!(updated.effort.requests, 3);
    assert_eq!(fake.n(), "1");
}

#[tokio::test(start_paused = true)]
async fn an_object_at_hand_is_not_confused_with_a_namesake() {
    let fake = Fake::new().on_put([Fault::Recreate]);
    let object = at_hand(&fake);
    let (result, calls) = counted(&api(fake.client()), |update| update.from(object)).await;
    let error = result.unwrap_err();
    assert!(matches!(
        error.reason(),
        Reason::Recreated { expected, found, .. } if expected == "uid-0" && found == "uid-1"
    ));
    assert_eq!((calls, fake.puts().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_object_at_hand_without_identity_is_not_written() {
    for (field, value) in [
        ("uid", None),
        ("uid", Some("")),
        ("resourceVersion", None),
        ("resourceVersion", Some("")),
        // To the server that is no version at all.
        ("resourceVersion", Some("0")),
    ] {
        let fake = Fake::new();
        let mut object = at_hand(&fake);
        let value = value.map(str::to_owned);
        match field {
            "uid" => object.metadata.uid = value,
            _ => object.metadata.resource_version = value,
        }
        let (result, calls) = counted(&api(fake.client()), |update| update.from(object)).await;
        let error = result.unwrap_err();
        assert!(
            matches!(error.reason(), Reason::Incomplete { field: found, .. } if found.ends_with(field)),
            "{error}"
        );
        assert_eq!((fake.gets(), fake.puts().len(), calls), (0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_at_hand_of_another_name_is_not_written() {
    let fake = Fake::new();
    let mut object = at_hand(&fake);
    object.metadata.name = Some("other".to_owned());
    let (result, calls) = counted(&api(fake.client()), |update| update.from(object)).await;
    let error = result.unwrap_err();
    assert!(matches!(error.reason(), Reason::Misnamed { found, .. } if found == "other"));
    assert_eq!((fake.puts().len(), calls), (0, 0));
}

/// A server that leaves them out is not trusted with a write either.
#[tokio::test(start_paused = true)]
async fn an_object_that_is_read_without_identity_is_not_written() {
    let fake = Fake::new();
    fake.set("/metadata/uid", serde_json::Value::Null);
    let (result, _) = counted(&api(fake.client()), as_is).await;
    assert!(matches!(
        result.unwrap_err().reason(),
        Reason::Incomplete { .. }
    ));
    assert!(fake.puts().is_empty());
}

// The closure.

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the quota is used up")]
struct QuotaUsedUp;

#[tokio::test(start_paused = true)]
async fn the_closures_own_error_ends_it() {
    let fake = Fake::new();
    let error = update(&api(fake.client()), "counter")
        .apply(|object| {
            count(object)?;
            Err(QuotaUsedUp.into())
        })
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::Refused);
    let Reason::Change(inner) = error.into_reason() else {
        panic!("another reason")
    };
    assert_eq!(inner.downcast_ref(), Some(&QuotaUsedUp));
    assert!(fake.puts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_closure_must_leave_the_identity_alone() {
    type Change = fn(&mut ConfigMap);
    let changes: [(&str, Change); 6] = [
        ("metadata.name", |object| {
            object.metadata.name = Some("other".into());
        }),
        ("metadata.namespace", |object| {
            object.metadata.namespace = None;
        }),
        ("metadata.uid", |object| object.metadata.uid = None),
        ("metadata.uid", |object| {
            object.metadata.uid = Some("uid-9".into());
        }),
        ("metadata.resourceVersion", |object| {
            object.metadata.resource_version = None;
        }),
        ("metadata.resourceVersion", |object| {
            object.metadata.resource_version = Some("101".into());
        }),
    ];
    for (expected, change) in changes {
        let fake = Fake::new();
        let error = update(&api(fake.client()), "counter")
            .apply(|object| {
                change(object);
                Ok(())
            })
            .await
            .unwrap_err();
        assert!(
            matches!(error.reason(), Reason::IdentityChanged { field, .. } if *field == expected),
            "{error}"
        );
        assert!(fake.puts().is_empty());
    }
}

// Answers that leave open whether the write was carried out.

/// A write that ends in one of these ways may or may not have been carried out.
fn ambiguous(applied: bool) -> Vec<Fault> {
    let mut faults: Vec<_> = [
        (500, reason::UNKNOWN),
        (500, reason::INTERNAL_ERROR),
        (500, reason::SERVER_TIMEOUT),
        (502, "Failed to parse error data"),
        (503, reason::SERVICE_UNAVAILABLE),
        (504, reason::TIMEOUT),
        (408, reason::UNKNOWN),
    ]
    .into_iter()
    .map(|(code, reason)| answer(applied, code, reason))
    .collect();
    faults.push(Fault::Garbled { applied });
    faults.push(Fault::Broken { applied });
    faults.push(Fault::Silent { applied });
    faults
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_found_out() {
    for applied in [false, true] {
        for fault in ambiguous(applied) {
            let case = format!("{fault:?}");
            let fake = Fake::new().on_put([fault]);
            let (result, calls) = counted(&api(fake.client()), as_is).await;
            let updated = result.unwrap();
            let evidence = if applied {
                Evidence::OpId
            } else {
                Evidence::Resent
            };
            assert_eq!(updated.evidence, evidence, "{case}");
            assert!(updated.written);
            assert_eq!(
                (calls, fake.n().as_str(), fake.writes()),
                (1, "1", 1),
                "{case}"
            );
            let (_, first) = &fake.puts()[0];
            assert!(fake.puts().iter().all(|(_, body)| body == first), "{case}");
            assert_eq!(updated.effort.unknowns, 1);
            assert_eq!(updated.effort.attempts, 1);
            assert_eq!(updated.object.data.unwrap()["n"], "1");
        }
    }
}

/// Several in a row are no worse than one.
#[tokio::test(start_paused = true)]
async fn unknown_outcomes_in_a_row_are_found_out() {
    for which in 0..10 {
        for later in [false, true] {
            let faults = [
                ambiguous(false).swap_remove(which),
                ambiguous(later).swap_remove(which),
            ];
            let fake = Fake::new().on_put(faults);
            let (result, calls) = counted(&api(fake.client()), as_is).await;
            result.unwrap();
            assert_eq!((calls, fake.n().as_str(), fake.writes()), (1, "1", 1));
        }
    }
}

/// Asserts that a write that gets no answer is unknown, and that the closure was called once.
async fn assert_unknown(
    options: impl FnOnce(Update<'_, ConfigMap>) -> Update<'_, ConfigMap>,
) -> (Doubt, Option<Box<Unresolved>>) {
    let fake = Fake::new().on_put([Fault::Silent { applied: true }]);
    let (result, calls) = counted(&api(fake.client()), options).await;
    let error = result.unwrap_err();
    assert_eq!(calls, 1, "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(error.resource_version(), Some("100"));
    assert_eq!(error.pending().unwrap().base, "100");
    let text = error.to_string();
    assert!(text.contains("may or may not have been applied"), "{text}");
    // What is left behind is enough to find out later.
    let pending = error.pending().unwrap();
    let stored = serde_json::to_string(pending).unwrap();
    let stored: Pending = serde_json::from_str(&stored).unwrap();
    assert_eq!(&stored, pending);
    let outcome = resolve(&api(fake.client()), &stored).await.unwrap();
    assert_eq!(outcome, Outcome::Applied);
    assert_eq!(fake.n(), "1");
    match error.into_reason() {
        Reason::Unknown {
            doubt, unresolved, ..
        } => (*doubt, unresolved),
        reason => panic!("{reason}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_during_the_write_leaves_it_open() {
    let (doubt, unresolved) = assert_unknown(|update| update.timeout(Duration::from_secs(1))).await;
    assert!(
        matches!(doubt, Doubt::Interrupted(Interrupt::DeadlineExceeded)),
        "{doubt}"
    );
    assert!(unresolved.is_none());
}

#[tokio::test(start_paused = true)]
async fn steps_that_run_out_leave_it_open() {
    let limit = Duration::from_secs(5);
    let (doubt, unresolved) = assert_unknown(|update| {
        update
            .attempt_timeout(limit)
            .backoff(Backoff::new(1, Duration::ZERO))
    })
    .await;
    assert!(
        matches!(doubt, Doubt::AttemptTimeout(time) if time == limit),
        "{doubt}"
    );
    assert!(matches!(unresolved.as_deref(), Some(Unresolved::Ended(_))));
}

#[tokio::test(start_paused = true)]
async fn cancellation_during_the_write_leaves_it_open() {
    let token = CancellationToken::new();
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        token.cancel();
    };
    let write = assert_unknown(|update| update.cancellation(token.clone().cancelled_owned()));
    let ((doubt, _), ()) = tokio::join!(write, cancel);
    assert!(
        matches!(doubt, Doubt::Interrupted(Interrupt::Cancelled)),
        "{doubt}"
    );
}

/// Who may repeat an update needs no op-id, and no search for the outcome.
#[tokio::test(start_paused = true)]
async fn an_idempotent_update_starts_again() {
    for applied in [false, true] {
        for fault in ambiguous(applied) {
            let fake = Fake::new().on_put([fault]);
            let updated = update(&api(fake.client()), "counter")
                .idempotent()
                .apply(|object| {
                    object
                        .data
                        .get_or_insert_default()
                        .insert("n".into(), "7".into());
                    Ok(())
                })
                .await
                .unwrap();
            assert_eq!(updated.written, !applied);
            assert_eq!((fake.n().as_str(), fake.writes()), ("7", 1));
            assert!(fake.object()["metadata"]["annotations"].is_null());
        }
    }
}

/// kube's own layer sends the write again after the 504; the conflict is with the first sending. Taken
/// for somebody else's, the change would be applied twice.
#[tokio::test(start_paused = true)]
async fn a_client_that_sends_writes_again_is_noticed() {
    let fake = Fake::new().on_put([answer(true, 504, reason::TIMEOUT)]);
    let mut doubts = Vec::new();
    let (result, calls) = counted(&api(fake.client_that_retries()), |update| {
        update.observe(|event| {
            if let Event::Unknown { doubt, .. } = event {
                doubts.push(doubt.to_string());
            }
        })
    })
    .await;
    assert_eq!(result.unwrap().evidence, Evidence::OpId);
    assert!(
        doubts[0].starts_with("the client sent the write more than once"),
        "{doubts:?}"
    );
    assert_eq!((calls, fake.n().as_str(), fake.writes()), (1, "1", 1));

    // Of two sendings that the server wants only one can succeed, so that success is success.
    let fake = Fake::new().on_put([answer(false, 503, reason::SERVICE_UNAVAILABLE)]);
    let (result, calls) = counted(&api(fake.client_that_retries()), as_is).await;
    assert_eq!(result.unwrap().evidence, Evidence::Answer);
    assert_eq!((fake.puts().len(), calls, fake.n().as_str()), (2, 1, "1"));
}

/// The layer alone does no harm: only when it has done its work the answer is in doubt.
#[tokio::test(start_paused = true)]
async fn a_client_that_could_send_writes_again_and_does_not_is_fine() {
    let fake = Fake::new().on_put([Fault::Foreign, Fault::Foreign]);
    let (result, calls) = counted(&api(fake.client_that_retries()), as_is).await;
    assert_eq!(result.unwrap().effort.conflicts, 2);
    assert_eq!((calls, fake.n().as_str()), (3, "1"));
}

// Reads that fail, and a server that asks for patience.

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_ends_it() {
    for fault in [
        answer(false, 404, reason::NOT_FOUND),
        answer(false, 403, reason::FORBIDDEN),
        answer(false, 500, reason::INTERNAL_ERROR),
        Fault::Garbled { applied: false },
        Fault::Broken { applied: false },
    ] {
        let fake = Fake::new().on_get([fault]);
        let (result, calls) = counted(&api(fake.client()), as_is).await;
        let error = result.unwrap_err();
        assert!(matches!(error.reason(), Reason::Read(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::Refused);
        assert_eq!(error.resource_version(), None);
        assert_eq!((fake.gets(), calls), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_without_an_answer_ends_it() {
    let fake = Fake::new().on_get([Fault::Silent { applied: false }]);
    let (result, _) = counted(&api(fake.client()), as_is).await;
    let error = result.unwrap_err();
    assert!(matches!(error.reason(), Reason::ReadTimeout(_)), "{error}");

    let fake = Fake::new().on_get([Fault::Silent { applied: false }]);
    let (result, _) = counted(&api(fake.client()), |update| {
        update.timeout(Duration::from_secs(1))
    })
    .await;
    let error = result.unwrap_err();
    assert!(
        matches!(
            error.reason(),
            Reason::Interrupted {
                interrupt: Interrupt::DeadlineExceeded,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_patience_gets_it() {
    let start = Instant::now();
    let fake = Fake::new()
        .on_get([
            answer_after(429, reason::TOO_MANY_REQUESTS, 3),
            answer_after(500, reason::SERVER_TIMEOUT, 2),
        ])
        .on_put([answer_after(429, reason::TOO_MANY_REQUESTS, 7)]);
    let mut patience = Vec::new();
    let (result, calls) = counted(&api(fake.client()), |update| {
        update.observe(|event| match event {
            Event::Throttled {
                attempt, status, ..
            } => patience.push((*attempt, status.code)),
            Event::Sleep { delay, .. } => assert!(*delay >= Duration::from_secs(2)),
            _ => {}
        })
    })
    .await;
    let updated = result.unwrap();
    assert_eq!(patience, [(1, 429), (2, 500), (3, 429)]);
    assert_eq!((updated.effort.attempts, updated.effort.conflicts), (4, 0));
    assert_eq!((calls, fake.n().as_str()), (2, "1"));
    assert!(start.elapsed() >= Duration::from_secs(12));
    assert!(updated.effort.waited >= Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn patience_ends_with_the_steps() {
    let fake = Fake::new().on_every_put(|| answer_after(429, reason::TOO_MANY_REQUESTS, 1));
    let backoff = Backoff::new(2, Duration::from_millis(10));
    let (result, _) = counted(&api(fake.client()), |update| update.backoff(backoff)).await;
    let error = result.unwrap_err();
    assert!(
        error.to_string().contains("the last answer was: slow down"),
        "{error}"
    );
    assert_eq!(error.effort().waited, Duration::from_secs(1));
}

// Limits.

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_past_sends_nothing() {
    let fake = Fake::new();
    let past = Instant::now().into_std();
    let (result, calls) = counted(&api(fake.client()), |update| update.deadline(past)).await;
    let error = result.unwrap_err();
    assert!(matches!(
        error.reason(),
        Reason::Interrupted {
            interrupt: Interrupt::DeadlineExceeded,
            ..
        }
    ));
    assert_eq!((fake.gets(), calls), (0, 0));
    assert!(fake.puts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_the_attempts() {
    let fake = Fake::new().on_every_put(|| Fault::Foreign);
    let start = Instant::now();
    let (result, calls) = counted(&api(fake.client()), |update| {
        update.timeout(Duration::from_secs(10))
    })
    .await;
    let error = result.unwrap_err();
    assert!(matches!(
        error.reason(),
        Reason::Interrupted {
            interrupt: Interrupt::DeadlineExceeded,
            last: Some(_),
            ..
        }
    ));
    assert_eq!(error.effort().conflicts, calls);
    assert!(calls > 5);
    assert!(start.elapsed() < Duration::from_secs(11));
    assert!(error.winner().is_some());

    // Without one there is still an end.
    let fake = Fake::new().on_every_put(|| Fault::Foreign);
    let (result, _) = counted(&api(fake.client()), as_is).await;
    assert!(matches!(
        result.unwrap_err().reason(),
        Reason::Interrupted {
            interrupt: Interrupt::DeadlineExceeded,
            ..
        }
    ));
}

#[tokio::test(start_paused = true)]
async fn cancellation_between_attempts() {
    let fake = Fake::new().on_every_put(|| Fault::Foreign);
    let token = CancellationToken::new();
    let (result, calls) = counted(&api(fake.client()), |update| {
        let token = token.clone();
        update
            .cancellation(token.clone().cancelled_owned())
            .observe(move |event| {
                if matches!(event, Event::Sleep { attempt: 2, .. }) {
                    token.cancel();
                }
            })
    })
    .await;
    let error = result.unwrap_err();
    assert!(matches!(
        error.reason(),
        Reason::Interrupted {
            interrupt: Interrupt::Cancelled,
            last: Some(_),
            ..
        }
    ));
    assert_eq!(calls, 2);
    assert_eq!(error.outcome(), Outcome::Refused);
}

// What is told.

#[tokio::test(start_paused = true)]
async fn every_step_is_told_in_order() {
    let fake = Fake::new().on_put([Fault::Foreign]);
    let mut told = Vec::new();
    let (result, _) = counted(&api(fake.client()), |update| {
        update.observe(|event| {
            let n = |object: &ConfigMap| object.data.as_ref().unwrap()["n"].clone();
            told.push(match event {
                Event::Read {
                    attempt,
                    resource_version,
                    object,
                    ..
                } => {
                    format!("{attempt} read {resource_version} {}", n(object))
                }
                Event::Write {
                    attempt,
                    base,
                    object,
                    ..
                } => {
                    format!("{attempt} write {base} {}", n(object))
                }
                Event::Written {
                    attempt,
                    base,
                    resource_version,
                    object,
                    ..
                } => {
                    format!("{attempt} written {base} {resource_version} {}", n(object))
                }
                Event::Conflict {
                    attempt,
                    base,
                    status,
                    ..
                } => {
                    format!("{attempt} conflict {base} {}", status.code)
                }
                Event::Sleep { attempt, .. } => format!("{attempt} sleep"),
                event => format!("{event:?}"),
            });
        })
    })
    .await;
    result.unwrap();
    assert_eq!(
        told,
        [
            "1 read 100 0",
            "1 write 100 1",
            "1 conflict 100 409",
            "1 sleep",
            "2 read 101 0",
            "2 write 101 1",
            "2 written 101 102 1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn objects_are_named_as_the_server_names_them() {
    async fn target<K>(api: Api<K>) -> String
    where
        K: kube::Resource
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let result = update(&api, "web")
            .backoff(Backoff::default())
            .apply(|_| Ok(()))
            .await;
        result.unwrap_err().target().to_string()
    }
    let client = Fake::new().client();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "shop");
    assert_eq!(
        target(deployments).await,
        "deployments.apps \"web\" in namespace \"shop\""
    );
    let nodes: Api<Node> = Api::all(client.clone());
    assert_eq!(target(nodes).await, "nodes \"web\"");
    let gvk = GroupVersionKind::gvk("example.com", "v1", "Widget");
    let resource = ApiResource::from_gvk(&gvk);
    let widgets: Api<DynamicObject> = Api::namespaced_with(client, "shop", &resource);
    assert_eq!(
        target(widgets).await,
        "widgets.example.com \"web\" in namespace \"shop\""
    );
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_object_keeps_what_it_does_not_know() {
    let fake = Fake::of(serde_json::json!({
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "default", "ownerReferences": []},
        "spec": {"size": 1, "colours": ["red"]},
    }));
    let gvk = GroupVersionKind::gvk("example.com", "v1", "Widget");
    let api: Api<DynamicObject> =
        Api::default_namespaced_with(fake.client(), &ApiResource::from_gvk(&gvk));
    update(&api, "w")
        .apply(|widget| {
            widget.data["spec"]["size"] = 2.into();
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(
        fake.object()["spec"],
        serde_json::json!({"size": 2, "colours": ["red"]})
    );
}
