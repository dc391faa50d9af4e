//! The collection as it was when a list began.

use std::sync::Arc;

use crate::memory::{index::posting::IdBlocks, pages::Pages, pins::Pinned};

/// The records and ids that a list is made from. Later writes do not change them.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub pages: Arc<Pinned<Pages>>,
    pub ids: Ids,
}

/// The ids of the records of a list.
#[derive(Debug)]
pub(crate) enum Ids {
    /// All that there are.
    All,
    /// Those of one key that has many, shared with the index.
    Shared(Arc<Pinned<IdBlocks>>),
    /// In ascending order; found for this list alone.
    Own(Vec<u64>),
}

impl Ids {
    /// Bytes of ids that belong to this list alone.
    pub fn own_bytes(&self) -> usize {
        match self {
            Self::All | Self::Shared(_) => 0,
            Self::Own(ids) => size_of_val(&ids[..]),
        }
    }
}
