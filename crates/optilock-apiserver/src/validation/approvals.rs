//! Conditions of certificate signing requests: who decides is asked once.

use serde_json::Value;

use super::field::{Error, ErrorList};
use super::path::Path;

const DECISIONS: [&str; 2] = ["Approved", "Denied"];

fn has(request: &Value, condition: &str) -> bool {
    request["status"]["conditions"]
        .as_array()
        .is_some_and(|all| all.iter().any(|live| live["type"] == condition))
}

/// Through `/status`: no decision.
pub(crate) fn status(new: &Value, old: &Value, errors: &mut ErrorList) {
    decisions(new, old, &DECISIONS, errors);
}

/// Through `/approval`: a decision that stays.
pub(crate) fn approval(new: &Value, old: &Value, errors: &mut ErrorList) {
    decisions(new, old, &[], errors);
}

fn decisions(new: &Value, old: &Value, undecidable: &[&str], errors: &mut ErrorList) {
    let path = Path::new("status");
    let path = path.child("conditions");
    if has(new, DECISIONS[0]) && has(new, DECISIONS[1]) {
        let complaint = "Approved and Denied conditions are mutually exclusive";
        errors.push(Error::invalid(&path, DECISIONS[1], complaint));
    }
    for kind in DECISIONS {
        let what = match (has(old, kind), has(new, kind)) {
            (false, true) if undecidable.contains(&kind) => "add",
            (true, false) => "remove",
            _ => continue,
        };
        let detail = format!("updates may not {what} a condition of type \"{kind}\"");
        errors.push(Error::forbidden(&path, detail));
    }
}
