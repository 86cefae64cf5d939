//! The order of the items of a merged list.

use std::collections::HashMap;

use serde_json::Value;

/// Sorts the items of a merged list.
///
/// Items that `wanted` names come in its order, the others in the order of `server`, the list
/// before the merge; the two are interleaved so that an item of the server stays in front of the
/// first wanted item that followed it before. `identity` tells items apart: their merge key or
/// their value.
pub(super) fn arrange(
    merged: Vec<Value>,
    wanted: &[Value],
    server: &[Value],
    identity: impl Fn(&Value) -> String,
) -> Vec<Value> {
    let positions = |list: &[Value]| {
        // Of equal items the first one counts.
        let items = list.iter().enumerate().rev();
        items
            .map(|(at, item)| (identity(item), at))
            .collect::<HashMap<_, _>>()
    };
    let (wanted, server) = (positions(wanted), positions(server));
    let mut named = Vec::new();
    let mut others = Vec::new();
    for item in merged {
        let identity = identity(&item);
        // What is not on the server keeps its place behind what is.
        let before = server.get(&identity).copied().unwrap_or(usize::MAX);
        match wanted.get(&identity) {
            Some(place) => named.push((*place, before, item)),
            None => others.push((before, item)),
        }
    }
    named.sort_by_key(|(place, ..)| *place);
    others.sort_by_key(|(before, _)| *before);

    let mut out = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for (_, before, item) in named {
        // An item that is new to the server follows nothing.
        if before != usize::MAX {
            while let Some((_, other)) = others.next_if(|(other, _)| *other < before) {
                out.push(other);
            }
        }
        out.push(item);
    }
    out.extend(others.map(|(_, item)| item));
    out
}
