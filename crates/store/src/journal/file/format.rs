//! The format of the journal: what has changed since `db.json` was written, one line
//! per batch.
//!
//! ```text
//! 4f2c.. {"journal":1,"collection":"users","base":"88f9.."} 4f2c..
//! 91ab.. {"batch":1,"changes":[{"put":{"id":9,"username":"finn",..}},{"delete":4}]} 91ab..
//! 03de.. {"batch":2,"checkpoint":"1c77.."} 03de..
//! ```
//!
//! A batch with keys of requests has a third member, `"keys":{"remember":[{"key":"5d0a..",..}]}`.
//!
//! Each line begins and ends with the checksum of its JSON (XXH3, 64 bits). Behind
//! the last line is the journal's room: line feeds that are durable before a line
//! overwrites them. The room has three purposes: missing sectors of a torn line read
//! as line feeds, a sync need not change the file's size, and a file without room
//! must have been cut.

use std::{fmt::Write, io};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    digest::Digest,
    error::JournalError,
    memory::remembered::KeyChanges,
    write::{Changes, JournalChange},
};

/// Version of the format.
const FORMAT: u32 = 1;

/// A journal's length is a multiple of this. It is small in tests, so that they often
/// reach the end of the room.
const ROOM: u64 = if cfg!(test) { 2 * 1024 } else { 256 * 1024 };

/// Bytes that a disk writes whole or not at all.
pub(crate) const SECTOR: usize = 512;

/// Hexadecimal digits of a checksum.
const CHECKSUM: usize = 16;

/// The first line. It names the `db.json` that the changes belong to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    journal: u32,
    collection: String,
    /// Digest of that `db.json`.
    base: Digest,
}

impl Header {
    pub fn new(collection: &str, base: Digest) -> Self {
        Self {
            journal: FORMAT,
            collection: collection.to_owned(),
            base,
        }
    }
}

/// Any later line. Lines are numbered from 1.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    batch: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<JournalChange>,
    /// A release that knows no keys skips this member.
    #[serde(default, skip_serializing_if = "KeyChanges::is_empty")]
    keys: KeyChanges,
    /// The digest of a `db.json` that holds all batches before this line. That file
    /// need not exist: it may not have been renamed, or never be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint: Option<Digest>,
}

impl Line {
    pub fn changes(number: u64, Changes { records, keys }: Changes) -> Self {
        Self {
            batch: number,
            changes: records,
            keys,
            checkpoint: None,
        }
    }

    pub fn checkpoint(number: u64, digest: Digest) -> Self {
        Self {
            batch: number,
            changes: Vec::new(),
            keys: KeyChanges::default(),
            checkpoint: Some(digest),
        }
    }

    /// What the batch changes.
    fn into_changes(self) -> Changes {
        Changes {
            records: self.changes,
            keys: self.keys,
        }
    }
}

/// The contents of a journal.
#[derive(Debug)]
pub(crate) struct JournalContents {
    /// Digest of the `db.json` that the journal began with.
    pub base: Digest,
    /// The batches and the checkpoints between them, in order.
    pub entries: Vec<Entry>,
    /// Offset of the end of the last whole line.
    pub end: u64,
    /// Bytes of a torn line behind `end`: a crash interrupted its write.
    pub torn_bytes: usize,
}

/// A line of a journal.
#[derive(Debug)]
pub(crate) enum Entry {
    Changes {
        /// Offset of the line in the file, in bytes.
        offset: usize,
        changes: Changes,
    },
    Checkpoint(Digest),
}

