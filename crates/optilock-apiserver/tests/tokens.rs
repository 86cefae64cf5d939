//! Tokens of service accounts: requested, reviewed, and used.
//!
//! Texts and shapes are those of kube-apiserver 1.36.3.
#![allow(missing_docs, clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Answer, Api};
use http::Method;
use optilock_apiserver::Server;
use serde_json::{Value, json};

const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const SELVES: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const ISSUER: &str = "https://kubernetes.default.svc";

async fn with_account() -> (Api, String) {
    let api = Api::new();
    let account = json!({"metadata": {"name": "bot"}});
    let account = api.post(ACCOUNTS, &account).await.expect(201);
    let uid = account["metadata"]["uid"].as_str().unwrap().to_owned();
    (api, uid)
}

async fn request(api: &Api, spec: Value) -> Answer {
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec,
    });
    api.post(&format!("{ACCOUNTS}/bot/token"), &body).await
}

async fn token(api: &Api, spec: Value) -> String {
    let answer = request(api, spec).await.expect(201);
    answer["status"]["token"].as_str().unwrap().to_owned()
}

async fn review(api: &Api, token: &str, audiences: Value) -> Value {
    let body = json!({"spec": {"token": token, "audiences": audiences}});
    api.post(REVIEWS, &body).await.expect(201)["status"].take()
}

async fn error(api: &Api, token: &str) -> String {
    let status = review(api, token, Value::Null).await;
    assert_eq!(status.get("authenticated"), None);
    status["error"].as_str().unwrap().to_owned()
}

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_says_whose_it_is() {
    let (api, uid) = with_account().await;
    let answer = request(&api, json!({"expirationSeconds": 1200}))
        .await
        .expect(201);
    assert_eq!(
        (
            &answer["kind"],
            &answer["metadata"]["name"],
            &answer["metadata"]["uid"]
        ),
        (&json!("TokenRequest"), &json!("bot"), &json!(uid))
    );
    assert_eq!(
        answer["spec"],
        json!({"audiences": [ISSUER], "expirationSeconds": 1200, "boundObjectRef": null})
    );
    let owner = &answer["metadata"]["managedFields"][0];
    assert_eq!(
        (&owner["subresource"], &owner["fieldsV1"]),
        (
            &json!("token"),
            &json!({"f:spec": {"f:expirationSeconds": {}}})
        )
    );
    let token = answer["status"]["token"].as_str().unwrap();
    let claims = part(token, 1);
    assert_eq!(claims["sub"], "system:serviceaccount:default:bot");
    assert_eq!(
        claims["kubernetes.io"],
        json!({"namespace": "default", "serviceaccount": {"name": "bot", "uid": uid}})
    );
    let seconds = |claim: &str| claims[claim].as_i64().unwrap();
    assert_eq!(
        (seconds("exp") - seconds("iat"), seconds("nbf")),
        (1200, seconds("iat"))
    );

    let keys = api.get("/openid/v1/jwks").await;
    assert_eq!(keys.headers["content-type"], "application/jwk-set+json");
    assert_eq!(keys.json()["keys"][0]["kid"], part(token, 0)["kid"]);
    let issuer = api
        .get("/.well-known/openid-configuration")
        .await
        .expect(200);
    assert_eq!(issuer["issuer"], claims["iss"]);
}

#[tokio::test]
async fn a_review_knows_it_again() {
    let (api, uid) = with_account().await;
    let token = token(&api, json!({"audiences": ["a", "b"]})).await;
    let claims = part(&token, 1);
    let id = format!("JTI={}", claims["jti"].as_str().unwrap());
    assert_eq!(
        review(&api, &token, json!(["b", "q"])).await,
        json!({
            "authenticated": true,
            "user": {
                "username": "system:serviceaccount:default:bot",
                "uid": uid,
                "groups": [
                    "system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated",
                ],
                "extra": {"authentication.kubernetes.io/credential-id": [id]},
            },
            "audiences": ["b"],
        })
    );
    assert_eq!(
        error(&api, &token).await,
        r#"[invalid bearer token, token audiences ["a" "b"] is invalid for the target audiences ["https://kubernetes.default.svc"]]"#
    );
    assert_eq!(error(&api, "nonsense").await, "invalid bearer token");
    let (text, _) = token.rsplit_once('.').unwrap();
    assert_eq!(
        error(&api, &format!("{text}.AAAA")).await,
        "[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]"
    );
    let body = json!({"spec": {"token": ""}});
    let refused = api.post(REVIEWS, &body).await.refusal();
    assert_eq!(
        (refused.0, &*refused.2),
        (400, "token is required for TokenReview in authentication")
    );
}

