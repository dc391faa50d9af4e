//! Which records have which value in an indexed member.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use common::Key;

use crate::digest::Summary;

/// The records with one key.
#[derive(Debug, Default)]
pub(crate) struct Posting {
    /// Ids in ascending order. Shared with the lists being sent; copied on
    /// write only while there are such.
    pub ids: Arc<Vec<u64>>,
    pub summary: Summary,
}

/// An index over one member.
#[derive(Debug, Default)]
pub(crate) struct KeyMap {
    postings: HashMap<Key, Posting>,
}

impl KeyMap {
    pub fn get(&self, key: &Key) -> Option<&Posting> {
        self.postings.get(key)
    }

    pub fn insert(&mut self, key: Key, id: u64, summary: Summary) {
        let posting = self.postings.entry(key).or_default();
        let ids = Arc::make_mut(&mut posting.ids);
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

    pub fn remove(&mut self, key: Key, id: u64, summary: Summary) {
        let Entry::Occupied(mut entry) = self.postings.entry(key) else {
            return;
        };
        let posting = entry.get_mut();
        if let Ok(at) = posting.ids.binary_search(&id) {
            Arc::make_mut(&mut posting.ids).remove(at);
            posting.summary.remove(summary);
        }
        if posting.ids.is_empty() {
            entry.remove();
        }
    }

    /// Gives back the room that growing left unused.
    pub fn shrink(&mut self) {
        self.postings.shrink_to_fit();
        for posting in self.postings.values_mut() {
            if let Some(ids) = Arc::get_mut(&mut posting.ids) {
                ids.shrink_to_fit();
            }
        }
    }
}
