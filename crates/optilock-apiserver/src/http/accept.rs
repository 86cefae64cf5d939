//! What the client wants to read: the `Accept` header.

use http::HeaderMap;
use http::header::ACCEPT;

/// One media type of an `Accept` header, with the parameters that Kubernetes knows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Clause {
    /// `application/json`, `*/*`, …, in lower case.
    pub(crate) media_type: String,
    /// `as`: the kind that the answer is to be turned into.
    pub(crate) kind: String,
    /// `g`: its group.
    pub(crate) group: String,
    /// `v`: its version.
    pub(crate) version: String,
    /// `stream`: the protocol of a stream.
    stream: String,
    quality: f32,
}

impl Clause {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut clause = Self {
            media_type: parts.next()?.to_ascii_lowercase(),
            quality: 1.0,
            ..Self::default()
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "as" => clause.kind = value.to_owned(),
                "g" => clause.group = value.to_owned(),
                "v" => clause.version = value.to_owned(),
                "stream" => clause.stream = value.to_owned(),
                "q" => clause.quality = value.trim().parse().unwrap_or(1.0),
                _ => {}
            }
        }
        (!clause.media_type.is_empty()).then_some(clause)
    }

    /// Whether the clause covers a media type.
    pub(crate) fn covers(&self, media_type: &str) -> bool {
        let (wanted, given) = (self.media_type.split_once('/'), media_type.split_once('/'));
        match (wanted, given) {
            (Some(("*", "*")), _) => true,
            (Some((kind, "*")), Some((given, _))) => kind == given,
            _ => self.media_type == media_type,
        }
    }

    /// Whether a stream, if one is asked for, is one that there is.
    pub(crate) fn is_stream_known(&self) -> bool {
        matches!(self.stream.as_str(), "" | "watch")
    }

    /// Whether the plain form is asked for, without `as`.
    pub(crate) fn is_plain(&self) -> bool {
        self.kind.is_empty()
    }
}

/// The clauses of an `Accept` header, best first. A client that sends none takes anything.
#[derive(Debug, Clone)]
pub(crate) struct Accept(Vec<Clause>);

impl Accept {
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let mut clauses: Vec<Clause> = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(Clause::parse)
            .collect();
        // Stable: among equals the client's order counts.
        clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        if clauses.is_empty() {
            clauses.extend(Clause::parse("*/*"));
        }
        Self(clauses)
    }

    /// Whether a router lets the request pass to a handler that makes these media types. It looks at no parameters, and of
    /// the wildcards it knows only the one for everything.
    pub(crate) fn passes(&self, produced: &[&str]) -> bool {
        let known = |wanted: &str| wanted == "*/*" || produced.contains(&wanted);
        self.0.iter().any(|clause| known(&clause.media_type))
    }

    /// The clauses, best first.
    pub(crate) fn clauses(&self) -> &[Clause] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn accept(text: &'static str) -> Accept {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(text));
        Accept::from_headers(&headers)
    }

    #[test]
    fn clauses_keep_their_order_and_parameters() {
        let accept = accept("application/json;as=Table;v=v1;g=meta.k8s.io, application/json");
        let [table, plain] = accept.clauses() else {
            panic!("{accept:?}")
        };
        assert_eq!(
            (&*table.kind, &*table.version, &*table.group),
            ("Table", "v1", "meta.k8s.io")
        );
        assert!(plain.is_plain() && plain.covers("application/json"));
    }

    #[test]
    fn quality_comes_first_and_wildcards_cover() {
        let accept = accept("text/*;q=0.1, application/yaml;q=0.9, */*;q=0.5");
        let types: Vec<_> = accept
            .clauses()
            .iter()
            .map(|c| c.media_type.as_str())
            .collect();
        assert_eq!(types, ["application/yaml", "*/*", "text/*"]);
        assert!(accept.clauses()[2].covers("text/plain"));
        assert!(!accept.clauses()[2].covers("application/json"));
    }

    #[test]
    fn no_header_takes_anything() {
        assert!(Accept::from_headers(&HeaderMap::new()).clauses()[0].covers("application/json"));
    }
}
