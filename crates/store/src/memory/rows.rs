//! The records of a list, one after the other.

use std::ops::Range;

use bytes::Bytes;

use crate::memory::{
    blocks::{Block, Blocks, Place},
    page::Page,
    pages::Pages,
    snapshot::{Ids, Snapshot},
};

/// The records of a list that are still to come.
#[derive(Debug)]
pub(crate) struct Rows {
    source: Source,
    descending: bool,
}

#[derive(Debug)]
enum Source {
    /// Consecutive records of the collection.
    Pages(Run),
    /// The records with consecutive ids of the snapshot's blocks.
    Shared(Run),
    /// The records with these of the snapshot's own ids.
    Own(Range<usize>),
}

/// Consecutive places.
#[derive(Debug)]
struct Run {
    next: Option<Place>,
    left: usize,
}

impl Rows {
    /// So many records of the snapshot, from this place on. The place is one in the pages, or
    /// in the blocks of shared ids.
    pub fn from_place(snapshot: &Snapshot, next: Place, left: usize, descending: bool) -> Self {
        let next = Some(next);
        let run = Run { next, left };
        let source = match snapshot.ids {
            Ids::Shared(_) => Source::Shared(run),
            Ids::All | Ids::Own(_) => Source::Pages(run),
        };
        Self { source, descending }
    }

    /// The records with the first ids that the snapshot has found for itself.
    pub fn own(count: usize, descending: bool) -> Self {
        let source = Source::Own(0..count);
        Self { source, descending }
    }

    /// How many records are still to come.
    pub fn left(&self) -> usize {
        match &self.source {
            Source::Pages(run) | Source::Shared(run) => run.left,
            Source::Own(left) => left.len(),
        }
    }

    /// The pages and the slots of the next records: at most `most`. Those of consecutive
    /// records are all in one page, those of shared ids all in one block of ids.
    pub fn ahead<'a>(&self, snapshot: &'a Snapshot, most: usize) -> Vec<(&'a Page, usize)> {
        let pages = &snapshot.pages;
        match (&self.source, &snapshot.ids) {
            (Source::Pages(run), _) => {
                let Some(Place { at, .. }) = run.next else {
                    return Vec::new();
                };
                let page: &Page = pages.block(at);
                let slots = run.slots(page.len(), self.descending, most);
                if self.descending {
                    slots.rev().map(|slot| (page, slot)).collect()
                } else {
                    slots.map(|slot| (page, slot)).collect()
                }
            }
            (Source::Shared(run), Ids::Shared(blocks)) => {
                let Some(Place { at, .. }) = run.next else {
                    return Vec::new();
                };
                let ids = blocks.block(at);
                let slots = run.slots(ids.len(), self.descending, most);
                self.found(pages, &ids[slots])
            }
            (Source::Own(left), Ids::Own(ids)) => {
                let most = most.min(left.len());
                let next = if self.descending {
                    left.end - most..left.end
                } else {
                    left.start..left.start + most
                };
                self.found(pages, &ids[next])
            }
            (Source::Shared(_) | Source::Own(_), _) => Vec::new(),
        }
    }

    /// The records with these ids, in the direction of the list.
    fn found<'a>(&self, pages: &'a Pages, ids: &[u64]) -> Vec<(&'a Page, usize)> {
        let ids = ids.iter().copied();
        if self.descending {
            pages.indexed(ids.rev())
        } else {
            pages.indexed(ids)
        }
    }

    /// Skips the next records, as many as [`Self::ahead`] has found at most.
    pub fn skip(&mut self, snapshot: &Snapshot, count: usize) {
        let descending = self.descending;
        match (&mut self.source, &snapshot.ids) {
            (Source::Pages(run), _) => run.skip(&snapshot.pages, descending, count),
            (Source::Shared(run), Ids::Shared(blocks)) => run.skip(blocks, descending, count),
            (Source::Own(left), _) if descending => left.end -= count,
            (Source::Own(left), _) => left.start += count,
            (Source::Shared(_), _) => {}
        }
    }

    /// The JSON array of a whole page, if its records come next.
    pub fn whole_page(&self, pages: &Pages) -> Option<Bytes> {
        match self.source {
            Source::Pages(Run {
                next: Some(Place { at, slot: 0 }),
                left,
            }) if !self.descending => {
                let page = pages.block(at);
                (page.len() <= left).then(|| page.text().clone())
            }
            _ => None,
        }
    }

    /// Skips the rest of the next page.
    pub fn skip_page(&mut self, pages: &Pages) {
        if let Source::Pages(Run { next, left }) = &mut self.source
            && let Some(Place { at, slot }) = *next
        {
            *left -= pages.block(at).len() - slot;
            *next = pages.next_block(at).map(|at| Place { at, slot: 0 });
        }
    }
}

impl Run {
    /// The slots of the next records in their block, which has so many: at most `most`.
    fn slots(&self, len: usize, descending: bool, most: usize) -> Range<usize> {
        let most = most.min(self.left);
        match self.next {
            Some(Place { slot, .. }) if descending => (slot + 1).saturating_sub(most)..slot + 1,
            Some(Place { slot, .. }) => slot..len.min(slot + most),
            None => 0..0,
        }
    }

    /// Skips records of one block.
    fn skip<B: Block>(&mut self, blocks: &Blocks<B>, descending: bool, count: usize) {
        let Some(Place { at, slot }) = self.next.filter(|_| count > 0) else {
            return;
        };
        self.left -= count;
        let last = if descending {
            slot + 1 - count
        } else {
            slot + count - 1
        };
        self.next = blocks.behind(Place { at, slot: last }, descending);
    }
}
