//! The journal: what changed since `db.json` was written, a line a batch.
//!
//! ```text
//! 4f2c.. {"journal":1,"collection":"users","base":"88f9.."} 4f2c..
//! 91ab.. {"batch":1,"changes":[{"put":{"id":9,"username":"finn",..}},{"delete":4}]} 91ab..
//! 03de.. {"batch":2,"checkpoint":"1c77.."} 03de..
//! ```
//!
//! Each line has its checksum (XXH3, 64 bits, of the JSON between them) at both
//! ends. The room behind the last line is filled with line feeds, so that a
//! batch overwrites blocks that are there and its sync need not change the
//! file's size.

use std::{
    fmt::Write,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    digest::Digest,
    disk::{Disk, DiskFile},
};

/// Version of the format.
const FORMAT: u32 = 1;

/// Bytes of room that are made at a time.
const ROOM: usize = 256 * 1024;

/// Hexadecimal digits of a checksum.
const CHECKSUM: usize = 16;

/// A change of one record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Change {
    /// The record is now this, which holds its id.
    Put(Box<RawValue>),
    /// The record with this id is gone.
    Delete(u64),
}

/// The first line: which `db.json` the changes belong to.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    journal: u32,
    collection: String,
    /// Digest of the file.
    base: Digest,
}

/// Any other line. Batches are numbered from 1.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    batch: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
    /// All batches so far are in the `db.json` with this digest, should it be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint: Option<Digest>,
}

/// What a journal says.
#[derive(Debug)]
pub(crate) struct Journal {
    /// The `db.json` it began with.
    pub base: Digest,
    /// The changes of each batch, and the checkpoints between them.
    pub batches: Vec<Batch>,
    /// Where the last whole line ends.
    pub end: u64,
    /// Bytes behind that: a batch that was being written when the process or the power went.
    pub torn_bytes: usize,
}

/// A line of a journal.
#[derive(Debug)]
pub(crate) enum Batch {
    Changes {
        /// Where the line is, in bytes from the beginning of the file.
        offset: usize,
        changes: Vec<Change>,
    },
    Checkpoint(Digest),
}

/// What is wrong with a journal, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {detail}")]
pub struct JournalError {
    /// Offset of the line, in bytes from the beginning of the file.
    pub offset: usize,
    /// What is wrong there.
    pub detail: String,
}

