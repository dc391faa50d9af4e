//! The next journal: it goes on where the last one stands after a fold.

use std::{io, ops::Range};

use crate::{
    digest::Digest,
    journal::file::{
        base_file::BaseFile,
        disk::DiskFile,
        failure::{Failure, early},
        format::batch_in,
        open_journal::OpenJournal,
        paths::{journal_path, new_path},
    },
};

/// Bytes that are read at a time.
const PIECE: usize = if cfg!(test) { 300 } else { 256 * 1024 };

/// A `db.json.journal.new`.
pub(crate) struct NewJournal {
    pub journal: OpenJournal,
    /// Up to where it has the batches of the last journal.
    pub copied_to: u64,
}

impl NewJournal {
    /// Writes `db.json.journal.new`, a journal of the `db.json` with this digest. It is
    /// empty, or has the batches in a range of the last journal. It is durable when this
    /// returns. After an error it is removed.
    ///
    /// # Errors
    /// Any error of the disk. No start reads that file: nothing is in doubt.
    pub fn write(
        base: &BaseFile,
        collection: &str,
        digest: Digest,
        from: Option<(&dyn DiskFile, Range<u64>)>,
    ) -> Result<Self, Failure> {
        // Right before the file is created: it could be another writer's.
        base.check_lock()?;
        let new = new_path(&journal_path(&base.path));
        let mut journal =
            OpenJournal::create(&*base.disk, &new, &base.path).map_err(early(&new))?;
        let copied_to = from.as_ref().map_or(0, |(_, range)| range.end);
        let write = || {
            journal.begin_unsynced(collection, digest)?;
            if let Some((from, range)) = from {
                copy(from, range, &mut journal)?;
            }
            journal.sync()
        };
        kept_if(write(), base, &journal)?;
        Ok(Self { journal, copied_to })
    }

    /// Adds the batches that the last journal, which ends here, has got meanwhile. They
    /// are durable when this returns. After an error the new journal is removed.
    ///
    /// # Errors
    /// Any error of the disk, as in [`NewJournal::write`].
    pub fn catch_up(
        &mut self,
        base: &BaseFile,
        from: &dyn DiskFile,
        end: u64,
    ) -> Result<(), Failure> {
        if self.copied_to < end {
            let copied = copy(from, self.copied_to..end, &mut self.journal);
            let durable = copied.and_then(|()| self.journal.sync());
            kept_if(durable, base, &self.journal)?;
            self.copied_to = end;
        }
        Ok(())
    }
}

/// Removes the new journal if it could not be written: the disk may be full.
fn kept_if(written: io::Result<()>, base: &BaseFile, journal: &OpenJournal) -> Result<(), Failure> {
    written.map_err(|error| {
        let new = new_path(&journal_path(&base.path));
        base.discard(&new, &**journal.file());
        early(&new)(error)
    })
}

/// Appends the batches in this range of a journal to another, and does not sync it.
/// The range begins and ends between two lines.
fn copy(from: &dyn DiskFile, mut range: Range<u64>, to: &mut OpenJournal) -> io::Result<()> {
    let mut unread = Vec::new();
    while !range.is_empty() {
        let length = (range.end - range.start).min(PIECE as u64);
        let begun = unread.len();
        unread.resize(
            begun + usize::try_from(length).map_err(io::Error::other)?,
            0,
        );
        from.read_at(range.start, &mut unread[begun..])?;
        range.start += length;
        let mut read = 0;
        for feed in memchr::memchr_iter(b'\n', &unread) {
            if let Some(changes) = batch_in(&unread[read..feed])? {
                to.append_unsynced(changes)?;
            }
            read = feed + 1;
        }
        unread.drain(..read);
    }
    if !unread.is_empty() {
        return Err(io::Error::other("a line has no end"));
    }
    Ok(())
}
