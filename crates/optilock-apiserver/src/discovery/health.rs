//! `/healthz`, `/livez`, `/readyz`.

use std::fmt::Write;

/// Which question is asked. The checks are the same: a server that answers is alive and ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Healthz,
    Livez,
    Readyz,
}

/// Checks by name. `ping` says that the server answers; there is nothing that starts later or can fail on its own.
const CHECKS: [&str; 1] = ["ping"];

impl Probe {
    /// All probes.
    pub(crate) const ALL: [Self; 3] = [Self::Healthz, Self::Livez, Self::Readyz];

    /// Name in the path.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Healthz => "healthz",
            Self::Livez => "livez",
            Self::Readyz => "readyz",
        }
    }

    /// All checks but the excluded ones. `verbose` asks for a line each.
    pub(crate) fn all(self, verbose: bool, excluded: &[&str]) -> String {
        if !verbose {
            return "ok".to_owned();
        }
        let mut text = String::new();
        for check in CHECKS {
            let how = if excluded.contains(&check) {
                "excluded: ok"
            } else {
                "ok"
            };
            // Writing to a String does not fail.
            let _ = writeln!(text, "[+]{check} {how}");
        }
        let unknown: Vec<String> = excluded
            .iter()
            .filter(|name| !CHECKS.contains(name))
            .map(|name| format!("{name:?}"))
            .collect();
        if !unknown.is_empty() {
            let unknown = unknown.join(",");
            let _ = writeln!(
                text,
                "warn: some health checks cannot be excluded: no matches for {unknown}"
            );
        }
        let _ = writeln!(text, "{} check passed", self.name());
        text
    }

    /// What a server says that is about to stop: like the checks that failed, in kube-apiserver's words.
    pub(crate) fn leaving(self) -> String {
        let name = self.name();
        format!("[+]ping ok\n[-]shutdown failed: reason withheld\n{name} check failed\n")
    }

    /// One check, e.g. `/readyz/ping`, where there is such a check.
    pub(crate) fn one(self, check: &str) -> Option<&'static str> {
        CHECKS.contains(&check).then_some("ok")
    }

    /// The paths of the probe and of its checks.
    pub(super) fn paths(self) -> impl Iterator<Item = String> {
        let whole = format!("/{}", self.name());
        let single = CHECKS.map(|check| format!("/{}/{check}", self.name()));
        std::iter::once(whole).chain(single)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_check() {
        assert_eq!(Probe::Livez.all(false, &["ping"]), "ok");
        assert_eq!(
            Probe::Readyz.all(true, &[]),
            "[+]ping ok\nreadyz check passed\n"
        );
        assert_eq!(
            Probe::Livez.all(true, &["ping", "nope"]),
            "[+]ping excluded: ok\nwarn: some health checks cannot be excluded: no matches for \"nope\"\n\
             livez check passed\n"
        );
        assert_eq!(Probe::Healthz.one("ping"), Some("ok"));
        assert_eq!(Probe::Healthz.one("nope"), None);
    }
}
