//! Lists: which records, in which order, and their JSON piece by piece.

use std::{hint, mem, ptr};

use bytes::Bytes;

use crate::{
    digest::Digest,
    memory::{lease::Lease, pages::Pages, rows::Rows, snapshot::Snapshot},
};

/// A piece that is copied together from single records is full at this many bytes. A record
/// of at least this size is not copied: it is a piece of its own.
const FRAME_BYTES: usize = 32 * 1024;

/// Records that are looked up before the first of them is copied.
const AHEAD: usize = 32;

/// A list of records as it was at one instant.
#[derive(Debug)]
pub struct List {
    /// How many records match, whatever `limit` and `after` say.
    pub total: usize,
    /// Digest of the list's contents.
    pub digest: Digest,
    /// The last id of this page; `None` when nothing matches after it.
    pub next_after: Option<u64>,
    /// The list's JSON.
    pub frames: Frames,
}

/// A list's JSON, a compact array, in pieces. A piece shares the collection's memory, or
/// is a copy of at most twice 32 KiB.
///
/// Later writes do not change the list. While lists are being sent, they hold records that
/// the collection has replaced since. When they hold too many bytes of these, the oldest
/// list is cut off with an error. A list that ends with its first piece never is.
#[derive(Debug)]
pub struct Frames {
    held: Held,
    pieces: Pieces,
}

/// What a list holds of the collection.
#[derive(Debug)]
enum Held {
    /// No piece has been read. Most lists have one piece, and need no lease.
    Snapshot(Snapshot),
    /// The first piece has been read, and more follow.
    Lease(Lease),
    /// The list has ended.
    Nothing,
}

/// A list was cut off: too much was written while its client read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list was cut off, since too much was written while it was read; read it again")]
pub struct CutOff;

/// The rest of a list, from which its next pieces are made.
#[derive(Debug)]
struct Pieces {
    rows: Rows,
    stage: Stage,
    bytes_left: usize,
}

/// What the last piece of a list ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There was no piece yet.
    Nothing,
    /// It ended with a record.
    Record,
    /// It ended with the comma or bracket before a record.
    Comma,
    /// It ended the list.
    Everything,
}

impl Frames {
    /// The JSON of these rows, which has so many bytes.
    pub(crate) fn new(snapshot: Snapshot, rows: Rows, bytes: usize) -> Self {
        Self {
            held: Held::Snapshot(snapshot),
            pieces: Pieces {
                rows,
                stage: Stage::Nothing,
                bytes_left: bytes,
            },
        }
    }

    /// Bytes of the pieces that are still to come.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        self.pieces.bytes_left
    }
}

impl Pieces {
    /// The next piece, and whether it is the last one.
    fn next(&mut self, snapshot: &Snapshot) -> (Bytes, bool) {
        let shared = self.whole_page(&snapshot.pages);
        let shared = shared.or_else(|| self.long_record(snapshot));
        let piece = shared.unwrap_or_else(|| self.joined(snapshot));
        self.bytes_left -= piece.len();
        (piece, self.stage == Stage::Everything)
    }

    /// The next piece if it is a whole page, or the comma before one.
    fn whole_page(&mut self, pages: &Pages) -> Option<Bytes> {
        let page = self.rows.whole_page(pages)?;
        if self.stage == Stage::Record {
            self.stage = Stage::Comma;
            return Some(Bytes::from_static(b","));
        }
        self.rows.skip_page(pages);
        // The page's brackets are sent only at the beginning and at the end of the list.
        let from = usize::from(self.stage != Stage::Nothing);
        let to = page.len() - usize::from(self.rows.left() > 0);
        self.stage = if self.rows.left() > 0 {
            Stage::Record
        } else {
            Stage::Everything
        };
        Some(page.slice(from..to))
    }

    /// The next piece if it is a long record.
    fn long_record(&mut self, snapshot: &Snapshot) -> Option<Bytes> {
        if self.stage != Stage::Comma {
            return None;
        }
        let (page, slot) = *self.rows.ahead(snapshot, 1).first()?;
        if page.record(slot).len() < FRAME_BYTES {
            return None;
        }
        self.rows.skip(snapshot, 1);
        self.stage = Stage::Record;
        Some(page.share(slot))
    }

    /// A piece that is copied together from single records.
    fn joined(&mut self, snapshot: &Snapshot) -> Bytes {
        let pages = &**snapshot.pages;
        let mut piece = Vec::with_capacity(self.bytes_left.min(FRAME_BYTES + FRAME_BYTES / 8));
        match self.stage {
            Stage::Nothing => piece.push(b'['),
            Stage::Record if self.rows.left() > 0 => piece.push(b','),
            Stage::Record | Stage::Comma | Stage::Everything => {}
        }
        while self.rows.left() > 0 {
            // The records of one user are far apart in memory. Several are looked up, and
            // their first bytes read, before the first is copied, so that the processor
            // fetches them at the same time. It does so by itself for the records of one page.
            let ahead = self.rows.ahead(snapshot, AHEAD);
            let pages_apart = ahead.chunk_by(|(one, _), (next, _)| ptr::eq(*one, *next));
            let touched = pages_apart.filter_map(|records| {
                let (page, slot) = records.first()?;
                page.record(*slot).first()
            });
            hint::black_box(touched.fold(0, |sum: u8, byte| sum ^ byte));
            for (at, (page, slot)) in ahead.iter().enumerate() {
                let record = page.record(*slot);
                if record.len() >= FRAME_BYTES {
                    // The next piece shares this record.
                    self.rows.skip(snapshot, at);
                    self.stage = Stage::Comma;
                    return piece.into();
                }
                piece.extend_from_slice(record);
                self.stage = Stage::Record;
                let is_full = piece.len() >= FRAME_BYTES;
                if is_full || at + 1 == ahead.len() {
                    self.rows.skip(snapshot, at + 1);
                    if self.rows.left() == 0 {
                        break;
                    }
                    if is_full || self.rows.whole_page(pages).is_some() {
                        return piece.into();
                    }
                }
                piece.push(b',');
            }
        }
        piece.push(b']');
        self.stage = Stage::Everything;
        piece.into()
    }
}

impl Iterator for Frames {
    type Item = Result<Bytes, CutOff>;

    fn next(&mut self) -> Option<Self::Item> {
        match mem::replace(&mut self.held, Held::Nothing) {
            Held::Snapshot(snapshot) => {
                let (piece, last) = self.pieces.next(&snapshot);
                if !last {
                    self.held = Held::Lease(Lease::new(snapshot));
                }
                Some(Ok(piece))
            }
            Held::Lease(lease) => {
                let Some(snapshot) = lease.snapshot() else {
                    return Some(Err(CutOff));
                };
                let (piece, last) = self.pieces.next(&snapshot);
                if !last {
                    self.held = Held::Lease(lease);
                }
                Some(Ok(piece))
            }
            Held::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests;
