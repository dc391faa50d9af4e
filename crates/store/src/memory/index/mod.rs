//! Indexes: the ids of the records that have a value in a member.

pub(crate) mod posting;
pub(crate) mod tally;

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
};

use common::Key;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    digest::Summary,
    memory::{index::posting::Posting, pages::Pages, pins::Pins},
};

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

    /// Adds an id. `pages` already holds this record and all others of the index.
    pub fn insert(&mut self, key: Key, id: u64, summary: Summary, pages: &Pages) {
        let posting = self.postings.entry(key).or_default();
        posting.insert(id, summary, pages);
    }

    /// Inserts all of `records`, whose ids are above all others, and leaves `records` empty.
    ///
    /// It looks up all keys before it inserts the first one. The keys of a large index
    /// are far apart in memory, and the processor can fetch several at a time.
    pub fn insert_all(&mut self, records: &mut Vec<(Key, u64, Summary)>, pages: &Pages) {
        let known = |(key, ..): &&(Key, u64, Summary)| {
            let last = self.get(key).and_then(Posting::last_id);
            last.is_some()
        };
        let known = records.iter().filter(known).count();
        self.postings.reserve(records.len() - known);
        for (key, id, summary) in records.drain(..) {
            self.insert(key, id, summary, pages);
        }
    }

    /// Updates the summaries after a record was replaced and kept its key.
    pub fn update(
        &mut self,
        key: &Key,
        id: u64,
        before: Summary,
        after: Summary,
        pins: &Arc<Pins>,
    ) {
        if let Some(posting) = self.postings.get_mut(key) {
            posting.update(id, before, after, pins);
        }
    }

    pub fn remove(&mut self, key: Key, id: u64, summary: Summary, pins: &Arc<Pins>) {
        let Entry::Occupied(mut entry) = self.postings.entry(key) else {
            return;
        };
        entry.get_mut().remove(id, summary, pins);
        if entry.get().summary.count == 0 {
            entry.remove();
        }
    }

    /// Frees the memory that growing left unused.
    pub fn shrink(&mut self) {
        self.postings.shrink_to_fit();
        for posting in self.postings.values_mut() {
            posting.shrink();
        }
    }
}