impl Journal {
    /// Reads a journal of this collection. `None` when not even its header was
    /// written: nothing can have been acknowledged on the strength of it.
    ///
    /// # Errors
    /// When a line is damaged that was once whole, or is another's.
    pub fn parse(bytes: &[u8], collection: &str) -> Result<Option<Self>, JournalError> {
        let mut lines = Lines { bytes, at: 0 };
        let error = |offset, detail: &str| JournalError {
            offset,
            detail: detail.to_owned(),
        };
        let Some((offset, body)) = lines.next()? else {
            return Ok(None);
        };
        let header: Header = serde_json::from_slice(body)
            .map_err(|_| error(offset, "expected a journal's header"))?;
        if header.journal != FORMAT {
            return Err(error(
                offset,
                "expected format 1; this journal is a newer version's",
            ));
        }
        if header.collection != collection {
            let detail = format!(
                "expected a journal of {collection}, found one of {}",
                header.collection
            );
            return Err(JournalError { offset, detail });
        }
        let mut journal = Self {
            base: header.base,
            batches: Vec::new(),
            end: 0,
            torn_bytes: 0,
        };
        while let Some((offset, body)) = lines.next()? {
            let line: Line =
                serde_json::from_slice(body).map_err(|_| error(offset, "expected a batch"))?;
            if line.batch != journal.batches.len() as u64 + 1 {
                let detail = format!(
                    "expected batch {}, found {}",
                    journal.batches.len() + 1,
                    line.batch
                );
                return Err(JournalError { offset, detail });
            }
            journal.batches.push(match line.checkpoint {
                Some(digest) => Batch::Checkpoint(digest),
                None => Batch::Changes {
                    offset,
                    changes: line.changes,
                },
            });
        }
        journal.end = lines.at as u64;
        journal.torn_bytes = lines.rest().len();
        Ok(Some(journal))
    }
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
        let detail =
            "the line is damaged; it was whole once, and may have been acknowledged".to_owned();
        Err(JournalError { offset, detail })
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
        // Blocks that did not arrive still hold the room's line feeds, or zeros.
        // A line has neither inside, and one flipped byte makes no two of them.
        let hole = |pair: &[u8]| pair == b"\n\n" || pair == b"\0\0";
        if rest.starts_with(b"\n\n") || rest.windows(2).any(hole) {
            return true;
        }
        // Both ends arrived: then a checksum at one of them is still right, or
        // they are equal and the damage is between.
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
        first != last && first != sum.as_bytes() && last != sum.as_bytes()
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

/// A journal that is being written.
pub(crate) struct JournalWriter {
    file: Box<dyn DiskFile>,
    /// Where the next line goes.
    end: u64,
    /// Where the room ends.
    room: u64,
    batch: u64,
    line: String,
}

impl JournalWriter {
    /// Puts an empty journal in the place of the one at `path`: durable when this returns.
    ///
    /// # Errors
    /// Whatever the disk says. The journal at `path` is then the old or the new one.
    pub fn create(
        disk: &dyn Disk,
        path: &Path,
        collection: &str,
        base: Digest,
    ) -> io::Result<Self> {
        let new = PathBuf::from(format!("{}.new", path.display()));
        let mut writer = Self {
            file: disk.create(&new)?,
            end: 0,
            room: 0,
            batch: 0,
            line: String::new(),
        };
        let header = Header {
            journal: FORMAT,
            collection: collection.to_owned(),
            base,
        };
        writer.write(&header)?;
        disk.rename(&new, path)?;
        disk.sync_directory_of(path)?;
        Ok(writer)
    }

    /// Opens a journal whose last whole line, of this batch, ends at `end`.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn reopen(
        disk: &dyn Disk,
        path: &Path,
        end: u64,
        torn_bytes: usize,
        batch: u64,
    ) -> io::Result<Self> {
        let mut file = disk.open(path)?;
        // What is left of a torn batch would be damage behind the next one.
        file.write_at(end, &vec![b'\n'; torn_bytes])?;
        Ok(Self {
            file,
            end,
            room: end,
            batch,
            line: String::new(),
        })
    }

    /// Appends a batch: durable when this returns.
    ///
    /// # Errors
    /// Whatever the disk says. The batch may be durable or not; nothing may be
    /// appended behind it.
    pub fn append(&mut self, changes: Vec<Change>) -> io::Result<()> {
        self.batch += 1;
        self.write(&Line {
            batch: self.batch,
            changes,
            checkpoint: None,
        })
    }

    /// Notes that all batches so far are in the `db.json` with this digest.
    ///
    /// # Errors
    /// As [`JournalWriter::append`].
    pub fn checkpoint(&mut self, digest: Digest) -> io::Result<()> {
        self.batch += 1;
        self.write(&Line {
            batch: self.batch,
            changes: Vec::new(),
            checkpoint: Some(digest),
        })
    }

    /// Batches written since the journal was created.
    pub fn batches(&self) -> u64 {
        self.batch
    }

    /// Bytes written since the journal was created.
    pub fn bytes(&self) -> u64 {
        self.end
    }

