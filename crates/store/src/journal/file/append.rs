//! Writing a journal.

use std::{io, path::Path};

use crate::{
    digest::Digest,
    journal::file::{
        disk::{Directory, Disk, DiskFile, Identity},
        entry::{Header, Line, length_for, line_at},
        failure::{Failure, early, fatal},
        paths::{journal_path, new_path},
        recovery::RecoveredJournal,
    },
    write::Change,
};

/// A journal that is being written.
pub(crate) struct JournalWriter {
    file: Box<dyn DiskFile>,
    identity: Identity,
    /// Where the next line goes.
    end: u64,
    /// Bytes of the file: behind `end`, all are line feeds.
    length: u64,
    batch: u64,
}

impl JournalWriter {
    /// Puts an empty journal of the `db.json` at `base_path` in the place of the
    /// one that it has: durable when this returns.
    ///
    /// # Errors
    /// Whatever the disk says. The journal is then the old or the new one; after
    /// an early failure, the old one.
    pub fn create(
        disk: &dyn Disk,
        directory: &dyn Directory,
        base_path: &Path,
        collection: &str,
        base: Digest,
    ) -> Result<Self, Failure> {
        let path = journal_path(base_path);
        let new = new_path(&path);
        let file = disk.create(&new, base_path).map_err(early(&new))?;
        let mut writer = Self {
            identity: file.identity().map_err(early(&new))?,
            file,
            end: 0,
            length: 0,
            batch: 0,
        };
        let header = line_at(0, &Header::new(collection, base));
        let header = header.map_err(io::Error::from).map_err(early(&new))?;
        writer
            .fill(length_for(header.len() as u64))
            // The room needs no sync of its own here: the file has no name yet.
            .and_then(|()| writer.write(&header))
            .map_err(fatal(&new))?;
        disk.rename(&new, &path).map_err(fatal(&path))?;
        directory.sync().map_err(fatal(&path))?;
        Ok(writer)
    }

    /// Opens a journal that was read. What was read of it is durable when this
    /// returns, and a torn batch is gone.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn reopen(disk: &dyn Disk, path: &Path, found: RecoveredJournal) -> io::Result<Self> {
        let RecoveredJournal {
            end,
            mut bytes,
            batches,
            ..
        } = found;
        let mut file = disk.open(path)?;
        // What is left of a torn batch would be damage behind the next one.
        let torn = usize::try_from(end).map_err(io::Error::other)?..;
        bytes[torn].fill(b'\n');
        // All of it, not only what is new: after a sync that failed, the system
        // may show what it has given up to write, and would not try again.
        file.write_at(0, &bytes)?;
        file.sync()?;
        Ok(Self {
            identity: file.identity()?,
            file,
            end,
            length: bytes.len() as u64,
            batch: batches,
        })
    }

    /// Appends a batch: durable when this returns.
    ///
    /// # Errors
    /// Whatever the disk says. The batch may be durable or not; nothing may be
    /// appended behind it.
    pub fn append(&mut self, changes: Vec<Change>) -> io::Result<()> {
        self.add(changes, None)
    }

    /// Notes that all batches so far are in the `db.json` with this digest.
    ///
    /// # Errors
    /// As [`JournalWriter::append`].
    pub fn checkpoint(&mut self, digest: Digest) -> io::Result<()> {
        self.add(Vec::new(), Some(digest))
    }

    /// Which file it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// All that it holds is in `db.json`, which does not say so itself.
    pub fn saved(&mut self) {
        self.batch = 0;
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Batches written since the journal was created.
    pub fn batches(&self) -> u64 {
        self.batch
    }

    /// Bytes written since the journal was created.
    pub fn bytes(&self) -> u64 {
        self.end
    }

    fn add(&mut self, changes: Vec<Change>, checkpoint: Option<Digest>) -> io::Result<()> {
        self.batch += 1;
        let line = Line {
            batch: self.batch,
            changes,
            checkpoint,
        };
        let line = line_at(self.end, &line)?;
        let length = length_for(self.end + line.len() as u64);
        if length > self.length {
            self.fill(length)?;
            self.file.sync()?;
        }
        self.write(&line)
    }

    /// Fills the file with line feeds up to this length.
    fn fill(&mut self, length: u64) -> io::Result<()> {
        let bytes = usize::try_from(length - self.length).map_err(io::Error::other)?;
        self.file.write_at(self.length, &vec![b'\n'; bytes])?;
        self.length = length;
        Ok(())
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.file.write_at(self.end, line.as_bytes())?;
        self.file.sync()?;
        self.end += line.len() as u64;
        Ok(())
    }
}
