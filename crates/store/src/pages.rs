//! All records of a collection, in id order.

use std::sync::Arc;

use bytes::Bytes;

use crate::page::{Page, PageBuilder};

/// Where a record lies: its page, and its slot in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub page: usize,
    pub slot: usize,
}

/// The pages of a collection. Cloning copies two words a page, no record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages {
    /// Each page's first id, apart from the pages so that a search touches little memory.
    first_ids: Vec<u64>,
    pages: Vec<Arc<Page>>,
}

impl Pages {
    /// Appends a page whose ids are above all others.
    pub fn extend(&mut self, page: Option<Page>) {
        self.first_ids.extend(page.as_ref().map(Page::first_id));
        self.pages.extend(page.map(Arc::new));
    }

    pub fn page(&self, page: usize) -> Option<&Arc<Page>> {
        self.pages.get(page)
    }

    pub fn find(&self, id: u64) -> Option<Place> {
        let page = self.home(id)?;
        let ids = self.pages[page].ids();
        // Mostly no id is missing in a page: one look instead of seven, each at
        // memory that the processor does not have at hand.
        let guess = usize::try_from(id - self.first_ids[page]).ok()?;
        let slot = match ids.get(guess) {
            Some(found) if *found == id => guess,
            _ => ids.binary_search(&id).ok()?,
        };
        Some(Place { page, slot })
    }

    /// The page that holds `id` or would: the last one that begins at or before it.
    fn home(&self, id: u64) -> Option<usize> {
        self.first_ids
            .partition_point(|first| *first <= id)
            .checked_sub(1)
    }

    pub fn record(&self, place: Place) -> &[u8] {
        self.pages[place.page].record(place.slot)
    }

    pub fn share(&self, place: Place) -> Bytes {
        self.pages[place.page].share(place.slot)
    }

    pub fn id(&self, place: Place) -> u64 {
        self.pages[place.page].ids()[place.slot]
    }

    pub fn first(&self) -> Option<Place> {
        self.first_of(0)
    }

    /// The first record of a page.
    pub fn first_of(&self, page: usize) -> Option<Place> {
        (page < self.pages.len()).then_some(Place { page, slot: 0 })
    }

    /// How many records there are from `place` on, counted up to `most`.
    pub fn count_from(&self, place: Place, descending: bool, most: usize) -> usize {
        let Place { page, slot } = place;
        let length = |page: &Arc<Page>| page.ids().len();
        let (mut count, others) = if descending {
            (slot + 1, &self.pages[..page])
        } else {
            (length(&self.pages[page]) - slot, &self.pages[page + 1..])
        };
        for at in 0..others.len() {
            if count >= most {
                break;
            }
            count += length(
                &others[if descending {
                    others.len() - 1 - at
                } else {
                    at
                }],
            );
        }
        count.min(most)
    }

    pub fn last(&self) -> Option<Place> {
        self.before(u64::MAX)
    }

    /// The first record whose id is above `id`.
    pub fn after(&self, id: u64) -> Option<Place> {
        let page = self.home(id).unwrap_or(0);
        let ids = self.pages.get(page)?.ids();
        let slot = ids.partition_point(|other| *other <= id);
        self.place(page, slot)
    }

    /// The last record whose id is below `id`.
    pub fn before(&self, id: u64) -> Option<Place> {
        let page = self.home(id.checked_sub(1)?)?;
        let ids = self.pages[page].ids();
        let slot = ids.partition_point(|other| *other < id).checked_sub(1)?;
        Some(Place { page, slot })
    }

    /// The place behind `place`.
    pub fn next(&self, place: Place) -> Option<Place> {
        self.place(place.page, place.slot + 1)
    }

    /// The place before `place`.
    pub fn previous(&self, place: Place) -> Option<Place> {
        let Place { page, slot } = place;
        if let Some(slot) = slot.checked_sub(1) {
            return Some(Place { page, slot });
        }
        let page = page.checked_sub(1)?;
        Some(Place {
            page,
            slot: self.pages[page].ids().len() - 1,
        })
    }

    /// This place, which may be one behind a page's end.
    fn place(&self, page: usize, slot: usize) -> Option<Place> {
        if slot < self.pages[page].ids().len() {
            return Some(Place { page, slot });
        }
        self.first_of(page + 1)
    }

    /// Puts a record in, in place of the one with the same id if there is one.
    pub fn put(&mut self, id: u64, record: &[u8]) {
        let Some(at) = self.home(id) else {
            // Before every other record: to the front of the first page, if there is one.
            return self.rebuild(0, Some((id, record)), id);
        };
        self.rebuild(at, Some((id, record)), id);
    }

    /// Takes the record with this id out.
    pub fn remove(&mut self, id: u64) {
        if let Some(at) = self.home(id) {
            self.rebuild(at, None, id);
        }
    }

    /// Replaces a page by one or more that hold the same records but for `id`,
    /// which is `new` or gone.
    fn rebuild(&mut self, at: usize, mut new: Option<(u64, &[u8])>, id: u64) {
        let mut built = Vec::with_capacity(1);
        let mut builder = PageBuilder::new();
        let mut push = |id, record: &[u8]| {
            if builder.full(record.len()) {
                let full = std::mem::replace(&mut builder, PageBuilder::new());
                built.extend(full.finish());
            }
            builder.push(id, record);
        };
        let old = self.pages.get(at).cloned();
        for (slot, other) in old.iter().flat_map(|page| page.ids().iter().enumerate()) {
            if *other >= id
                && let Some((id, record)) = new.take()
            {
                push(id, record);
            }
            if *other != id
                && let Some(page) = &old
            {
                push(*other, page.record(slot));
            }
        }
        if let Some((id, record)) = new {
            push(id, record);
        }
        built.extend(builder.finish());
        let end = at + usize::from(old.is_some());
        self.first_ids
            .splice(at..end, built.iter().map(Page::first_id));
        self.pages.splice(at..end, built.into_iter().map(Arc::new));
    }
}
