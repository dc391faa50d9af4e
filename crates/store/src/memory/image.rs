//! All records and remembered keys of one instant, to be written to a file.

use std::sync::Arc;

use crate::memory::{page::Page, pages::Pages, pins::Pinned, remembered::Remembered};

/// All records of a collection as they were at one instant.
///
/// It holds the pages that the collection replaces meanwhile, as a list does: at most
/// as many bytes as the collection had.
#[derive(Debug)]
pub(crate) struct Image {
    /// Name of the collection.
    pub collection: &'static str,
    /// The highest id ever given.
    pub last_id: u64,
    /// The remembered keys. The oldest one comes first.
    pub keys: Vec<Remembered>,
    pages: Arc<Pinned<Pages>>,
}

impl Image {
    pub fn new(
        collection: &'static str,
        pages: Arc<Pinned<Pages>>,
        last_id: u64,
        keys: Vec<Remembered>,
    ) -> Self {
        Self {
            collection,
            last_id,
            keys,
            pages,
        }
    }

    /// The highest id of a record; 0 when there is none.
    pub fn highest_id(&self) -> u64 {
        let last = self.pages.last();
        last.map_or(0, |place| self.pages.id(place))
    }

    /// The pages in id order.
    pub fn into_pages(self) -> impl Iterator<Item = Arc<Pinned<Page>>> {
        // Each on its own, so that it can be released on its own.
        let pages: Vec<_> = self.pages.iter().cloned().collect();
        drop(self.pages);
        pages.into_iter()
    }
}
