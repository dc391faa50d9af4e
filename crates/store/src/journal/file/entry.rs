//! The journal: what changed since `db.json` was written, a line a batch.
//!
//! ```text
//! 4f2c.. {"journal":1,"collection":"users","base":"88f9.."} 4f2c..
//! 91ab.. {"batch":1,"changes":[{"put":{"id":9,"username":"finn",..}},{"delete":4}]} 91ab..
//! 03de.. {"batch":2,"checkpoint":"1c77.."} 03de..
//! ```
//!
//! Each line has its checksum (XXH3, 64 bits, of the JSON between them) at both
//! ends. Behind the last line there is room, line feeds that are durable before
//! a line is written over them: so a torn line has holes of line feeds, a sync
//! need not change the file's size, and a file without room has been cut.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{digest::Digest, error::JournalError, write::Change};

/// Version of the format.
const FORMAT: u32 = 1;

/// A journal's length is a multiple of this. Small in tests, which so meet its end.
const ROOM: u64 = if cfg!(test) { 2 * 1024 } else { 256 * 1024 };

/// Bytes that a disk writes whole or not at all.
pub(crate) const SECTOR: usize = 512;

/// Hexadecimal digits of a checksum.
const CHECKSUM: usize = 16;

/// The first line: which `db.json` the changes belong to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    journal: u32,
    collection: String,
    /// Digest of the file.
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

/// Any other line. Batches are numbered from 1.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub batch: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// All batches so far are in the `db.json` with this digest, should it be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Digest>,
}

/// What a journal says.
#[derive(Debug)]
pub(crate) struct Journal {
    /// The `db.json` it began with.
    pub base: Digest,
    /// The changes of each batch, and the checkpoints between them.
    pub entries: Vec<Entry>,
    /// Where the last whole line ends.
    pub end: u64,
    /// Bytes behind that: a batch that was being written when the process or the power went.
    pub torn_bytes: usize,
}

/// A line of a journal.
#[derive(Debug)]
pub(crate) enum Entry {
    Changes {
        /// Where the line is, in bytes from the beginning of the file.
        offset: usize,
        changes: Vec<Change>,
    },
    Checkpoint(Digest),
}

impl Journal {
    /// Reads a journal of this collection.
    ///
    /// # Errors
    /// When anything is damaged that was once durable, or is another's.
    pub fn parse(bytes: &[u8], collection: &str) -> Result<Self, JournalError> {
        let mut lines = Lines { bytes, at: 0 };
        let header = lines.next()?;
        lines.check_length()?;
        // A journal gets its name when its header is durable.
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
                    changes: line.changes,
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

/// How long a journal is whose last line ends at `end`.
pub(crate) fn length_for(end: u64) -> u64 {
    (end / ROOM + 1) * ROOM
}

/// A line as it is written at `offset`.
///
/// # Errors
/// When `body` cannot be written as JSON.
pub(crate) fn line_at(offset: u64, body: &impl Serialize) -> serde_json::Result<String> {
    let mut body = serde_json::to_string(body)?;
    // No sector holds a single byte of a line: otherwise a sector that was never
    // written could look like one damaged byte. The line feed at the end does not
    // count, since a sector that was never written reads as line feeds.
    let end = offset + (2 * CHECKSUM + "  \n".len() + body.len()) as u64;
    if matches!(end % SECTOR as u64, 2 | 511) {
        body.push(' ');
    }
    let sum = checksum(body.as_bytes());
    let mut line = String::with_capacity(body.len() + 2 * CHECKSUM + 3);
    // Writing to a string cannot fail.
    let _ = writeln!(line, "{sum} {body} {sum}");
    Ok(line)
}

/// Walks through the lines of a journal up to its end or a torn tail.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// The next line's offset and JSON.
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

    /// Whether the file has the room that was made before its last line was written.
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

    /// All that is left but for the room behind it.
    fn rest(&self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest
            .iter()
            .rposition(|byte| *byte != b'\n')
            .map_or(0, |last| last + 1);
        &rest[..end]
    }

    /// Whether what is left is one batch that was never wholly on the disk, and
    /// so never acknowledged. If in doubt it is not.
    fn torn(&self) -> bool {
        let rest = self.rest();
        // A later batch is only written when this one is on the disk.
        if rest
            .split(|byte| *byte == b'\n')
            .skip(1)
            .any(|line| checked(line).is_some())
        {
            return false;
        }
        // Sectors that did not arrive still hold the room's line feeds, and zeros
        // where the room itself was being made. A line has neither inside, and
        // one damaged byte makes no two of them.
        let blank = |byte: &u8| matches!(byte, b'\n' | b'\0');
        if rest.windows(2).any(|pair| pair.iter().all(blank)) {
            return true;
        }
        // Its last sector did not arrive, or both ends did: then a checksum at
        // one of them is still right, or they are equal and the damage is between.
        if rest.len() < 2 * CHECKSUM + 2 {
            return true;
        }
        let (first, last) = (&rest[..CHECKSUM], &rest[rest.len() - CHECKSUM..]);
        // The line is whole but for the line feed that ended it.
        let mut ends = rest.windows(CHECKSUM).enumerate().skip(CHECKSUM);
        if ends.any(|(at, end)| end == first && checked(&rest[..at + CHECKSUM]).is_some()) {
            return false;
        }
        let sum = checksum(&rest[CHECKSUM + 1..rest.len() - CHECKSUM - 1]);
        let last_is_right = last == sum.as_bytes();
        // The same, should the last digit be what is damaged, and a line feed now.
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
