//! Pages: consecutive records whose JSON is one contiguous text.

use std::ops::Range;

use bytes::Bytes;

use crate::{digest::Summary, memory::blocks::Block};

/// Bytes after which a page is full. A write copies a page, and a list sends one page
/// at a time. So larger pages make lists cheaper and writes more expensive.
const BYTES_FULL: usize = 16 * 1024;

/// Consecutive records in id order, as one JSON array.
#[derive(Debug)]
pub(crate) struct Page {
    first_id: u64,
    /// The ids. Empty when they are consecutive, as in most pages: the slot of an id then
    /// follows from the id, without a cache miss.
    ids: Box<[u64]>,
    /// The offset in `text` at which each record's JSON ends.
    ends: Box<[u32]>,
    /// `[{..},{..}]`
    text: Bytes,
}

impl Page {
    /// All records as a JSON array.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The range of the record in this slot in the text.
    fn span(&self, slot: usize) -> Range<usize> {
        self.start(slot)..self.ends[slot] as usize
    }

    /// The offset at which the record in this slot begins. One byte, `[` or `,`, stands
    /// before each record.
    fn start(&self, slot: usize) -> usize {
        let before = slot.checked_sub(1).map_or(0, |last| self.ends[last]);
        before as usize + 1
    }

    /// The JSON of the record in this slot.
    pub fn record(&self, slot: usize) -> &[u8] {
        &self.text[self.span(slot)]
    }

    /// The summary of the record in this slot.
    pub fn summary(&self, slot: usize) -> Summary {
        Summary::of(self.record(slot))
    }

    /// The JSON of the record in this slot, in memory shared with the page.
    pub fn share(&self, slot: usize) -> Bytes {
        self.text.slice(self.span(slot))
    }
}

impl Block for Page {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn id(&self, slot: usize) -> u64 {
        if self.ids.is_empty() {
            self.first_id + slot as u64
        } else {
            self.ids[slot]
        }
    }

    fn slot(&self, id: u64) -> Result<usize, usize> {
        if !self.ids.is_empty() {
            return self.ids.binary_search(&id);
        }
        let Some(behind_first) = id.checked_sub(self.first_id) else {
            return Err(0);
        };
        let slot = usize::try_from(behind_first).unwrap_or(usize::MAX);
        if slot < self.len() {
            Ok(slot)
        } else {
            Err(self.len())
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.ids) + size_of_val(&*self.ends) + self.text.len()
    }
}

/// Builds a page. Records are pushed in id order.
pub(crate) struct PageBuilder {
    ids: Vec<u64>,
    ends: Vec<u32>,
    text: Vec<u8>,
}

impl PageBuilder {
    pub fn new() -> Self {
        Self::with_room(0, 0)
    }

    /// A builder with capacity for this many records and bytes of text, as far as they fit
    /// into a page.
    pub fn with_room(records: usize, bytes: usize) -> Self {
        let mut text = Vec::with_capacity(bytes.min(BYTES_FULL + "[]".len()));
        text.push(b'[');
        Self {
            ids: Vec::with_capacity(records),
            ends: Vec::with_capacity(records),
            text,
        }
    }

    /// Whether a record of this length should go to the next page.
    pub fn full(&self, record_bytes: usize) -> bool {
        !self.ids.is_empty() && self.text.len() + record_bytes > BYTES_FULL
    }

    pub fn push(&mut self, id: u64, record: &[u8]) {
        if !self.ids.is_empty() {
            self.text.push(b',');
        }
        self.text.extend_from_slice(record);
        self.ids.push(id);
        self.ends.push(end(self.text.len()));
    }

    /// Appends the records in these slots of a page with one copy, until this page is full.
    /// Returns how many were appended.
    pub fn copy(&mut self, page: &Page, slots: Range<usize>) -> usize {
        if slots.is_empty() {
            return 0;
        }
        let start = page.start(slots.start);
        let ends = &page.ends[slots.clone()];
        let room = (BYTES_FULL + start).saturating_sub(self.text.len());
        let mut count = ends.partition_point(|end| *end as usize <= room);
        if count == 0 && self.ids.is_empty() {
            // A record that is larger than a page has a page of its own.
            count = 1;
        }
        let Some(last) = count.checked_sub(1) else {
            return 0;
        };
        if !self.ids.is_empty() {
            self.text.push(b',');
        }
        let base = self.text.len();
        self.text
            .extend_from_slice(&page.text[start..ends[last] as usize]);
        self.ids
            .extend((slots.start..slots.start + count).map(|slot| page.id(slot)));
        let moved = ends[..count].iter().map(|end| *end as usize - start + base);
        self.ends.extend(moved.map(end));
        count
    }

    /// The page; `None` when nothing was pushed.
    pub fn finish(mut self) -> Option<Page> {
        let (first_id, last_id) = (*self.ids.first()?, *self.ids.last()?);
        if last_id - first_id == self.ids.len() as u64 - 1 {
            self.ids = Vec::new();
        }
        self.text.push(b']');
        self.text.shrink_to_fit();
        Some(Page {
            first_id,
            ids: self.ids.into(),
            ends: self.ends.into(),
            text: self.text.into(),
        })
    }
}

fn end(at: usize) -> u32 {
    let at = u32::try_from(at);
    at.expect("records are at most 16 MiB long and pages hold 16 KiB or one record")
}
