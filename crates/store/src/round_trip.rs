//! Checks for the tests and the fuzzer: every accepted write goes to files in memory, and a
//! start must read the same collection from them.

use common::{Model, Timestamp};
use serde_json::value::RawValue;

use crate::{
    author::Author,
    batch::Batch,
    digest::Digest,
    document::{load::Document, write::write},
    error::WriteError,
    journal::file::{
        format::{Header, JournalContents, Line, length_for, line_at},
        recovery::apply,
    },
    memory::{remembered::KeyChanges, state::State},
    write::{Changes, JournalChange, Operation, Written},
};

/// A collection, its `db.json`, and a journal with the writes since.
pub(crate) struct Files<M> {
    /// The collection as readers see it.
    pub document: Document<M>,
    base: Vec<u8>,
    journal: String,
    batches: u64,
}

impl<M: Model> Files<M> {
    /// Starts with a `db.json` of this text; `None` when the start refuses it.
    pub fn start(text: &[u8]) -> Option<Self> {
        let document = Document::parse(text).ok()?;
        let base = written(&document);
        let header = Header::new(M::COLLECTION, Digest::of(&base));
        let journal = line_at(0, &header).expect("a header is JSON");
        let files = Self {
            document,
            base,
            journal,
            batches: 0,
        };
        files.check();
        Some(files)
    }

    /// Decides a write of a service and makes it durable.
    ///
    /// # Panics
    /// When a start would not recover the same collection.
    pub fn write(&mut self, operation: Operation, now: Timestamp) -> Result<Written, WriteError> {
        self.write_as(Author::Service, operation, now)
    }

    /// As [`Files::write`], on behalf of this author.
    ///
    /// # Panics
    /// As [`Files::write`].
    pub fn write_as(
        &mut self,
        author: Author,
        operation: Operation,
        now: Timestamp,
    ) -> Result<Written, WriteError> {
        let mut batch = Batch::new(&self.document.state, now);
        let decided = batch.decide(author, operation);
        let (changes, journalled) = batch.into_changes();
        assert_eq!(changes.len(), journalled.records.len());
        if let Err(error) = &decided {
            assert!(changes.is_empty(), "{error}: and changed all the same");
            assert!(!matches!(error, WriteError::Unreadable(_)), "{error}");
        }
        if changes.is_empty() {
            return decided;
        }
        let keys = journalled.keys.clone();
        self.append(journalled);
        self.document.state.apply(&changes);
        self.document.state.apply_keys(&keys);
        self.check();
        decided
    }

    /// Appends a batch with this record to the journal alone.
    pub fn append_record(&mut self, record: Box<RawValue>) {
        let records = vec![JournalChange::Put(record)];
        let keys = KeyChanges::default();
        self.append(Changes { records, keys });
    }

    /// Appends a batch to the journal alone.
    pub fn append(&mut self, changes: Changes) {
        self.batches += 1;
        let line = Line::changes(self.batches, changes);
        let line = line_at(self.journal.len() as u64, &line).expect("a batch is JSON");
        self.journal.push_str(&line);
    }

    /// The collection that a start recovers from `db.json` and the journal.
    ///
    /// # Errors
    /// What is wrong with a change.
    pub fn recovered(&self) -> Result<Document<M>, String> {
        let mut bytes = self.journal.clone().into_bytes();
        let room = length_for(bytes.len() as u64);
        bytes.resize(usize::try_from(room).expect("it is in memory"), b'\n');
        let journal =
            JournalContents::parse(&bytes, M::COLLECTION).map_err(|error| error.to_string())?;
        assert_eq!(
            (journal.entries.len() as u64, journal.torn_bytes),
            (self.batches, 0)
        );
        let mut document = Document::parse(&self.base).expect("it was read before");
        for entry in journal.entries {
            if let crate::journal::file::format::Entry::Changes { changes, .. } = entry {
                apply(&mut document, changes)?;
            }
        }
        Ok(document)
    }

    fn check(&self) {
        let recovered = self.recovered().expect("the journal can be replayed");
        assert_same(&recovered.state, &self.document.state);
        assert_survives(&self.document);
    }
}

/// Writes the collection to a `db.json`, reads it, and writes it again.
///
/// # Panics
/// When the collection or the second text differs from the first.
pub(crate) fn assert_survives<M: Model>(document: &Document<M>) {
    let text = written(document);
    let again = Document::<M>::parse(&text).expect("what was written can be read");
    assert_same(&again.state, &document.state);
    assert_eq!(written(&again), text);
}

fn assert_same<M: Model>(found: &State<M>, expected: &State<M>) {
    assert_eq!(found.last_id, expected.last_id);
    assert_eq!(found.summary, expected.summary);
    assert_eq!(records(found), records(expected));
    assert_eq!(keys(found), keys(expected));
}

/// The remembered keys as a file holds them, from the oldest one.
pub(crate) fn keys<M: Model>(state: &State<M>) -> Vec<String> {
    let keys = state.keys().iter();
    keys.map(|key| serde_json::to_string(key).expect("a key is JSON"))
        .collect()
}

/// The records' JSON, in id order.
pub(crate) fn records<M: Model>(state: &State<M>) -> Vec<String> {
    let mut records = Vec::new();
    let mut next = state.pages.first();
    while let Some(place) = next {
        records.push(
            String::from_utf8_lossy(state.pages.block(place.at).record(place.slot)).into_owned(),
        );
        next = state.pages.next(place);
    }
    records
}

pub(crate) fn written<M: Model>(document: &Document<M>) -> Vec<u8> {
    let mut text = Vec::new();
    let image = document.state.image();
    let written = write(image, &document.other_members, &mut text);
    written.expect("memory takes all that is written");
    text
}
