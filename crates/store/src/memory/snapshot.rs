//! The collection as a list began to be read from it.

use std::sync::Arc;

use crate::memory::pages::Pages;

/// What a list is made from: it stays as it was when the list began.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub pages: Arc<Pages>,
    pub ids: Ids,
}

/// The ids of the records that pass a query's filters.
#[derive(Debug)]
pub(crate) enum Ids {
    /// Of all there are.
    All,
    /// Shared with the index.
    Shared(Arc<Vec<u64>>),
    /// Found for this list alone.
    Own(Vec<u64>),
}

impl Ids {
    /// The ids in ascending order; `None` for all there are.
    pub fn picked(&self) -> Option<&[u64]> {
        match self {
            Self::All => None,
            Self::Shared(ids) => Some(ids),
            Self::Own(ids) => Some(ids),
        }
    }

    /// Bytes that nobody else has.
    pub fn own_bytes(&self) -> usize {
        match self {
            Self::All | Self::Shared(_) => 0,
            Self::Own(ids) => size_of_val(&ids[..]),
        }
    }
}
