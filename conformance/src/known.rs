//! The table of the differences that stay, `differences.yaml`.

use std::fs;

use serde::Deserialize;

use crate::compare::Difference;
use crate::error::{Error, Result};
use crate::folder;

/// The differences that are known, each with its reason.
#[derive(Debug)]
pub struct KnownDifferences(Vec<Known>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// The reason.
    why: String,
    at: Vec<Place>,
}

/// Where a difference is; `*` stands for any text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    topic: String,
    case: String,
    /// Every step, when there are none.
    #[serde(default)]
    steps: Vec<usize>,
    path: String,
}

/// What the table says of the differences that were found.
#[derive(Debug)]
pub struct Judgement {
    /// Those that are not in the table.
    pub undocumented: Vec<Difference>,
    /// What is in the table and was not found.
    pub disappeared: Vec<String>,
}

impl KnownDifferences {
    /// The table.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn load() -> Result<Self> {
        let path = folder().join("differences.yaml");
        let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let known = crate::yaml::parse(&text);
        Ok(Self(known.map_err(|error| {
            Error::malformed(path.display(), error)
        })?))
    }

    /// Holds the differences that were found against the table.
    #[must_use]
    pub fn judge(&self, found: Vec<Difference>) -> Judgement {
        let places = self
            .0
            .iter()
            .flat_map(|known| known.at.iter().map(move |at| (known, at)));
        let unseen = places.flat_map(|(known, place)| {
            let missing = place.unseen(&found);
            missing
                .into_iter()
                .map(move |at| format!("{at} ({})", known.why))
        });
        let disappeared = unseen.collect();
        let documented = |difference: &Difference| {
            let mut places = self.0.iter().flat_map(|known| &known.at);
            places.any(|place| place.matches(difference))
        };
        let undocumented = found
            .into_iter()
            .filter(|found| !documented(found))
            .collect();
        Judgement {
            undocumented,
            disappeared,
        }
    }
}

impl Place {
    fn matches(&self, difference: &Difference) -> bool {
        matches(&self.topic, &difference.topic)
            && matches(&self.case, &difference.case)
            && (self.steps.is_empty() || self.steps.contains(&difference.step))
            && matches(&self.path, &difference.path)
    }

    /// What of this place none of the differences is at: each step has to have one.
    fn unseen(&self, found: &[Difference]) -> Vec<String> {
        let here: Vec<usize> = found
            .iter()
            .filter(|difference| self.matches(difference))
            .map(|difference| difference.step)
            .collect();
        let name = format!("{}/{}, {}", self.topic, self.case, self.path);
        if self.steps.is_empty() && here.is_empty() {
            return vec![name];
        }
        let steps = self.steps.iter().filter(|step| !here.contains(step));
        steps.map(|step| format!("{name}, step {step}")).collect()
    }
}

/// Whether a text is like a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.any(|at| matches(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(step: usize, path: &str) -> Difference {
        Difference {
            topic: "t".into(),
            case: "kind a".into(),
            step,
            request: String::new(),
            path: path.into(),
            reference: None,
            answer: None,
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text) in [("a*c", "abc"), ("*", ""), ("a*b*", "a-b-"), ("a", "a")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*c", "abd"), ("", "a"), ("a", "ab"), ("*b", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_new_and_what_is_gone_is_told() {
        let text = "
            - why: because
              at:
              - {topic: t, case: kind *, steps: [1, 2], path: body.*}
              - {topic: t, case: other, path: status}
        ";
        let known = KnownDifferences(crate::yaml::parse(text).unwrap());
        let found = vec![
            difference(1, "body.a"),
            difference(3, "body.a"),
            difference(1, "status"),
        ];
        let judgement = known.judge(found);
        let new: Vec<_> = judgement
            .undocumented
            .iter()
            .map(|d| (d.step, &*d.path))
            .collect();
        assert_eq!(new, [(3, "body.a"), (1, "status")]);
        let gone = [
            "t/kind *, body.*, step 2 (because)",
            "t/other, status (because)",
        ];
        assert_eq!(judgement.disappeared, gone);
    }
}
