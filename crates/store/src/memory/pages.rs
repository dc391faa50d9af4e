//! All records of a collection, in id order.

use std::{
    ops::{Deref, Range},
    sync::Arc,
};

use crate::{
    digest::Summary,
    memory::{
        blocks::{At, Block, Blocks},
        page::{Page, PageBuilder},
        pins::{Pinned, Pins},
    },
};

/// Why a record that an index names is found.
const THERE: &str = "an index names records that are there";

/// The pages of a collection. A clone copies 48 bytes for each group of pages, and no record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages {
    blocks: Blocks<Page>,
    /// Counts what lists still hold of the pages after it was replaced.
    pins: Arc<Pins>,
}

/// A change of one record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edit<'a> {
    pub id: u64,
    /// What the record's JSON becomes; `None` to remove the record.
    pub json: Option<&'a [u8]>,
    /// The summary of the record before; the default where there was none.
    pub before: Summary,
    /// The summary of the record after; the default where there is none.
    pub after: Summary,
}

impl Deref for Pages {
    type Target = Blocks<Page>;

    fn deref(&self) -> &Blocks<Page> {
        &self.blocks
    }
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

    /// Appends a page whose ids are above all others.
    pub fn push(&mut self, summary: Summary, page: Page) {
        self.blocks.push(vec![(summary, page)], &self.pins);
    }

    /// The pages and the slots of records that an index names.
    ///
    /// The records of one user are far apart in memory. All pages are found before the first
    /// of them is read, so that the processor fetches several at the same time. The records of
    /// a popular thread are close together: several of them share one search for their page.
    pub fn indexed(&self, ids: impl Iterator<Item = u64>) -> Vec<(&Page, usize)> {
        let mut last: Option<(&Page, Range<u64>)> = None;
        let around = ids.map(|id| {
            if let Some((page, span)) = &last
                && span.contains(&id)
            {
                return (*page, id);
            }
            let at = self.home(id).expect(THERE);
            let page: &Page = self.block(at);
            last = Some((page, self.span(at)));
            (page, id)
        });
        let around: Vec<_> = around.collect();
        let slots = around.into_iter();
        slots
            .map(|(page, id)| (page, page.slot(id).expect(THERE)))
            .collect()
    }

    /// The summary of a record that an index names.
    pub fn summary_of(&self, id: u64) -> Summary {
        let found = self.get(id);
        let (page, slot) = found.expect(THERE);
        page.summary(slot)
    }

    /// Applies changes of different records, which are in id order. Each page is rebuilt once.
    pub fn apply(&mut self, mut edits: &[Edit<'_>]) {
        while let Some(first) = edits.first() {
            // What comes before every other record goes to the front of the first page.
            let at = self.home(first.id).or_else(|| self.first_block());
            let end = at.and_then(|at| self.end(at));
            let here = edits.partition_point(|edit| end.is_none_or(|end| edit.id < end));
            let (here, others) = edits.split_at(here);
            self.rebuild(at, here);
            edits = others;
        }
    }

    /// Replaces a page by none, one or more pages with the same records but for these changes.
    fn rebuild(&mut self, at: Option<At>, edits: &[Edit<'_>]) {
        let old = at.map(|at| Arc::clone(self.block(at)));
        let mut built = Builder::with_room(old.as_deref(), edits);
        let mut summary = at.map(|at| self.summary(at)).unwrap_or_default();
        let mut copied = 0;
        for edit in edits {
            if let Some(old) = &old {
                let (before, after) = match old.slot(edit.id) {
                    Ok(slot) => (slot, slot + 1),
                    Err(slot) => (slot, slot),
                };
                built.copy(old, copied..before);
                copied = after;
            }
            if let Some(json) = edit.json {
                built.push(edit.id, json);
            }
            summary.remove(edit.before);
            summary.add(edit.after);
        }
        if let Some(old) = old {
            built.copy(&old, copied..old.len());
        }
        let built = built.finish(summary);
        match at {
            Some(at) => self.blocks.replace(at, built, &self.pins),
            None => self.blocks.push(built, &self.pins),
        }
    }
}

/// Builds pages, one after the other.
struct Builder {
    full: Vec<Page>,
    page: PageBuilder,
}

impl Builder {
    /// A builder whose first page has capacity for the records of a page and these changes.
    fn with_room(old: Option<&Pinned<Page>>, edits: &[Edit<'_>]) -> Self {
        let (records, bytes) = old.map_or((0, 2), |page| (page.len(), page.text().len()));
        let added = edits.iter().filter_map(|edit| edit.json);
        let added: usize = added.map(|json| json.len() + 1).sum();
        Self {
            full: Vec::new(),
            page: PageBuilder::with_room(records + edits.len(), bytes + added),
        }
    }

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

    /// The pages and their summaries, which add up to `all`.
    fn finish(mut self, all: Summary) -> Vec<(Summary, Page)> {
        self.full.extend(self.page.finish());
        // The digests of the largest page's records follow from those of all others.
        let bytes = self.full.iter().map(|page| page.text().len());
        let largest = bytes.enumerate().max_by_key(|(_, bytes)| *bytes);
        let largest = largest.map_or(0, |(at, _)| at);
        let (mut rest, mut built) = (all, Vec::with_capacity(self.full.len()));
        for (at, page) in self.full.into_iter().enumerate() {
            let mut summary = Summary::default();
            if at != largest {
                summary = (0..page.len()).map(|slot| page.summary(slot)).sum();
                rest.remove(summary);
            }
            built.push((summary, page));
        }
        if let Some((summary, _)) = built.get_mut(largest) {
            *summary = rest;
        }
        built
    }
}

#[cfg(test)]
mod tests;
