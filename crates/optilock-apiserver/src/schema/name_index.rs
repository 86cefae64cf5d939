//! Finding the fields of a type by their names, which every walk over an object does for each of its members.

/// Places of names in a list that somebody else holds: a hash table of indices, at most half full.
#[derive(Debug)]
pub(super) struct NameIndex(Box<[u16]>);

/// A slot that holds no index.
const FREE: u16 = u16::MAX;

impl NameIndex {
    /// An index of the names in their order, of which there are less than 2^16. Of equal ones the first is found.
    pub(super) fn new<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> Self {
        let mut slots = vec![FREE; (names.len() * 2).next_power_of_two()];
        for (index, name) in (0..FREE).zip(names) {
            let mut at = slot(name, slots.len());
            while slots[at] != FREE {
                at = (at + 1) % slots.len();
            }
            slots[at] = index;
        }
        Self(slots.into())
    }

    /// The place of a name. `name_at` says which name is at a place.
    pub(super) fn find<'n>(&self, name: &str, name_at: impl Fn(usize) -> &'n str) -> Option<usize> {
        let slots = &self.0;
        let mut at = slot(name, slots.len());
        loop {
            let index = match slots[at] {
                FREE => return None,
                index => usize::from(index),
            };
            if name_at(index) == name {
                return Some(index);
            }
            at = (at + 1) % slots.len();
        }
    }
}

/// Where the search for a name begins. Whose names collide has a slow type of his own, and no slow server.
fn slot(name: &str, slots: usize) -> usize {
    // FNV-1a, from the end: names differ there first.
    let hash = name
        .bytes()
        .rev()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (hash >> 32) as usize % slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        for count in [0, 1, 2, 3, 40, 1000] {
            let names: Vec<String> = (0..count).map(|n| format!("field{n}")).collect();
            let index = NameIndex::new(names.iter().map(String::as_str));
            for (at, name) in names.iter().enumerate() {
                assert_eq!(index.find(name, |at| names[at].as_str()), Some(at));
            }
            assert_eq!(index.find("field", |at| names[at].as_str()), None);
            assert_eq!(index.find("", |at| names[at].as_str()), None);
        }
    }
}