impl JournalContents {
    /// Reads a journal of this collection.
    ///
    /// # Errors
    /// When a line that was durable is damaged, when the file was cut, and when it is
    /// another collection's journal or has another format.
    pub fn parse(bytes: &[u8], collection: &str) -> Result<Self, JournalError> {
        let mut lines = Lines { bytes, at: 0 };
        let header = lines.next()?;
        lines.check_length()?;
        // A journal is renamed only after its header is durable: so the header is never torn.
        let header = header.and_then(|(_, body)| serde_json::from_slice::<Header>(body).ok());
        let header = header.ok_or_else(|| JournalError::new(0, "expected a journal's header"))?;
        if header.journal != FORMAT {
            let detail = "expected format 1; this journal is a newer version's";
            return Err(JournalError::new(0, detail));
        }
        if header.collection != collection {
            let detail = format!(
                "expected a journal of {collection}, found one of {}",
                header.collection
            );
            return Err(JournalError::new(0, detail));
        }
        let mut entries = Vec::new();
        while let Some((offset, body)) = lines.next()? {
            let line: Line = serde_json::from_slice(body)
                .map_err(|_| JournalError::new(offset, "expected a batch"))?;
            let expected = entries.len() as u64 + 1;
            if line.batch != expected {
                let detail = format!("expected batch {expected}, found {}", line.batch);
                return Err(JournalError::new(offset, detail));
            }
            entries.push(match line.checkpoint {
                Some(digest) => Entry::Checkpoint(digest),
                None => Entry::Changes {
                    offset,
                    changes: line.into_changes(),
                },
            });
        }
        Ok(Self {
            base: header.base,
            entries,
            end: lines.at as u64,
            torn_bytes: lines.rest().len(),
        })
    }
}

/// The length in bytes of a journal whose last line ends at offset `end`.
pub(crate) fn length_for(end: u64) -> u64 {
    (end / ROOM + 1) * ROOM
}

/// Bytes of a line beside its JSON.
const AROUND: usize = 2 * CHECKSUM + "  \n".len();

/// The text of a line that is written at `offset`.
///
/// # Errors
/// When `body` cannot be written as JSON.
pub(crate) fn line_at(offset: u64, body: &impl Serialize) -> serde_json::Result<String> {
    let mut body = serde_json::to_string(body)?;
    // No sector may hold a single byte of a line: otherwise a sector that was never
    // written would look like one damaged byte. The line feed at the end does not
    // count, since a sector that was never written also reads as line feeds.
    let end = offset + (AROUND + body.len()) as u64;
    if matches!(end % SECTOR as u64, 2 | 511) {
        body.push(' ');
    }
    Ok(with_checksums(&body))
}

/// As [`line_at`], with as many spaces that the line ends where a sector does.
///
/// # Errors
/// As [`line_at`].
pub(crate) fn filling_line_at(offset: u64, body: &impl Serialize) -> serde_json::Result<String> {
    let mut body = serde_json::to_string(body)?;
    let beyond = (place_in_sector(offset) + AROUND + body.len()) % SECTOR;
    body.extend(std::iter::repeat_n(' ', (SECTOR - beyond) % SECTOR));
    Ok(with_checksums(&body))
}

/// Whether this line touches one sector alone when it is written at `offset`.
pub(crate) fn lies_in_a_sector(offset: u64, line: &str) -> bool {
    place_in_sector(offset) + line.len() <= SECTOR
}

fn place_in_sector(offset: u64) -> usize {
    // A remainder of SECTOR always fits.
    usize::try_from(offset % SECTOR as u64).unwrap_or_default()
}

fn with_checksums(body: &str) -> String {
    let sum = checksum(body.as_bytes());
    let mut line = String::with_capacity(body.len() + AROUND);
    // Writing to a string cannot fail.
    let _ = writeln!(line, "{sum} {body} {sum}");
    line
}

/// The batch in a line's text, without the line feed; `None` in a checkpoint.
///
/// # Errors
/// When it is not a line as [`line_at`] writes it.
pub(crate) fn batch_in(line: &[u8]) -> io::Result<Option<Changes>> {
    let body = checked(line).ok_or_else(|| io::Error::other("a line is damaged"))?;
    let line: Line = serde_json::from_slice(body)?;
    Ok(line.checkpoint.is_none().then(|| line.into_changes()))
}

