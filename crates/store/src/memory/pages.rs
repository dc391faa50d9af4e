//! All records of a collection, in id order.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use crate::memory::{
    page::{Page, PageBuilder},
    pins::Pins,
};

/// Where a record is: the number of its page, and its slot in that page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub page: usize,
    pub slot: usize,
}

/// The pages of a collection. A clone copies 16 bytes for each page, and no record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages {
    /// The first id of each page. They are stored apart from the pages so that a search
    /// touches little memory.
    first_ids: Vec<u64>,
    all: Vec<Arc<Page>>,
    /// Counts the pages that lists still hold after they were replaced.
    pins: Arc<Pins>,
}

impl Pages {
    pub fn new(pins: Arc<Pins>) -> Self {
        Self {
            pins,
            ..Self::default()
        }
    }

    pub fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    /// Bytes of this value, without the pages themselves.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.first_ids[..]) + size_of_val(&self.all[..])
    }

    /// Appends a page whose ids are above all others.
    pub fn extend(&mut self, page: Option<Page>) {
        self.first_ids.extend(page.as_ref().map(Page::first_id));
        self.all.extend(page.map(Arc::new));
    }

    pub fn page(&self, page: usize) -> Option<&Arc<Page>> {
        self.all.get(page)
    }

    pub fn find(&self, id: u64) -> Option<Place> {
        let page = self.home(id)?;
        let slot = self.all[page].slot(id).ok()?;
        Some(Place { page, slot })
    }

    /// The number of the page that holds `id` or would hold it: the last page whose first id
    /// is not above it.
    fn home(&self, id: u64) -> Option<usize> {
        self.first_ids
            .partition_point(|first| *first <= id)
            .checked_sub(1)
    }

    pub fn record(&self, place: Place) -> &[u8] {
        self.all[place.page].record(place.slot)
    }

    pub fn share(&self, place: Place) -> Bytes {
        self.all[place.page].share(place.slot)
    }

    pub fn id(&self, place: Place) -> u64 {
        self.all[place.page].id(place.slot)
    }

    pub fn first(&self) -> Option<Place> {
        self.first_of(0)
    }

    /// The first record of a page.
    pub fn first_of(&self, page: usize) -> Option<Place> {
        (page < self.all.len()).then_some(Place { page, slot: 0 })
    }

    /// How many records there are from `place` on in this direction, `most` at most.
    pub fn count_from(&self, place: Place, descending: bool, most: usize) -> usize {
        let Place { page, slot } = place;
        let length = |page: &Arc<Page>| page.len();
        let (mut count, others) = if descending {
            (slot + 1, &self.all[..page])
        } else {
            (length(&self.all[page]) - slot, &self.all[page + 1..])
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
        let slot = self.all.get(page)?.slot(id);
        self.place(page, slot.map_or_else(|slot| slot, |slot| slot + 1))
    }

    /// The last record whose id is below `id`.
    pub fn before(&self, id: u64) -> Option<Place> {
        let page = self.home(id.checked_sub(1)?)?;
        let slot = self.all[page].slot(id);
        let slot = slot.unwrap_or_else(|slot| slot).checked_sub(1)?;
        Some(Place { page, slot })
    }

    /// The place after `place`.
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
            slot: self.all[page].len() - 1,
        })
    }

    /// This place; the first of the next page if it is past the end of its own.
    fn place(&self, page: usize, slot: usize) -> Option<Place> {
        if slot < self.all[page].len() {
            return Some(Place { page, slot });
        }
        self.first_of(page + 1)
    }

    /// Inserts a record, or replaces the one with the same id.
    pub fn put(&mut self, id: u64, record: &[u8]) {
        let Some(at) = self.home(id) else {
            // The record goes before all others, into the first page if there is one.
            return self.rebuild(0, Some((id, record)), id);
        };
        self.rebuild(at, Some((id, record)), id);
    }

    /// Removes the record with this id.
    pub fn remove(&mut self, id: u64) {
        if let Some(at) = self.home(id) {
            self.rebuild(at, None, id);
        }
    }

    /// Replaces the page at `at` by pages with the same records, except that the record
    /// `id` becomes `new`; `None` removes it.
    fn rebuild(&mut self, at: usize, new: Option<(u64, &[u8])>, id: u64) {
        let old = self.all.get(at).cloned();
        let room = old.as_ref().map_or((0, 0), |page| {
            let record = new.map_or(0, |(_, record)| record.len());
            (page.len() + 1, page.text().len() + 1 + record)
        });
        let mut built = Builder {
            full: Vec::with_capacity(1),
            page: PageBuilder::with_room(room.0, room.1),
        };
        let slot = old.as_ref().map(|page| page.slot(id));
        let (before, after) = match slot {
            Some(Ok(slot)) => (slot, slot + 1),
            Some(Err(slot)) => (slot, slot),
            None => (0, 0),
        };
        if let Some(page) = &old {
            built.copy(page, 0..before);
        }
        if let Some((id, record)) = new {
            built.push(id, record);
        }
        if let Some(page) = &old {
            built.copy(page, after..page.len());
        }
        let built = built.finish();
        let end = at + usize::from(old.is_some());
        self.first_ids
            .splice(at..end, built.iter().map(Page::first_id));
        self.all.splice(at..end, built.into_iter().map(Arc::new));
        if let Some(page) = old.filter(|page| Arc::strong_count(page) > 1) {
            page.pin(&self.pins);
        }
    }
}