#[tokio::test]
async fn a_token_ends_with_what_it_is_bound_to() {
    let (api, uid) = with_account().await;
    let namespace = "/api/v1/namespaces/default";
    let pods = format!("{namespace}/pods");
    let secrets = format!("{namespace}/secrets");
    let pod = json!({
        "metadata": {"name": "p"},
        "spec": {"serviceAccountName": "bot", "nodeName": "n", "containers": [{"name": "c", "image": "i"}]},
    });
    let pod = api.post(&pods, &pod).await.expect(201);
    let secret = json!({"metadata": {"name": "s"}});
    api.post(&secrets, &secret).await.expect(201);
    let to = |kind: &str, name: &str| json!({"boundObjectRef": {"kind": kind, "apiVersion": "v1", "name": name}});

    let of_pod = token(&api, to("Pod", "p")).await;
    let of_secret = token(&api, to("Secret", "s")).await;
    let of_account = token(&api, json!({})).await;
    let user = review(&api, &of_pod, Value::Null).await["user"].take();
    assert_eq!(
        user["extra"]["authentication.kubernetes.io/pod-uid"],
        json!([pod["metadata"]["uid"]])
    );
    assert_eq!(
        user["extra"]["authentication.kubernetes.io/node-name"],
        json!(["n"])
    );

    let gone = "[invalid bearer token, service account token has been invalidated]";
    api.delete(&format!("{pods}/p?gracePeriodSeconds=0")).await;
    assert_eq!(error(&api, &of_pod).await, gone);
    api.delete(&format!("{secrets}/s")).await;
    assert_eq!(error(&api, &of_secret).await, gone);
    let again = api.post(&secrets, &secret).await.expect(201);
    let claimed = part(&of_secret, 1)["kubernetes.io"]["secret"]["uid"].take();
    assert_eq!(
        error(&api, &of_secret).await,
        format!(
            "[invalid bearer token, secret UID ({}) does not match service account secret ref claim ({})]",
            again["metadata"]["uid"].as_str().unwrap(),
            claimed.as_str().unwrap()
        )
    );
    api.delete(&format!("{ACCOUNTS}/bot")).await;
    assert_eq!(
        error(&api, &of_account).await,
        r#"[invalid bearer token, serviceaccounts "bot" not found]"#
    );
    let account = json!({"metadata": {"name": "bot"}});
    let account = api.post(ACCOUNTS, &account).await.expect(201);
    assert_eq!(
        error(&api, &of_account).await,
        format!(
            "[invalid bearer token, service account UID ({}) does not match claim ({uid})]",
            account["metadata"]["uid"].as_str().unwrap()
        )
    );
}

#[tokio::test]
async fn what_can_not_be_requested() {
    let (api, _) = with_account().await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    api.post(pods, &pod).await.expect(201);
    let to = |kind: &str, name: &str, uid: &str| json!({"boundObjectRef": {"kind": kind, "apiVersion": "v1", "name": name, "uid": uid}});
    for (spec, code, message) in [
        (
            json!({"expirationSeconds": 599}),
            422,
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 599: may not \
             specify a duration less than 10 minutes",
        ),
        (
            json!({"expirationSeconds": 4_294_967_297_i64}),
            422,
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 4294967297: \
             may not specify a duration larger than 2^32 seconds",
        ),
        (
            to("ConfigMap", "x", ""),
            400,
            "cannot bind token to object of type /v1, Kind=ConfigMap",
        ),
        (to("Secret", "", ""), 400, "Name parameter required."),
        (to("Secret", "x", ""), 404, "secrets \"x\" not found"),
        (
            to("Pod", "p", ""),
            400,
            "cannot bind token for serviceaccount \"bot\" to pod running with different serviceaccount name.",
        ),
    ] {
        let refused = request(&api, spec.clone()).await.refusal();
        assert_eq!((refused.0, &*refused.2), (code, message), "{spec}");
    }
    let secret = json!({"metadata": {"name": "s"}});
    api.post("/api/v1/namespaces/default/secrets", &secret)
        .await
        .expect(201);
    let refused = request(&api, to("Secret", "s", "x")).await.refusal();
    assert_eq!(
        (refused.0, &*refused.2),
        (
            409,
            "Operation cannot be fulfilled on Secret \"s\": the UID in the bound object reference (x) does not match the \
             UID in record. The object might have been deleted and then recreated"
        )
    );
    let other = json!({"metadata": {"name": "other"}});
    let refused = api.post(&format!("{ACCOUNTS}/bot/token"), &other).await;
    assert_eq!(
        refused.refusal().2,
        "TokenRequest.authentication.k8s.io \"bot\" is invalid: metadata.name: Invalid value: \"other\": must match the \
         service account name if specified"
    );
    let refused = api
        .post(&format!("{ACCOUNTS}/nope/token"), &json!({}))
        .await;
    assert_eq!(refused.refusal().2, "serviceaccounts \"nope\" not found");
}

#[tokio::test]
async fn requests_with_a_token_are_its_users() {
    let seconds = Arc::new(AtomicI64::new(1_700_000_000));
    let clock = Arc::clone(&seconds);
    let server = Server::builder()
        .seed(7)
        .controllers([])
        .clock(move || jiff::Timestamp::from_second(clock.load(Ordering::SeqCst)).unwrap())
        .build();
    let api = Api::of(server);
    let account = json!({"metadata": {"name": "bot"}});
    api.post(ACCOUNTS, &account).await.expect(201);
    let token = token(&api, json!({"expirationSeconds": 600})).await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer)];
    let who = async || {
        let answer = api.call(Method::POST, SELVES, &headers, "{}").await;
        let name = answer.json();
        let name = name.pointer("/status/userInfo/username").cloned();
        (answer.code.as_u16(), name.unwrap_or_default())
    };
    assert_eq!(
        who().await,
        (201, json!("system:serviceaccount:default:bot"))
    );
    let own = api.post(SELVES, &json!({})).await.expect(201);
    assert_eq!(own["status"]["userInfo"]["username"], "optilock-admin");

    // A minute is for clocks that differ.
    seconds.fetch_add(660, Ordering::SeqCst);
    assert_eq!(who().await.0, 201);
    seconds.fetch_add(1, Ordering::SeqCst);
    assert_eq!(who().await.0, 401);
    assert_eq!(
        error(&api, &token).await,
        "[invalid bearer token, service account token has expired]"
    );
}
