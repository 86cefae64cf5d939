//! The versions of an object are one chain.

use super::{Rule, findings::Findings, object::Object};

/// Each version's base is the version before it. Bases count as versions, so that a base can't be missing, but be too old.
pub(super) fn check(object: &Object<'_>, findings: &mut Findings<'_>) {
    for (at, version) in object.versions.iter().enumerate() {
        findings.checked(Rule::SharedVersion);
        if version.writers.len() > 1 {
            let writers = version.writers.iter().map(|&(index, _)| index);
            findings.violated(Rule::SharedVersion, object.uid, writers, || {
                let count = version.writers.len();
                format!("{count} acknowledged writes made version {}", version.rv)
            });
        }
        for &(index, write) in &version.writers {
            let Some(base) = write.base else { continue };
            findings.checked(Rule::VersionBack);
            if base > version.rv {
                findings.violated(Rule::VersionBack, object.uid, [index], || {
                    format!(
                        "the write of {:?} went back from version {base} to {}",
                        write.op_id, version.rv
                    )
                });
                continue;
            }
            findings.checked(Rule::LostUpdate);
            // What was overwritten first: the version after the base. The base itself is a version.
            let overwritten = object
                .position(base)
                .map_or_else(|next| next, |found| found + 1);
            if overwritten < at {
                let first = &object.versions[overwritten];
                let lost = [first.evidence(), index];
                findings.violated(Rule::LostUpdate, object.uid, lost, || {
                    let by = match first.writer() {
                        Some((_, writer)) => format!(", written by {:?}", writer.op_id),
                        None => String::new(),
                    };
                    format!(
                        "{:?} was computed from version {base} and accepted as {}; it overwrote \
                         version {}{by}",
                        write.op_id, version.rv, first.rv
                    )
                });
            }
        }
    }
}
