//! Writes: what a client asks for, on which condition, and what is changed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{
    digest::Digest,
    json::Object,
    memory::{remembered::KeyChanges, state::Record},
};

/// A write that a client asks for.
pub(crate) enum Operation {
    /// A request with a key is done once, however often it is sent.
    Create(Object, Option<KeyedRequest>),
    Replace(u64, Object, Precondition),
    Patch(u64, Value, Precondition),
    Delete(u64, Precondition),
}

/// The key of a request that is to be done once, however often the client sends it
/// (`Idempotency-Key`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey(Digest);

impl IdempotencyKey {
    /// The key with this text. Different callers may use the same text for different requests.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        Self(Digest::of(text))
    }
}

/// A request with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyedRequest {
    /// Digest of the key.
    pub key: Digest,
    /// Digest of the body.
    pub body: Digest,
}

impl KeyedRequest {
    pub fn new(key: IdempotencyKey, body: Digest) -> Self {
        Self { key: key.0, body }
    }
}

/// A condition that the current record must meet, or the write is refused. The default has no
/// condition: the last write wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Precondition {
    /// The record must be one of these versions (`If-Match`).
    pub matches: Option<Versions>,
    /// The record must be none of these versions (`If-None-Match`).
    pub matches_none: Option<Versions>,
}

/// Versions of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// Every version.
    Any,
    /// The versions with these digests, as [`Digest::hex`] gives them.
    Digests(Vec<[u8; 32]>),
}

impl Precondition {
    /// Whether the record with this JSON meets the condition.
    pub(crate) fn holds(&self, json: &[u8]) -> bool {
        let has = |versions: &Versions| match versions {
            Versions::Any => true,
            Versions::Digests(digests) => digests.contains(&Digest::of(json).hex()),
        };
        self.matches.as_ref().is_none_or(has) && !self.matches_none.as_ref().is_some_and(has)
    }
}

/// The result of a write.
#[derive(Debug)]
pub(crate) struct Written {
    pub id: u64,
    /// The record after the write; `None` when it was deleted.
    pub record: Option<Record>,
    /// Whether an earlier request with the same key made the record, and this one did nothing.
    pub replayed: bool,
}

impl Written {
    pub fn new(id: u64, record: Option<Record>) -> Self {
        Self {
            id,
            record,
            replayed: false,
        }
    }
}

/// What a batch changes, as a line of the journal holds it.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub records: Vec<JournalChange>,
    pub keys: KeyChanges,
}

/// A change of one record, as a line of the journal holds it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum JournalChange {
    /// Inserts or replaces a record. The JSON contains its id.
    Put(Box<RawValue>),
    /// Removes the record with this id.
    Delete(u64),
}
