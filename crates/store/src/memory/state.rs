//! A collection in memory.

use std::{marker::PhantomData, sync::Arc};

use bytes::Bytes;
use common::{Key, Model};

use crate::{
    digest::{Digest, Summary},
    memory::{
        index::{KeyMap, Posting},
        page::PageBuilder,
        pages::Pages,
        pins::Pins,
    },
};

/// A stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The compact JSON.
    pub json: Bytes,
    /// Digest of the JSON.
    pub digest: Digest,
}

impl Record {
    pub(crate) fn new(json: Bytes) -> Self {
        let digest = Digest::of(&json);
        Self { json, digest }
    }
}

/// The records of a collection and the indexes over them.
pub(crate) struct State<M> {
    /// Shared with the lists that are being sent. A write copies them only while there are
    /// such lists.
    pub pages: Arc<Pages>,
    /// Counts the memory that only lists still hold.
    pub pins: Arc<Pins>,
    indexes: Vec<KeyMap>,
    pub summary: Summary,
    /// The highest id ever given.
    pub last_id: u64,
    model: PhantomData<fn() -> M>,
}

impl<M: Model> State<M> {
    pub fn new() -> Self {
        let pins = Arc::<Pins>::default();
        Self {
            pages: Arc::new(Pages::new(Arc::clone(&pins))),
            pins,
            indexes: M::indexes().map(|_| KeyMap::default()).collect(),
            summary: Summary::default(),
            last_id: 0,
            model: PhantomData,
        }
    }

    pub fn get(&self, id: u64) -> Option<Bytes> {
        self.pages.find(id).map(|place| self.pages.share(place))
    }

    /// The records with this key in the index with this number.
    pub fn posting(&self, index: usize, key: &Key) -> Option<&Posting> {
        self.indexes[index].get(key)
    }

    /// Inserts a record, or replaces the one with the same id.
    pub fn put(&mut self, id: u64, json: &[u8], record: &M) {
        self.forget(id);
        let summary = Summary::of(json);
        self.pages_mut().put(id, json);
        self.account(id, summary, record);
    }

    /// Removes a record. Its id is never given again.
    pub fn remove(&mut self, id: u64) {
        self.forget(id);
        self.pages_mut().remove(id);
    }

    fn pages_mut(&mut self) -> &mut Pages {
        self.pins.make_mut(&mut self.pages, Pages::bytes)
    }

    /// Removes a record from the indexes and the summary, but not from the pages.
    fn forget(&mut self, id: u64) {
        let Some(json) = self.get(id) else { return };
        let summary = Summary::of(&json);
        let record: M = serde_json::from_slice(&json).expect("what is stored was read as a record");
        for ((_, index), keys) in M::indexes().zip(&mut self.indexes) {
            keys.remove(index.key(&record), id, summary, &self.pins);
        }
        self.summary.remove(summary);
    }

    fn account(&mut self, id: u64, summary: Summary, record: &M) {
        for ((_, index), keys) in M::indexes().zip(&mut self.indexes) {
            keys.insert(index.key(record), id, summary, &self.pins);
        }
        self.count(id, summary);
    }

    fn count(&mut self, id: u64, summary: Summary) {
        self.summary.add(summary);
        self.last_id = self.last_id.max(id);
    }
}

/// How many records are inserted into an index at a time while loading.
const INDEXED_AT_A_TIME: usize = 64;

/// Fills a state from records in id order, without rebuilding a page for each record.
pub(crate) struct Loader<M> {
    state: State<M>,
    page: PageBuilder,
    /// Keys that are still to be inserted into each index.
    unindexed: Vec<Vec<(Key, u64, Summary)>>,
}

impl<M: Model> Loader<M> {
    pub fn new() -> Self {
        Self {
            state: State::new(),
            page: PageBuilder::new(),
            unindexed: M::indexes().map(|_| Vec::new()).collect(),
        }
    }

    /// The state so far. It lacks the page that is being filled, and the latest entries of
    /// indexes that are not unique.
    pub fn state(&self) -> &State<M> {
        &self.state
    }

    /// Adds a record whose id is above all others.
    pub fn push(&mut self, id: u64, json: &[u8], record: &M) {
        if self.page.full(json.len()) {
            let full = std::mem::replace(&mut self.page, PageBuilder::new());
            self.state.pages_mut().extend(full.finish());
        }
        let summary = Summary::of(json);
        self.page.push(id, json);
        self.state.count(id, summary);
        let indexes = self.state.indexes.iter_mut().zip(&mut self.unindexed);
        for ((_, index), (keys, unindexed)) in M::indexes().zip(indexes) {
            unindexed.push((index.key(record), id, summary));
            if index.unique() || unindexed.len() >= INDEXED_AT_A_TIME {
                keys.insert_all(unindexed, &self.state.pins);
            }
        }
    }

    pub fn finish(mut self) -> State<M> {
        for (keys, unindexed) in self.state.indexes.iter_mut().zip(&mut self.unindexed) {
            keys.insert_all(unindexed, &self.state.pins);
        }
        self.state.pages_mut().extend(self.page.finish());
        for keys in &mut self.state.indexes {
            keys.shrink();
        }
        self.state
    }
}
