//! Indexes: the ids of the records that have a value in a member.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
};

use common::Key;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{digest::Summary, memory::pins::Pins};

/// The records with one key of an index.
#[derive(Debug, Default)]
pub(crate) struct Posting {
    /// Ids in ascending order. Shared with the lists that are being sent: a write
    /// copies them only while there are such lists.
    pub ids: Arc<Vec<u64>>,
    pub summary: Summary,
}

impl Posting {
    fn ids_mut(&mut self, pins: &Pins) -> &mut Vec<u64> {
        pins.make_mut(&mut self.ids, |ids| size_of_val(&ids[..]))
    }
}

/// An index over one member.
#[derive(Debug, Default)]
pub(crate) struct KeyMap {
    postings: HashMap<Key, Posting, Seed>,
}

/// Hashes keys with XXH3 and a seed that is random for each index. With the hash of the
/// standard library, hashing took a tenth of the time of loading.
#[derive(Debug)]
struct Seed(u64);

impl Default for Seed {
    fn default() -> Self {
        Self(RandomState::new().hash_one(()))
    }
}

impl BuildHasher for Seed {
    type Hasher = Xxh3;

    fn build_hasher(&self) -> Xxh3 {
        Xxh3(self.0)
    }
}

struct Xxh3(u64);

impl Hasher for Xxh3 {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl KeyMap {
    pub fn get(&self, key: &Key) -> Option<&Posting> {
        self.postings.get(key)
    }

    pub fn insert(&mut self, key: Key, id: u64, summary: Summary, pins: &Pins) {
        let posting = self.postings.entry(key).or_default();
        let ids = posting.ids_mut(pins);
        // Ids mostly come in ascending order.
        match ids.last() {
            Some(last) if *last >= id => {
                let at = ids.partition_point(|other| *other < id);
                ids.insert(at, id);
            }
            _ => ids.push(id),
        }
        posting.summary.add(summary);
    }

    /// Inserts all of `records`, and leaves `records` empty.
    ///
    /// It looks up all keys before it inserts the first one. The keys of a large index
    /// are far apart in memory, and the processor can fetch several at a time.
    pub fn insert_all(&mut self, records: &mut Vec<(Key, u64, Summary)>, pins: &Pins) {
        let known = |(key, ..): &&(Key, u64, Summary)| {
            let last = self.get(key).and_then(|posting| posting.ids.last());
            last.is_some()
        };
        let known = records.iter().filter(known).count();
        self.postings.reserve(records.len() - known);
        for (key, id, summary) in records.drain(..) {
            self.insert(key, id, summary, pins);
        }
    }

    pub fn remove(&mut self, key: Key, id: u64, summary: Summary, pins: &Pins) {
        let Entry::Occupied(mut entry) = self.postings.entry(key) else {
            return;
        };
        let posting = entry.get_mut();
        if let Ok(at) = posting.ids.binary_search(&id) {
            posting.ids_mut(pins).remove(at);
            posting.summary.remove(summary);
        }
        if posting.ids.is_empty() {
            entry.remove();
        }
    }

    /// Frees the unused memory of the index.
    pub fn shrink(&mut self) {
        self.postings.shrink_to_fit();
        for posting in self.postings.values_mut() {
            if let Some(ids) = Arc::get_mut(&mut posting.ids) {
                ids.shrink_to_fit();
            }
        }
    }
}
