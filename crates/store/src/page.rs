//! Pages: runs of records whose JSON lies in one piece.

use std::ops::Range;

use bytes::Bytes;

/// Bytes after which a page is full. A write copies one page, a list sends one
/// page at a time: larger pages make lists cheaper and writes dearer.
const BYTES_FULL: usize = 16 * 1024;

/// A run of records in id order, as one JSON array.
#[derive(Debug)]
pub(crate) struct Page {
    ids: Box<[u64]>,
    /// Where each record's JSON ends in `text`.
    ends: Box<[u32]>,
    /// `[{..},{..}]`
    text: Bytes,
}

impl Page {
    pub fn first_id(&self) -> u64 {
        self.ids[0]
    }

    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// All records, with the brackets around them.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// Where the record in this slot lies in the text.
    fn span(&self, slot: usize) -> Range<usize> {
        // One byte, `[` or `,`, stands before each record.
        let before = slot
            .checked_sub(1)
            .map_or(0, |last| self.ends[last] as usize);
        before + 1..self.ends[slot] as usize
    }

    /// The JSON of the record in this slot.
    pub fn record(&self, slot: usize) -> &[u8] {
        &self.text[self.span(slot)]
    }

    /// The same, sharing the page's memory.
    pub fn share(&self, slot: usize) -> Bytes {
        self.text.slice(self.span(slot))
    }
}

/// A page in the making. Records come in id order.
pub(crate) struct PageBuilder {
    ids: Vec<u64>,
    ends: Vec<u32>,
    text: Vec<u8>,
}

impl PageBuilder {
    pub fn new() -> Self {
        Self {
            ids: Vec::new(),
            ends: Vec::new(),
            text: vec![b'['],
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
        let end = u32::try_from(self.text.len());
        self.ends.push(
            end.expect("records are at most 16 MiB long and pages hold 16 KiB or one record"),
        );
    }

    /// The page; `None` when nothing was pushed.
    pub fn finish(mut self) -> Option<Page> {
        if self.ids.is_empty() {
            return None;
        }
        self.text.push(b']');
        self.text.shrink_to_fit();
        Some(Page {
            ids: self.ids.into(),
            ends: self.ends.into(),
            text: self.text.into(),
        })
    }
}