    fn write(&mut self, body: &impl Serialize) -> io::Result<()> {
        let body = serde_json::to_string(body)?;
        let sum = checksum(body.as_bytes());
        self.line.clear();
        // Writing to a string cannot fail.
        let _ = writeln!(self.line, "{sum} {body} {sum}");
        let end = self.end + self.line.len() as u64;
        if end > self.room {
            let room = vec![b'\n'; ROOM + self.line.len()];
            self.file.write_at(self.end, &room)?;
            self.room = self.end + room.len() as u64;
        }
        self.file.write_at(self.end, self.line.as_bytes())?;
        self.file.sync()?;
        self.end = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(body: &str) -> String {
        let sum = checksum(body.as_bytes());
        format!("{sum} {body} {sum}\n")
    }

    fn journal() -> String {
        [
            line(r#"{"journal":1,"collection":"users","base":"00000000000000000000000000000001"}"#),
            line(r#"{"batch":1,"changes":[{"put":{"id":1,"name":"J*"}},{"delete":4}]}"#),
            line(r#"{"batch":2,"checkpoint":"0000000000000000000000000000002a"}"#),
            line(r#"{"batch":3,"changes":[{"delete":1}]}"#),
        ]
        .concat()
    }

    fn batches(bytes: &[u8]) -> Result<Option<usize>, JournalError> {
        Journal::parse(bytes, "users").map(|journal| journal.map(|journal| journal.batches.len()))
    }

    #[test]
    fn a_journal_is_read_with_or_without_room_behind_it() {
        let whole = journal();
        assert_eq!(batches(whole.as_bytes()), Ok(Some(3)));
        assert_eq!(batches((whole + &"\n".repeat(700)).as_bytes()), Ok(Some(3)));
        assert_eq!(batches(b""), Ok(None));
        assert_eq!(batches(b"\n\n\n"), Ok(None));
    }

    #[test]
    fn cut_anywhere_it_is_what_was_whole_before_the_cut() {
        let whole = journal();
        let ends: Vec<_> = whole.match_indices('\n').map(|(at, _)| at).collect();
        for cut in 0..=whole.len() {
            let complete = ends.iter().filter(|end| cut >= **end).count();
            let expected = complete.checked_sub(1);
            for room in ["", "\n", "\n\n\n"] {
                let text = format!("{}{room}", &whole[..cut]);
                assert_eq!(batches(text.as_bytes()), Ok(expected), "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_flipped_byte_is_refused_at_its_line() {
        let whole = journal() + "\n\n\n";
        let end = journal().len();
        let starts = |at: usize| whole[..at].rfind('\n').map_or(0, |start| start + 1);
        for at in 0..end {
            for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                let mut bytes = whole.clone().into_bytes();
                bytes[at] ^= flip;
                let refused = batches(&bytes).expect_err("a flipped byte is damage");
                // The line feed between two lines belongs to the first.
                assert_eq!(refused.offset, starts(at), "byte {at} ^ {flip}");
            }
        }
    }

    #[test]
    fn a_batch_of_which_blocks_are_missing_is_torn() {
        let text = format!(
            "{{\"batch\":4,\"changes\":[{{\"put\":\"{}\"}}]}}",
            "x".repeat(3000)
        );
        let whole = journal() + &line(&text) + "\n\n\n";
        let start = journal().len();
        for missing in 0..=whole.len() / 512 {
            for room in [b'\n', b'\0'] {
                let mut bytes = whole.clone().into_bytes();
                let block = (missing * 512).max(start)..((missing + 1) * 512).min(whole.len() - 3);
                if block.len() < 2 {
                    continue;
                }
                bytes[block].fill(room);
                assert_eq!(batches(&bytes), Ok(Some(3)), "block {missing}");
            }
        }
    }

    #[test]
    fn lines_of_others_and_lines_out_of_order_are_refused() {
        let posts = Journal::parse(journal().as_bytes(), "posts").unwrap_err();
        assert_eq!(
            posts.detail,
            "expected a journal of posts, found one of users"
        );
        let missing = journal().replace(
            &line(r#"{"batch":2,"checkpoint":"0000000000000000000000000000002a"}"#),
            "",
        );
        assert_eq!(
            batches(missing.as_bytes()).unwrap_err().detail,
            "expected batch 2, found 3"
        );
        let newer =
            line(r#"{"journal":2,"collection":"users","base":"00000000000000000000000000000001"}"#);
        assert!(
            batches(newer.as_bytes())
                .unwrap_err()
                .detail
                .contains("newer")
        );
    }
}