/// Reads the lines of a journal one by one, up to its end or a torn line.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// The next line's offset and JSON; `None` at the end or at a torn line.
    fn next(&mut self) -> Result<Option<(usize, &'a [u8])>, JournalError> {
        let offset = self.at;
        let rest = self.rest();
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len());
        if let Some(body) = checked(&rest[..length]) {
            self.at += length + 1;
            return Ok(Some((offset, body)));
        }
        if rest.is_empty() || self.torn() {
            return Ok(None);
        }
        self.check_length()?;
        let detail = "the line is damaged; it was whole once, and may have been acknowledged";
        Err(JournalError::new(offset, detail))
    }

    /// Checks that the file still has the room that it had when its last line was written.
    fn check_length(&self) -> Result<(), JournalError> {
        let blank = |byte: &u8| matches!(byte, b'\n' | b'\0');
        let written = self.bytes.iter().rposition(|byte| !blank(byte));
        let length = length_for(written.map_or(0, |last| last as u64 + 2));
        if self.bytes.len() as u64 >= length {
            return Ok(());
        }
        let mut cut = JournalError::new(self.bytes.len(), "the end of the file has been cut off");
        cut.cut_from = Some(length);
        Err(cut)
    }

    /// The bytes that are not read yet, without the line feeds at their end.
    fn rest(&self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest
            .iter()
            .rposition(|byte| *byte != b'\n')
            .map_or(0, |last| last + 1);
        &rest[..end]
    }

    /// Whether the rest is one batch that was never completely on the disk, and so was
    /// never acknowledged. In doubt the answer is no.
    fn torn(&self) -> bool {
        let rest = self.rest();
        // A later batch is written only after this one is durable.
        if rest
            .split(|byte| *byte == b'\n')
            .skip(1)
            .any(|line| checked(line).is_some())
        {
            return false;
        }
        // A sector that was not written still holds the line feeds of the room, or
        // zeros if the room itself was not written. A line contains neither, and one
        // damaged byte cannot make two of them.
        let blank = |byte: &u8| matches!(byte, b'\n' | b'\0');
        if rest.windows(2).any(|pair| pair.iter().all(blank)) {
            return true;
        }
        // No hole: either the last sector is missing, or both ends of the line were
        // written. In the second case the line is damaged, not torn: the checksum at one
        // end is right, or both are equal and the damage is between them.
        if rest.len() < 2 * CHECKSUM + 2 {
            return true;
        }
        let (first, last) = (&rest[..CHECKSUM], &rest[rest.len() - CHECKSUM..]);
        // The line is whole, but the line feed at its end is damaged.
        let mut ends = rest.windows(CHECKSUM).enumerate().skip(CHECKSUM);
        if ends.any(|(at, end)| end == first && checked(&rest[..at + CHECKSUM]).is_some()) {
            return false;
        }
        let sum = checksum(&rest[CHECKSUM + 1..rest.len() - CHECKSUM - 1]);
        let last_is_right = last == sum.as_bytes();
        // The same for a line whose last digit was damaged and became a line feed, which
        // `rest` cuts off.
        let shorter = checksum(&rest[CHECKSUM + 1..rest.len() - CHECKSUM]);
        let first_is_right = first == sum.as_bytes() || first == shorter.as_bytes();
        first != last && !first_is_right && !last_is_right
    }
}

/// The JSON of a line whose checksums are right.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let (first, rest) = line.split_at_checked(CHECKSUM)?;
    let (rest, last) = rest.split_at_checked(rest.len().checked_sub(CHECKSUM)?)?;
    let body = rest.strip_prefix(b" ")?.strip_suffix(b" ")?;
    let sum = checksum(body);
    (first == sum.as_bytes() && last == sum.as_bytes()).then_some(body)
}

fn checksum(body: &[u8]) -> String {
    format!("{:016x}", xxh3_64(body))
}

#[cfg(test)]
mod tests;
