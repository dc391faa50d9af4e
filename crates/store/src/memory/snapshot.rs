//! The collection as it was when a list began.

use std::sync::Arc;

use crate::memory::pages::Pages;

/// The records and ids that a list is made from. Later writes do not change them.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub pages: Arc<Pages>,
    pub ids: Ids,
}

/// The ids of the records that pass a query's filters.
#[derive(Debug)]
pub(crate) enum Ids {
    /// There is no filter: all records pass.
    All,
    /// One filter: the ids of its key, shared with the index.
    Shared(Arc<Vec<u64>>),
    /// Several filters: ids that were found for this list alone.
    Own(Vec<u64>),
}

impl Ids {
    /// The ids in ascending order; `None` when all records pass.
    pub fn picked(&self) -> Option<&[u64]> {
        match self {
            Self::All => None,
            Self::Shared(ids) => Some(ids),
            Self::Own(ids) => Some(ids),
        }
    }

    /// Bytes of ids that belong to this list alone.
    pub fn own_bytes(&self) -> usize {
        match self {
            Self::All | Self::Shared(_) => 0,
            Self::Own(ids) => size_of_val(&ids[..]),
        }
    }
}
