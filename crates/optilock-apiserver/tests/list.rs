//! Lists: versions, pages, selectors.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::io::Read;

use common::{Answer, Api, CONFIGMAPS, configmap, version};
use flate2::read::GzDecoder;
use http::Method;
use serde_json::{Value, json};

async fn filled(api: &Api, names: &[&str]) {
    for name in names {
        let mut object = configmap(name);
        object["metadata"]["labels"] = json!({"name": name});
        api.post(CONFIGMAPS, &object).await.expect(201);
    }
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"]
        .as_array()
        .expect("items is a list, never null");
    items
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

async fn list(api: &Api, query: &str) -> Answer {
    api.get(&format!("{CONFIGMAPS}?{query}")).await
}

#[tokio::test]
async fn pages_of_one_list_show_one_version() {
    let api = Api::new();
    filled(&api, &["a", "b", "c", "d"]).await;
    let first = list(&api, "limit=2").await.expect(200);
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    filled(&api, &["bb", "e"]).await;
    api.delete(&format!("{CONFIGMAPS}/d")).await.expect(200);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = list(&api, &format!("limit=2&continue={token}"))
        .await
        .expect(200);
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    assert_eq!(second["metadata"].get("continue"), None);
    assert_eq!(
        names(&list(&api, "").await.expect(200)),
        ["a", "b", "bb", "c", "e"]
    );
}

#[tokio::test]
async fn an_old_version_is_listed_exactly() {
    let api = Api::new();
    filled(&api, &["a", "b"]).await;
    let then = version(&list(&api, "").await.expect(200));
    api.delete(&format!("{CONFIGMAPS}/a")).await.expect(200);
    filled(&api, &["c"]).await;
    let exact = format!("resourceVersion={then}&resourceVersionMatch=Exact");
    let past = list(&api, &exact).await.expect(200);
    assert_eq!((names(&past), version(&past)), (vec!["a", "b"], then));
    let newer = list(
        &api,
        &format!("resourceVersion={then}&resourceVersionMatch=NotOlderThan"),
    )
    .await
    .expect(200);
    assert_eq!(names(&newer), ["b", "c"]);
    let (code, reason, message) = list(&api, "resourceVersion=100000").await.refusal();
    assert_eq!((code, reason.as_str()), (504, "Timeout"));
    assert!(
        message.starts_with("Timeout: Too large resource version: 100000, current: "),
        "{message}"
    );
}

#[tokio::test]
async fn a_token_that_is_too_old_comes_with_one_that_goes_on() {
    let api = Api::forgetful();
    filled(&api, &["a", "b", "c"]).await;
    let first = list(&api, "limit=1").await.expect(200);
    filled(&api, &["d", "e"]).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let expired = list(&api, &format!("limit=1&continue={token}"))
        .await
        .expect(410);
    assert_eq!(expired["reason"], "Expired");
    let token = expired["metadata"]["continue"].as_str().unwrap();
    let rest = list(&api, &format!("continue={token}")).await.expect(200);
    assert_eq!(names(&rest), ["b", "c", "d", "e"]);
    assert!(version(&rest) > version(&first));
}

#[tokio::test]
async fn a_rare_object_is_found_on_one_page() {
    let api = Api::new();
    let many: Vec<String> = (0..1200).map(|n| format!("c{n:04}")).collect();
    filled(&api, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let found = list(&api, "limit=1&labelSelector=name%3Dc1100")
        .await
        .expect(200);
    assert_eq!(names(&found), ["c1100"]);
    let found = list(&api, "limit=1&labelSelector=name%3Dc1199")
        .await
        .expect(200);
    assert_eq!(found["metadata"].get("continue"), None);
    assert_eq!(found["metadata"].get("remainingItemCount"), None);
}

#[tokio::test]
async fn selectors_select() {
    let api = Api::new();
    filled(&api, &["a", "b", "c"]).await;
    for (query, expected) in [
        ("labelSelector=name%20in%20(a,c)", vec!["a", "c"]),
        ("labelSelector=name!%3Da", vec!["b", "c"]),
        ("labelSelector=!name", vec![]),
        ("fieldSelector=metadata.name%3Db", vec!["b"]),
        (
            "fieldSelector=metadata.name!%3Db,metadata.namespace%3Ddefault",
            vec!["a", "c"],
        ),
    ] {
        assert_eq!(
            names(&list(&api, query).await.expect(200)),
            expected,
            "{query}"
        );
    }
    assert_eq!(
        list(&api, "fieldSelector=spec.x%3Db").await.refusal(),
        (
            400,
            "BadRequest".to_owned(),
            "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"".to_owned()
        )
    );
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let api = Api::new();
    for (query, code, text) in [
        (
            "limit=x",
            400,
            "strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        (
            "resourceVersion=abc",
            400,
            "invalid resource version: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax",
        ),
        (
            "resourceVersionMatch=Exact",
            422,
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            "resourceVersion=0&resourceVersionMatch=Exact",
            422,
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        (
            "sendInitialEvents=true",
            422,
            "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        ),
        (
            "labelSelector=a%20in%20b",
            400,
            "unable to parse requirement: found 'b' expected: '('",
        ),
    ] {
        let (answer, _, message) = list(&api, query).await.refusal();
        assert_eq!((answer, message.as_str()), (code, text), "{query}");
    }
}

#[tokio::test]
async fn items_of_a_list_do_not_repeat_what_the_list_says() {
    let api = Api::new();
    filled(&api, &["a"]).await;
    let found = list(&api, "").await.expect(200);
    assert_eq!(
        (&found["kind"], &found["apiVersion"]),
        (&json!("ConfigMapList"), &json!("v1"))
    );
    assert_eq!(found["items"][0].get("kind"), None);
    assert!(version(&found["items"][0]) <= version(&found));
    let events = api.get("/apis/events.k8s.io/v1/events").await.expect(200);
    assert_eq!(events["items"], json!([]));
}

/// Large answers are compressed for those who accept it, small ones for nobody.
#[tokio::test]
async fn large_lists_are_compressed_where_that_is_accepted() {
    let api = Api::new();
    let mut large = configmap("large");
    large["data"]["k"] = "x y ".repeat(40_000).into();
    api.post(CONFIGMAPS, &large).await.expect(201);
    api.post(CONFIGMAPS, &configmap("small")).await.expect(201);
    let get = async |path: &str, accepted: &str| {
        let headers = [("accept-encoding", accepted)];
        api.call(Method::GET, path, &headers, "").await
    };
    let plain = api.get(CONFIGMAPS).await.body;
    for accepted in ["gzip", "deflate, gzip"] {
        let answer = get(CONFIGMAPS, accepted).await;
        assert_eq!(answer.headers["content-encoding"], "gzip");
        assert_eq!(answer.headers["vary"], "Accept-Encoding");
        assert!(answer.body.len() < plain.len() / 10);
        let mut out = Vec::new();
        GzDecoder::new(&answer.body[..])
            .read_to_end(&mut out)
            .unwrap();
        assert_eq!(out, plain);
    }
    for (path, accepted) in [
        (CONFIGMAPS.to_owned(), "gzip;q=1"),
        (CONFIGMAPS.to_owned(), "br"),
        (format!("{CONFIGMAPS}/small"), "gzip"),
    ] {
        let answer = get(&path, accepted).await;
        assert!(
            !answer.headers.contains_key("content-encoding"),
            "{path} {accepted}"
        );
    }
}

/// kube-apiserver compresses the document of OpenAPI v2 in a way of its own, and those of v3 never.
#[tokio::test]
async fn openapi_is_compressed_as_the_reference_does() {
    let api = Api::new();
    for (path, accepted, compressed) in [
        ("/openapi/v2", "gzip", true),
        ("/openapi/v2", "br, GZIP;q=0.5", true),
        ("/openapi/v2", "gzip;q=0", false),
        ("/openapi/v2", "*", false),
        ("/openapi/v3/api/v1", "gzip", false),
    ] {
        let headers = [("accept-encoding", accepted)];
        let answer = api.call(Method::GET, path, &headers, "").await;
        assert_eq!(answer.code, 200);
        assert_eq!(
            answer.headers.contains_key("content-encoding"),
            compressed,
            "{path} {accepted}"
        );
    }
}
