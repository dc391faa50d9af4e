//! What a query asks for, as it was at one instant.

use std::sync::Arc;

use common::Model;

use crate::{
    digest::Summary,
    memory::{
        blocks::{Block, Blocks, Place},
        index::posting::Posting,
        list::{Frames, List},
        page::Page,
        pages::Pages,
        pins::Pinned,
        rows::Rows,
        snapshot::{Ids, Snapshot},
        state::State,
    },
    query::Query,
};

/// What a list is made of. It is taken while the collection is locked for reading, and the
/// list is made when it is not locked any more: sums and several filters may take a while.
#[derive(Debug)]
pub(crate) struct Selection {
    pages: Arc<Pinned<Pages>>,
    /// The summary of the collection.
    all: Summary,
    /// The records that pass each filter; the smallest set first.
    postings: Vec<Posting>,
}

/// Consecutive records of a list.
struct Window {
    /// The first one, in the direction of the list.
    first: Place,
    count: usize,
    summary: Summary,
    /// The id of the last one if more follow.
    next_after: Option<u64>,
}

impl<M: Model> State<M> {
    /// What the query asks for. Copies at most a few ids for each filter.
    pub fn select(&self, query: &Query) -> Selection {
        let filters = query.filters.iter();
        let postings = filters.map(|filter| self.posting(filter.index, &filter.key));
        let mut postings: Vec<_> = postings
            .map(|posting| posting.cloned().unwrap_or_default())
            .collect();
        postings.sort_by_key(|posting| posting.summary.count);
        Selection {
            pages: Arc::clone(&self.pages),
            all: self.summary,
            postings,
        }
    }
}

impl Selection {
    /// The list that the query asks for.
    pub fn list(self, query: &Query) -> List {
        let pages = &self.pages;
        if let Some(ids) = &query.ids {
            return self.among(ids, query);
        }
        let Some(smallest) = self.postings.first() else {
            let all = self.all;
            let window = window(pages, query, all, Page::summary);
            return self.run(Ids::All, all, window, query.descending);
        };
        if let (Some(blocks), 1) = (smallest.blocks(), self.postings.len()) {
            let all = smallest.summary;
            let summary = |ids: &Vec<u64>, slot| pages.summary_of(ids[slot]);
            let window = window(blocks, query, all, summary);
            let ids = Ids::Shared(Arc::clone(blocks));
            return self.run(ids, all, window, query.descending);
        }
        self.picked(query)
    }

    /// The list of these consecutive records.
    fn run(self, ids: Ids, all: Summary, window: Option<Window>, descending: bool) -> List {
        let pages = self.pages;
        let snapshot = Snapshot { pages, ids };
        let (rows, summary, next_after) = match window {
            Some(window) => {
                let rows = Rows::from_place(&snapshot, window.first, window.count, descending);
                (rows, window.summary, window.next_after)
            }
            None => (Rows::own(0, descending), Summary::default(), None),
        };
        List {
            total: all.count,
            digest: summary.digest,
            next_after,
            frames: Frames::new(snapshot, rows, summary.array_bytes()),
        }
    }

    /// The list of the records that pass all filters. Looks up the ids of the smallest set in
    /// the others, and reads only the records that are sent.
    fn picked(mut self, query: &Query) -> List {
        let others = self.postings.split_off(1);
        let smallest = self.postings.swap_remove(0);
        let all = smallest.summary;
        let ids = if others.is_empty() {
            smallest.into_ids()
        } else {
            let mut cursors: Vec<_> = others.iter().map(Posting::cursor).collect();
            let mut passes = |id: &u64| cursors.iter_mut().all(|cursor| cursor.has(*id));
            smallest.ids().filter(|id| passes(id)).collect()
        };
        found(self.pages, ids, all, query)
    }

    /// The list of the records that have one of these ids and pass all filters. Looks up each
    /// id, whatever the size of the collection.
    fn among(self, ids: &[u64], query: &Query) -> List {
        let mut cursors: Vec<_> = self.postings.iter().map(Posting::cursor).collect();
        let mut passes = |id: &u64| cursors.iter_mut().all(|cursor| cursor.has(*id));
        let exists = |id: &u64| self.pages.get(*id).is_some();
        let ids = ids.iter().filter(|id| exists(id) && passes(id));
        let ids = ids.copied().collect();
        let smallest = self.postings.first();
        let all = smallest.map_or(self.all, |smallest| smallest.summary);
        found(self.pages, ids, all, query)
    }
}

/// The list of the records with these ids, which are in ascending order. `all` sums up a set of
/// records that these are part of: when it has as many, it is their sum as well.
fn found(pages: Arc<Pinned<Pages>>, mut ids: Vec<u64>, all: Summary, query: &Query) -> List {
    let total = ids.len();
    let next_after = cut(&mut ids, query);
    let summary = if ids.len() == all.count {
        all
    } else {
        ids.iter().map(|id| pages.summary_of(*id)).sum()
    };
    let rows = Rows::own(ids.len(), query.descending);
    let ids = Ids::Own(ids);
    List {
        total,
        digest: summary.digest,
        next_after,
        frames: Frames::new(Snapshot { pages, ids }, rows, summary.array_bytes()),
    }
}

/// Keeps the ids that come after `after`, as many as the limit allows. Returns the last of
/// them if more follow.
fn cut(ids: &mut Vec<u64>, query: &Query) -> Option<u64> {
    let Query {
        after, descending, ..
    } = *query;
    match after {
        Some(after) if descending => ids.truncate(ids.partition_point(|id| *id < after)),
        Some(after) => drop(ids.drain(..ids.partition_point(|id| *id <= after))),
        None => {}
    }
    let more = ids.len().checked_sub(query.limit?)?;
    if descending {
        ids.drain(..more);
    } else {
        ids.truncate(ids.len() - more);
    }
    ids.shrink_to_fit();
    let last = if descending { ids.first() } else { ids.last() };
    last.copied().filter(|_| more > 0)
}

/// The records of these blocks that come after `after`, as many as the limit allows; `None`
/// when there is none. `all` is the summary of the blocks, `one` that of a record.
fn window<B: Block>(
    blocks: &Blocks<B>,
    query: &Query,
    all: Summary,
    one: impl Fn(&B, usize) -> Summary,
) -> Option<Window> {
    let descending = query.descending;
    let first = match (query.after, descending) {
        (Some(after), true) => blocks.before(after),
        (Some(after), false) => blocks.after(after),
        (None, true) => blocks.last(),
        (None, false) => blocks.first(),
    }?;
    let (count, last) = match query.limit {
        Some(limit) => blocks.reach(first, descending, limit),
        None => blocks.rest(first, descending)?,
    };
    let (low, high) = if descending {
        (last, first)
    } else {
        (first, last)
    };
    let summary = if count == all.count {
        all
    } else {
        blocks.sum(low, high, one)
    };
    let more = blocks.behind(last, descending).is_some();
    Some(Window {
        first,
        count,
        summary,
        next_after: more.then(|| blocks.id(last)),
    })
}

#[cfg(test)]
mod tests;
