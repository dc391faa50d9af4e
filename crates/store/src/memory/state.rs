//! A collection in memory.

use std::{collections::BTreeMap, marker::PhantomData, sync::Arc};

use bytes::Bytes;
use common::{Key, Model};

use crate::{
    digest::{Digest, Summary},
    memory::{
        image::Image,
        index::{KeyMap, posting::Posting, tally::Counted},
        page::PageBuilder,
        pages::{Edit, Pages},
        pins::{Pinned, Pins},
        remembered::{KeyChanges, RememberedKeys},
    },
    query::Filter,
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

/// What the record with an id becomes.
pub(crate) struct StateChange<M> {
    pub id: u64,
    /// The record's JSON and what was read from it; `None` when the record is removed.
    pub record: Option<(Bytes, M)>,
}

/// The records of a collection and the indexes over them.
pub(crate) struct State<M> {
    /// Shared with the lists that are being sent. A write copies them only while there are
    /// such lists.
    pub pages: Arc<Pinned<Pages>>,
    /// Counts the memory that only lists still hold.
    pub pins: Arc<Pins>,
    indexes: Vec<KeyMap>,
    pub summary: Summary,
    /// The highest id ever given.
    pub last_id: u64,
    /// The position in the journal of the last batch that is in the state, counted from the
    /// start of this process.
    pub position: u64,
    /// The keys of requests that made a record.
    keys: RememberedKeys,
    model: PhantomData<fn() -> M>,
}

impl<M: Model> State<M> {
    pub fn new() -> Self {
        let pins = Arc::<Pins>::default();
        Self {
            pages: Arc::new(Pages::new(Arc::clone(&pins)).into()),
            pins,
            indexes: M::indexes().map(|_| KeyMap::default()).collect(),
            summary: Summary::default(),
            last_id: 0,
            position: 0,
            keys: RememberedKeys::default(),
            model: PhantomData,
        }
    }

    pub fn get(&self, id: u64) -> Option<Bytes> {
        self.pages.get(id).map(|(page, slot)| page.share(slot))
    }

    /// All records and keys as they are now. Shares the pages, and copies no record.
    pub fn image(&self) -> Image {
        let keys = self.keys.iter().copied().collect();
        Image::new(M::COLLECTION, Arc::clone(&self.pages), self.last_id, keys)
    }

    /// The keys of requests that made a record.
    pub fn keys(&self) -> &RememberedKeys {
        &self.keys
    }

    /// Takes over the keys that a file remembers.
    pub fn set_keys(&mut self, keys: RememberedKeys) {
        // Their ids have been given, and must not become another record's.
        let ids = keys.iter().map(|key| key.id.get());
        self.last_id = ids.max().unwrap_or(0).max(self.last_id);
        self.keys = keys;
    }

    /// Applies what a batch changes of the remembered keys.
    pub fn apply_keys(&mut self, changes: &KeyChanges) {
        let ids = changes.remember.iter().map(|key| key.id.get());
        self.last_id = ids.max().unwrap_or(0).max(self.last_id);
        self.keys.apply(changes);
    }

    /// The records with this key in the index with this number.
    pub fn posting(&self, index: usize, key: &Key) -> Option<&Posting> {
        self.indexes[index].get(key)
    }

    /// The number and the last of the records that pass a filter.
    pub fn count(&self, filter: &Filter) -> Counted {
        Counted::of(self.posting(filter.index, &filter.key), &self.pages)
    }

    /// The record that has a unique key, by the number of the index and the key.
    pub fn holder(&self, (index, key): &(usize, Key)) -> Option<u64> {
        self.posting(*index, key).and_then(Posting::first_id)
    }

    /// Inserts a record, or replaces the one with the same id.
    pub fn put(&mut self, id: u64, json: Bytes, record: M) {
        let record = Some((json, record));
        self.apply(&[StateChange { id, record }]);
    }

    /// Removes a record. Its id is never given again.
    pub fn remove(&mut self, id: u64) {
        self.apply(&[StateChange { id, record: None }]);
    }

    /// Applies changes in their order. Each page is rebuilt once, however many of its records
    /// change.
    pub fn apply(&mut self, changes: &[StateChange<M>]) {
        let mut last = BTreeMap::new();
        for StateChange { id, record } in changes {
            if record.is_some() {
                self.last_id = self.last_id.max(*id);
            }
            last.insert(*id, record.as_ref());
        }
        let mut edits = Vec::with_capacity(last.len());
        let mut inserted = Vec::with_capacity(last.len() * self.indexes.len());
        for (id, record) in last {
            let edit = self.edit(id, record.map(|(json, _)| &json[..]));
            self.summary.remove(edit.before);
            self.summary.add(edit.after);
            let model = record.map(|(_, model)| model);
            self.unindex(&edit, model, &mut inserted);
            edits.push(edit);
        }
        self.pins
            .make_mut(&mut self.pages, |pages| pages.bytes())
            .apply(&edits);
        // Last: an index that divides a block of ids reads the pages.
        for (index, key, id, summary) in inserted {
            self.indexes[index].insert(key, id, summary, &self.pages);
        }
    }

    /// The change of a record, with its summaries before and after.
    fn edit<'a>(&self, id: u64, json: Option<&'a [u8]>) -> Edit<'a> {
        let before = self.pages.get(id).map(|(page, slot)| page.record(slot));
        Edit {
            id,
            json,
            before: before.map(Summary::of).unwrap_or_default(),
            after: json.map(Summary::of).unwrap_or_default(),
        }
    }

    /// Removes a record from the indexes where its key changes, and puts into `inserted` where
    /// it is still to be inserted: the number of the index, the key, the id and the summary.
    fn unindex(
        &mut self,
        edit: &Edit<'_>,
        becomes: Option<&M>,
        inserted: &mut Vec<(usize, Key, u64, Summary)>,
    ) {
        let Edit {
            id, before, after, ..
        } = *edit;
        let stored = self.pages.get(id).map(|(page, slot)| page.record(slot));
        let read = |json| serde_json::from_slice::<M>(json);
        let stored = stored.map(|json| read(json).expect("what is stored was read as a record"));
        let indexes = M::indexes().zip(&mut self.indexes).enumerate();
        for (number, ((_, index), keys)) in indexes {
            let old = stored.as_ref().map(|record| index.key(record));
            let new = becomes.map(|record| index.key(record));
            if let Some(key) = old.as_ref().filter(|_| old == new) {
                keys.update(key, id, before, after, &self.pins);
                continue;
            }
            if let Some(key) = old {
                keys.remove(key, id, before, &self.pins);
            }
            inserted.extend(new.map(|key| (number, key, id, after)));
        }
    }
}

