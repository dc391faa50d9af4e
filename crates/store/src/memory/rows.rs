//! The records of a list, one after the other.

use std::ops::Range;

use bytes::Bytes;

use crate::memory::{
    blocks::{Block, Blocks, Place},
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

    /// The places of the next records: at most `most`. Those of consecutive records are all in
    /// one page.
    pub fn places(&self, snapshot: &Snapshot, most: usize) -> Vec<Place> {
        let Snapshot { pages, ids } = snapshot;
        let find = |id: u64| {
            let place = pages.find(id);
            place.expect("an index names records that are there")
        };
        match (&self.source, ids) {
            (Source::Pages(run), _) => {
                let places = run.places(pages, self.descending).take(most);
                let page = run.next.map(|next| next.at);
                places.take_while(|place| Some(place.at) == page).collect()
            }
            (Source::Shared(run), Ids::Shared(blocks)) => {
                let places = run.places(blocks, self.descending).take(most);
                places.map(|place| find(blocks.id(place))).collect()
            }
            (Source::Own(left), Ids::Own(ids)) => {
                let ids = ids[left.clone()].iter().copied();
                if self.descending {
                    ids.rev().take(most).map(find).collect()
                } else {
                    ids.take(most).map(find).collect()
                }
            }
            (Source::Shared(_) | Source::Own(_), _) => Vec::new(),
        }
    }

    /// Skips the next record.
    pub fn skip(&mut self, snapshot: &Snapshot) {
        let descending = self.descending;
        match (&mut self.source, &snapshot.ids) {
            (Source::Pages(run), _) => run.skip(&snapshot.pages, descending),
            (Source::Shared(run), Ids::Shared(blocks)) => run.skip(blocks, descending),
            (Source::Own(left), _) if descending => {
                left.next_back();
            }
            (Source::Own(left), _) => {
                left.next();
            }
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
    fn places<B: Block>(
        &self,
        blocks: &Blocks<B>,
        descending: bool,
    ) -> impl Iterator<Item = Place> {
        let behind = move |place: &Place| blocks.behind(*place, descending);
        std::iter::successors(self.next, behind).take(self.left)
    }

    fn skip<B: Block>(&mut self, blocks: &Blocks<B>, descending: bool) {
        self.left = self.left.saturating_sub(1);
        self.next = self.next.and_then(|place| blocks.behind(place, descending));
    }
}