/// Builds consecutive pages.
struct Builder {
    full: Vec<Page>,
    page: PageBuilder,
}

impl Builder {
    fn push(&mut self, id: u64, record: &[u8]) {
        if self.page.full(record.len()) {
            self.turn();
        }
        self.page.push(id, record);
    }

    fn copy(&mut self, page: &Page, mut slots: Range<usize>) {
        while !slots.is_empty() {
            slots.start += self.page.copy(page, slots.clone());
            if !slots.is_empty() {
                self.turn();
            }
        }
    }

    /// Begins the next page.
    fn turn(&mut self) {
        let full = std::mem::replace(&mut self.page, PageBuilder::new());
        self.full.extend(full.finish());
    }

    fn finish(mut self) -> Vec<Page> {
        self.full.extend(self.page.finish());
        self.full
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Checks that every look-up yields the same as an ordered map.
    fn check(pages: &Pages, map: &BTreeMap<u64, Vec<u8>>) {
        let mut next = pages.first();
        for (id, record) in map {
            let place = next.unwrap();
            assert_eq!((pages.id(place), pages.record(place)), (*id, &record[..]));
            assert_eq!(pages.find(*id), Some(place));
            assert_eq!(pages.page(place.page).unwrap().text().first(), Some(&b'['));
            next = pages.next(place);
        }
        assert_eq!(next, None);
        assert_eq!(
            pages.last().map(|place| pages.id(place)),
            map.keys().last().copied()
        );
        for id in 0..70 {
            let of = |place: Option<Place>| place.map(|place| pages.id(place));
            assert_eq!(pages.find(id).is_some(), map.contains_key(&id));
            assert_eq!(
                of(pages.after(id)),
                map.range(id + 1..).next().map(|(id, _)| *id)
            );
            assert_eq!(
                of(pages.before(id)),
                map.range(..id).next_back().map(|(id, _)| *id)
            );
        }
        for page in (0..).map_while(|page| pages.page(page)) {
            let text: Vec<serde_json::Value> = serde_json::from_slice(page.text()).unwrap();
            assert_eq!(text.len(), page.len());
        }
    }

    #[test]
    fn pages_hold_what_an_ordered_map_holds() {
        for seed in 0..20 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut pages, mut map) = (Pages::default(), BTreeMap::new());
            for _ in 0..300 {
                let id = rng.u64(1..64);
                if rng.u8(..3) == 0 {
                    pages.remove(id);
                    map.remove(&id);
                } else {
                    // Some records are larger than a page.
                    let bytes = [10, 100, 3000, 20_000][rng.usize(..4)];
                    let record = format!("{{\"id\":{id},\"text\":\"{}\"}}", "x".repeat(bytes));
                    pages.put(id, record.as_bytes());
                    map.insert(id, record.into_bytes());
                }
                check(&pages, &map);
            }
        }
    }
}
