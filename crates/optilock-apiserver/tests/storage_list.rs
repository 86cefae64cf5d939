//! The behaviours of kube-apiserver's own storage tests that are about lists. Each test has the name of the upstream one
//! (`RunTestConsistentList` is `consistent_list`); docs/behaviours.md lists them.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Api, CONFIGMAPS, configmap, version};
use serde_json::{Value, json};

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items is never null");
    items
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

async fn create(api: &Api, name: &str, label: &str) -> Value {
    let mut object = configmap(name);
    object["metadata"]["labels"] = json!({"l": label});
    api.post(CONFIGMAPS, &object).await.expect(201)
}

async fn list(api: &Api, query: &str) -> common::Answer {
    api.get(&format!("{CONFIGMAPS}?{query}")).await
}

/// What a list of these options shows.
#[derive(Debug, PartialEq)]
enum Shown {
    /// The state at the first of the versions.
    First,
    /// The present.
    Last,
    /// A refusal with that code.
    Refused(u16),
}

/// Every combination of version, match and limit: which state is shown, and which are refused.
#[tokio::test]
async fn list_with_every_option() {
    use Shown::{First, Last, Refused};
    let api = Api::new();
    create(&api, "a", "x").await;
    let first = version(&create(&api, "b", "y").await);
    api.delete(&format!("{CONFIGMAPS}/b")).await.expect(200);
    create(&api, "c", "x").await;
    let last = version(&create(&api, "d", "y").await);
    let (old, now, future) = (first.to_string(), last.to_string(), "1000000".to_owned());
    let cases = [
        // Version, match, without a limit, with a limit.
        ("", "", Last, Last),
        ("0", "", Last, Last),
        (&*old, "", Last, First),
        (&*now, "", Last, Last),
        (&*future, "", Refused(504), Refused(504)),
        ("abc", "", Refused(400), Refused(400)),
        ("-1", "", Refused(400), Refused(400)),
        ("", "NotOlderThan", Refused(422), Refused(422)),
        ("0", "NotOlderThan", Last, Last),
        (&*old, "NotOlderThan", Last, Last),
        (&*now, "NotOlderThan", Last, Last),
        (&*future, "NotOlderThan", Refused(504), Refused(504)),
        ("abc", "NotOlderThan", Refused(400), Refused(400)),
        ("", "Exact", Refused(422), Refused(422)),
        ("0", "Exact", Refused(422), Refused(422)),
        (&*old, "Exact", First, First),
        (&*now, "Exact", Last, Last),
        (&*future, "Exact", Refused(504), Refused(504)),
        ("", "Invalid", Refused(422), Refused(422)),
        ("0", "Invalid", Refused(422), Refused(422)),
        (&*old, "Invalid", Refused(422), Refused(422)),
    ];
    for (asked, version_match, without, with) in cases {
        for (limit, expected) in [("", without), ("&limit=10", with)] {
            for (selector, of_first, of_last) in [
                ("", vec!["a", "b"], vec!["a", "c", "d"]),
                ("&labelSelector=l%3Dy", vec!["b"], vec!["d"]),
                (
                    "&fieldSelector=metadata.name!%3Da",
                    vec!["b"],
                    vec!["c", "d"],
                ),
            ] {
                let mut query = format!("resourceVersion={asked}{limit}{selector}");
                if !version_match.is_empty() {
                    query += &format!("&resourceVersionMatch={version_match}");
                }
                let answer = list(&api, &query).await;
                match &expected {
                    Refused(code) => assert_eq!(answer.refusal().0, *code, "{query}"),
                    shown => {
                        let found = answer.expect(200);
                        let (names_of, at) = match shown {
                            First => (&of_first, first),
                            _ => (&of_last, last),
                        };
                        assert_eq!((&names(&found), version(&found)), (names_of, at), "{query}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn consistent_list() {
    let api = Api::new();
    create(&api, "a", "x").await;
    let first = list(&api, "limit=1").await.expect(200);
    assert_eq!(first["metadata"].get("continue"), None);
    let b = create(&api, "b", "x").await;
    assert_eq!(version(&list(&api, "").await.expect(200)), version(&b));
    // A token with version -1 goes on in the present.
    let latest = json!({"v": "meta.k8s.io/v1", "rv": -1, "start": "a\u{0}"});
    let token = URL_SAFE_NO_PAD.encode(latest.to_string());
    let rest = list(&api, &format!("continue={token}")).await.expect(200);
    assert_eq!((names(&rest), version(&rest)), (vec!["b"], version(&b)));
}

/// A list of one object by its name, now and as it was.
#[tokio::test]
async fn get_list_non_recursive() {
    let api = Api::new();
    create(&api, "b", "x").await;
    let a = create(&api, "a", "x").await;
    let deleted = api.delete(&format!("{CONFIGMAPS}/a")).await;
    deleted.expect(200);
    let one = "fieldSelector=metadata.name%3Da";
    let gone = list(&api, one).await.expect(200);
    assert_eq!(gone["items"], json!([]));
    assert!(version(&gone) > version(&a));
    let exact = format!(
        "{one}&resourceVersionMatch=Exact&resourceVersion={}",
        version(&a)
    );
    let was = list(&api, &exact).await.expect(200);
    assert_eq!((names(&was), version(&was)), (vec!["a"], version(&a)));
    let at_least = format!(
        "{one}&resourceVersionMatch=NotOlderThan&resourceVersion={}",
        version(&a)
    );
    assert_eq!(list(&api, &at_least).await.expect(200)["items"], json!([]));
}

/// A namespace whose name begins with another's is not part of it.
#[tokio::test]
async fn get_list_recursive_prefix() {
    let api = Api::new();
    for namespace in ["foo", "foobar"] {
        api.post(
            "/api/v1/namespaces",
            &json!({"metadata": {"name": namespace}}),
        )
        .await
        .expect(201);
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        api.post(&path, &configmap(&format!("of-{namespace}")))
            .await
            .expect(201);
    }
    for (path, expected) in [
        ("/api/v1/namespaces/foo/configmaps", vec!["of-foo"]),
        ("/api/v1/namespaces/foobar/configmaps", vec!["of-foobar"]),
        ("/api/v1/namespaces/fo/configmaps", vec![]),
        ("/api/v1/configmaps", vec!["of-foo", "of-foobar"]),
    ] {
        assert_eq!(names(&api.get(path).await.expect(200)), expected, "{path}");
    }
}

async fn pages(api: &Api, query: &str) -> Vec<Value> {
    let mut pages: Vec<Value> = Vec::new();
    loop {
        let token = pages.last().map_or("", |page| {
            page["metadata"]["continue"].as_str().unwrap_or_default()
        });
        if token.is_empty() && !pages.is_empty() {
            return pages;
        }
        let token = token.to_owned();
        pages.push(
            list(api, &format!("{query}&continue={token}"))
                .await
                .expect(200),
        );
    }
}

#[tokio::test]
async fn list_continuation() {
    let api = Api::new();
    for name in ["a", "b", "c"] {
        create(&api, name, "x").await;
    }
    for (limit, expected) in [
        (1, vec![vec!["a"], vec!["b"], vec!["c"]]),
        (2, vec![vec!["a", "b"], vec!["c"]]),
        (3, vec![vec!["a", "b", "c"]]),
    ] {
        let pages = pages(&api, &format!("limit={limit}")).await;
        let mut left = 3;
        for (page, expected) in pages.iter().zip(&expected) {
            assert_eq!(&names(page), expected);
            assert_eq!(version(page), version(&pages[0]));
            left -= expected.len();
            let remaining = page["metadata"]["remainingItemCount"].as_u64();
            assert_eq!(remaining, (left > 0).then_some(left as u64));
        }
        assert_eq!(pages.len(), expected.len());
    }
}

#[tokio::test]
async fn list_continuation_with_filter() {
    let api = Api::new();
    for (name, label) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "y"), ("e", "x")] {
        create(&api, name, label).await;
    }
    let pages = pages(&api, "limit=2&labelSelector=l%3Dx").await;
    let found: Vec<_> = pages.iter().map(names).collect();
    assert_eq!(found, [vec!["a", "c"], vec!["e"]]);
    // How many are left is not known where a selector has to look at each.
    assert_eq!(pages[0]["metadata"].get("remainingItemCount"), None);
}

#[tokio::test]
async fn namespace_scoped_list() {
    let api = Api::new();
    for namespace in ["one", "two"] {
        api.post(
            "/api/v1/namespaces",
            &json!({"metadata": {"name": namespace}}),
        )
        .await
        .expect(201);
        for name in ["a", "b"] {
            let path = format!("/api/v1/namespaces/{namespace}/configmaps");
            api.post(&path, &configmap(name)).await.expect(201);
        }
    }
    let all = "/api/v1/configmaps";
    let one = "/api/v1/namespaces/one/configmaps";
    for (path, selector, expected) in [
        (all, "", vec!["one/a", "one/b", "two/a", "two/b"]),
        (one, "", vec!["one/a", "one/b"]),
        (all, "metadata.namespace=two", vec!["two/a", "two/b"]),
        (all, "metadata.name=a", vec!["one/a", "two/a"]),
        (all, "metadata.namespace=two,metadata.name=a", vec!["two/a"]),
        (one, "metadata.name=a", vec!["one/a"]),
        (one, "metadata.namespace=two", vec![]),
        (one, "metadata.namespace!=two", vec!["one/a", "one/b"]),
        (one, "metadata.name=c", vec![]),
    ] {
        let selector = selector.replace('=', "%3D");
        let found = api
            .get(&format!("{path}?fieldSelector={selector}"))
            .await
            .expect(200);
        let found: Vec<String> = found["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                let of = |member: &str| item["metadata"][member].as_str().unwrap();
                format!("{}/{}", of("namespace"), of("name"))
            })
            .collect();
        assert_eq!(found, expected, "{path} {selector}");
    }
}
