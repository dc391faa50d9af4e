//! Walks through the records of a list.

use std::ops::Range;

use bytes::Bytes;

use crate::{
    memory::{
        pages::{Pages, Place},
        snapshot::Snapshot,
    },
    query::Query,
};

/// The records of a list that are still to come.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    source: Source,
    descending: bool,
}

#[derive(Debug, Clone)]
enum Source {
    /// Consecutive records of the collection.
    Run { next: Option<Place>, left: usize },
    /// The records whose ids are in this range of the snapshot's ids.
    Picked { left: Range<usize> },
}

impl Rows {
    /// The records that the query asks for, and whether more records follow behind its limit.
    pub fn new(snapshot: &Snapshot, query: &Query) -> (Self, bool) {
        let pages = &snapshot.pages;
        let Query {
            descending, after, ..
        } = *query;
        let limit = query.limit.unwrap_or(usize::MAX);
        let (source, more) = if let Some(ids) = snapshot.ids.picked() {
            let Range { mut start, mut end } = 0..ids.len();
            match after {
                Some(after) if descending => end = ids.partition_point(|id| *id < after),
                Some(after) => start = ids.partition_point(|id| *id <= after),
                None => {}
            }
            let more = end - start > limit;
            if more && descending {
                start = end - limit;
            } else if more {
                end = start + limit;
            }
            (Source::Picked { left: start..end }, more)
        } else {
            let next = match (after, descending) {
                (Some(after), true) => pages.before(after),
                (Some(after), false) => pages.after(after),
                (None, true) => pages.last(),
                (None, false) => pages.first(),
            };
            let most = limit.saturating_add(1);
            let left = next.map_or(0, |next| pages.count_from(next, descending, most));
            let source = Source::Run {
                next,
                left: left.min(limit),
            };
            (source, left > limit)
        };
        (Self { source, descending }, more)
    }

    /// How many records are still to come.
    pub fn left(&self) -> usize {
        match &self.source {
            Source::Run { left, .. } => *left,
            Source::Picked { left } => left.len(),
        }
    }

    pub fn next(&mut self, snapshot: &Snapshot) -> Option<Place> {
        let Snapshot { pages, ids } = snapshot;
        let place = match &self.source {
            Source::Run { left: 0, .. } => None,
            Source::Run { next, .. } => *next,
            Source::Picked { left } => {
                let mut left = left.clone();
                let at = if self.descending {
                    left.next_back()
                } else {
                    left.next()
                };
                at.and_then(|at| pages.find(ids.picked()?[at]))
            }
        };
        self.skip(pages);
        place
    }

    /// The places of the next records: at most `most`, and all in one page.
    pub fn places(&self, snapshot: &Snapshot, most: usize) -> Vec<Place> {
        let Snapshot { pages, ids } = snapshot;
        match &self.source {
            Source::Run { next, left } => {
                let behind = |place: &Place| {
                    let behind = behind(pages, *place, self.descending);
                    behind.filter(|behind| behind.page == place.page)
                };
                std::iter::successors(*next, behind)
                    .take(most.min(*left))
                    .collect()
            }
            Source::Picked { left } => {
                let ids = ids.picked().map_or(&[][..], |ids| &ids[left.clone()]);
                let find = |id: &u64| {
                    let place = pages.find(*id);
                    place.expect("an index names records that are there")
                };
                if self.descending {
                    ids.iter().rev().take(most).map(find).collect()
                } else {
                    ids.iter().take(most).map(find).collect()
                }
            }
        }
    }

    /// Skips the next record.
    pub fn skip(&mut self, pages: &Pages) {
        let descending = self.descending;
        match &mut self.source {
            Source::Run { next, left } => {
                *left = left.saturating_sub(1);
                *next = next.and_then(|place| behind(pages, place, descending));
            }
            Source::Picked { left } if descending => {
                left.next_back();
            }
            Source::Picked { left } => {
                left.next();
            }
        }
    }

    /// The JSON array of a page, if all of its records come next in the list.
    pub fn whole_page(&self, pages: &Pages) -> Option<Bytes> {
        match self.source {
            Source::Run {
                next: Some(Place { page, slot: 0 }),
                left,
            } if !self.descending => {
                let page = pages.page(page)?;
                (page.len() <= left).then(|| page.text().clone())
            }
            _ => None,
        }
    }

    /// Skips the rest of the next page.
    pub fn skip_page(&mut self, pages: &Pages) {
        if let Source::Run { next, left } = &mut self.source
            && let Some(Place { page, slot }) = *next
        {
            *left -= pages.page(page).map_or(0, |page| page.len() - slot);
            *next = pages.first_of(page + 1);
        }
    }
}

/// The place that comes after this one in a list.
fn behind(pages: &Pages, place: Place, descending: bool) -> Option<Place> {
    if descending {
        pages.previous(place)
    } else {
        pages.next(place)
    }
}
