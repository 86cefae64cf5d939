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
                at = (at + 1) & (slots.len() - 1);
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
            at = (at + 1) & (slots.len() - 1);
        }
    }
}

/// Where the search for a name begins; `slots` is a power of two. Whose names collide has a slow type of his own, and no
/// slow server.
fn slot(name: &str, slots: usize) -> usize {
    let bytes = name.as_bytes();
    // Names that are alike at both ends and equally long are rare.
    let ends = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)
        }
        _ => bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    // Multiplying carries every bit upwards: by 2^64 over the golden ratio, as Knuth has it.
    let hash = (ends ^ bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 32) as usize & (slots - 1)
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
