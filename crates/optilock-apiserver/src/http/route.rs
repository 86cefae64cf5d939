//! What a path is about.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A path of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// `/api/v1/…` or `/apis/GROUP/VERSION/…` with a resource behind it.
    Resource(ResourcePath<'a>),
    /// Everything else: discovery, health, versions.
    Other(Vec<Cow<'a, str>>),
    /// No path at all: what stands behind a `%` is no byte.
    Malformed,
}

/// The parts of a resource's path. What is not there is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ResourcePath<'a> {
    pub(crate) group: Cow<'a, str>,
    pub(crate) version: Cow<'a, str>,
    pub(crate) namespace: Cow<'a, str>,
    pub(crate) plural: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    pub(crate) subresource: Cow<'a, str>,
    /// The path began with `watch/`, as it did in old days.
    pub(crate) watch: bool,
    /// There was more than a subresource.
    pub(crate) too_deep: bool,
}

/// Subresources of a namespace; anything else behind its name is a resource inside it.
const OF_NAMESPACES: [&str; 2] = ["status", "finalize"];

/// Segments that most paths have at most: those of a subresource in a namespace.
const USUAL: usize = 8;

impl<'a> Route<'a> {
    /// Takes a path apart. Segments are percent-decoded; one slash at the end means nothing.
    pub(crate) fn parse(path: &'a str) -> Self {
        if has_broken_escape(path) {
            return Self::Malformed;
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = Vec::with_capacity(USUAL);
        let decoded: fn(&'a str) -> Cow<'a, str> = match path.contains('%') {
            true => |segment| percent_decode_str(segment).decode_utf8_lossy(),
            false => Cow::Borrowed,
        };
        if !path.is_empty() {
            segments.extend(path.split('/').map(decoded));
        }
        let (group, version, rest) = match &segments[..] {
            [root, version, rest @ ..] if root == "api" => (Cow::default(), version, rest),
            [root, group, version, rest @ ..] if root == "apis" => (group.clone(), version, rest),
            _ => return Self::Other(segments),
        };
        if rest.is_empty() {
            return Self::Other(segments);
        }
        let mut path = ResourcePath {
            group,
            version: version.clone(),
            ..ResourcePath::default()
        };
        let rest = match rest {
            [watch, rest @ ..] if watch == "watch" && !rest.is_empty() => {
                path.watch = true;
                rest
            }
            rest => rest,
        };
        let rest = match rest {
            [namespaces, namespace, rest @ ..]
                if namespaces == "namespaces"
                    && rest
                        .first()
                        .is_some_and(|word| !OF_NAMESPACES.contains(&&**word)) =>
            {
                path.namespace = namespace.clone();
                rest
            }
            rest => rest,
        };
        let word = |at: usize| rest.get(at).cloned().unwrap_or_default();
        path.plural = word(0);
        path.name = word(1);
        path.subresource = word(2);
        // A slash in a segment is one more segment; one without anything before it is none.
        path.too_deep = rest.len() > 3
            || rest
                .iter()
                .any(|word| word.is_empty() || word.contains('/'));
        Self::Resource(path)
    }
}

/// Whether a `%` is not followed by two hexadecimal digits.
fn has_broken_escape(path: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    path.match_indices('%').any(|(at, _)| {
        let rest = &path.as_bytes()[at + 1..];
        !(is_digit(rest.first()) && is_digit(rest.get(1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> ResourcePath<'_> {
        match Route::parse(path) {
            Route::Resource(path) => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn paths_are_taken_apart() {
        let path = resource("/apis/apps/v1/namespaces/default/deployments/web/scale");
        assert_eq!(
            (
                &*path.group,
                &*path.namespace,
                &*path.plural,
                &*path.name,
                &*path.subresource
            ),
            ("apps", "default", "deployments", "web", "scale")
        );
        let path = resource("/api/v1/namespaces/default");
        assert_eq!(
            (&*path.namespace, &*path.plural, &*path.name),
            ("", "namespaces", "default")
        );
        let path = resource("/api/v1/namespaces/default/finalize");
        assert_eq!(
            (&*path.plural, &*path.name, &*path.subresource),
            ("namespaces", "default", "finalize")
        );
        let path = resource("/api/v1/watch/namespaces/default/pods");
        assert!(path.watch && path.plural == "pods" && path.namespace == "default");
        assert_eq!(resource("/api/v1/nodes/a%2Fb").name, "a/b");
        assert!(resource("/api/v1/namespaces/n/pods/p/s/more").too_deep);
    }

    #[test]
    fn empty_segments_count_and_broken_escapes_are_no_path() {
        let path = resource("/api/v1/namespaces//configmaps/");
        assert_eq!((&*path.namespace, &*path.plural), ("", "configmaps"));
        assert!(!path.too_deep);
        for path in ["/api/v1//configmaps", "/api/v1/namespaces/n/configmaps//a"] {
            assert!(resource(path).too_deep, "{path}");
        }
        for path in ["/api/v1/nodes/%zz", "/%", "/a%2"] {
            assert_eq!(Route::parse(path), Route::Malformed, "{path}");
        }
        assert_eq!(Route::parse("/"), Route::Other(Vec::new()));
        assert!(matches!(Route::parse("//api/v1/nodes"), Route::Other(_)));
    }

    #[test]
    fn the_rest_is_discovery() {
        for path in [
            "/",
            "/version",
            "/api",
            "/api/v1",
            "/apis/apps",
            "/apis/apps/v1/",
            "/nope/x",
        ] {
            assert!(matches!(Route::parse(path), Route::Other(_)), "{path}");
        }
    }
}