/// How many records are inserted into an index at a time while loading.
const INDEXED_AT_A_TIME: usize = 64;

/// Fills a state from records in id order, without rebuilding a page for each record.
pub(crate) struct Loader<M> {
    state: State<M>,
    page: PageBuilder,
    /// The summary of the page that is being filled.
    summary: Summary,
    /// Keys that are still to be inserted into each index.
    unindexed: Vec<Vec<(Key, u64, Summary)>>,
}

impl<M: Model> Loader<M> {
    pub fn new() -> Self {
        Self {
            state: State::new(),
            page: PageBuilder::new(),
            summary: Summary::default(),
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
            self.turn();
        }
        let summary = Summary::of(json);
        self.page.push(id, json);
        self.summary.add(summary);
        self.state.summary.add(summary);
        self.state.last_id = id;
        let indexes = self.state.indexes.iter_mut().zip(&mut self.unindexed);
        for ((_, index), (keys, unindexed)) in M::indexes().zip(indexes) {
            unindexed.push((index.key(record), id, summary));
            if index.unique() || unindexed.len() >= INDEXED_AT_A_TIME {
                keys.insert_all(unindexed, &self.state.pages);
            }
        }
    }

    /// Begins the next page.
    fn turn(&mut self) {
        let full = std::mem::replace(&mut self.page, PageBuilder::new());
        let summary = std::mem::take(&mut self.summary);
        if let Some(page) = full.finish() {
            let pages = &mut self.state.pages;
            let pages = self.state.pins.make_mut(pages, |pages| pages.bytes());
            pages.push(summary, page);
        }
    }

    pub fn finish(mut self) -> State<M> {
        for (keys, unindexed) in self.state.indexes.iter_mut().zip(&mut self.unindexed) {
            keys.insert_all(unindexed, &self.state.pages);
        }
        self.turn();
        for keys in &mut self.state.indexes {
            keys.shrink();
        }
        self.state
    }
}
