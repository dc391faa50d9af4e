//! What a client wants written, and what became of it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{digest::Digest, json::Object, memory::state::Record};

/// What a client wants written.
pub(crate) enum Operation {
    Create(Object),
    Replace(u64, Object, Precondition),
    Patch(u64, Value, Precondition),
    Delete(u64, Precondition),
}

/// What must hold of the record before it is written. By default nothing: the last write wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Precondition {
    /// The record is one of these (`If-Match`).
    pub matches: Option<Versions>,
    /// The record is none of these (`If-None-Match`).
    pub matches_none: Option<Versions>,
}

/// Versions of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// Whichever there is.
    Any,
    /// Those whose digests have these digits, see [`Digest::hex`].
    Digests(Vec<[u8; 32]>),
}

impl Precondition {
    /// Whether it holds of the record with this JSON.
    pub(crate) fn holds(&self, json: &[u8]) -> bool {
        let has = |versions: &Versions| match versions {
            Versions::Any => true,
            Versions::Digests(digests) => digests.contains(&Digest::of(json).hex()),
        };
        self.matches.as_ref().is_none_or(has) && !self.matches_none.as_ref().is_some_and(has)
    }
}

/// What a write did.
pub(crate) struct Written {
    pub id: u64,
    /// The record as it is now; `None` when it is gone.
    pub record: Option<Record>,
}

/// A change of one record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Change {
    /// The record is now this, which holds its id.
    Put(Box<RawValue>),
    /// The record with this id is gone.
    Delete(u64),
}
