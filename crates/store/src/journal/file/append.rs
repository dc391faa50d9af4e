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

/// An open journal, to which batches are appended.
pub(crate) struct JournalWriter {
    file: Box<dyn DiskFile>,
    identity: Identity,
    /// Offset at which the next line is written.
    end: u64,
    /// Bytes of the file. All bytes behind `end` are line feeds.
    length: u64,
    /// Number of the last batch.
    batch: u64,
    /// Number of the last batch that `db.json` holds as well.
    saved: u64,
}

impl JournalWriter {
    /// Replaces the journal of the `db.json` at `base_path` by an empty one, which is
    /// durable when this returns.
    ///
    /// # Errors
    /// Any error of the disk. After an early failure the old journal is in place;
    /// after a final one, the old or the new.
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
            saved: 0,
        };
        let header = line_at(0, &Header::new(collection, base));
        let header = header.map_err(io::Error::from).map_err(early(&new))?;
        writer
            .fill(length_for(header.len() as u64))
            // The room needs no sync of its own here: no recovery reads the file
            // before it is renamed.
            .and_then(|()| writer.write(&header))
            .map_err(fatal(&new))?;
        disk.rename(&new, &path).map_err(fatal(&path))?;
        directory.sync().map_err(fatal(&path))?;
        Ok(writer)
    }

    /// Opens a journal that was read, to append to it. When this returns, its whole
    /// lines are durable and a torn line is overwritten.
    ///
    /// # Errors
    /// Any error of the disk.
    pub fn reopen(disk: &dyn Disk, path: &Path, found: RecoveredJournal) -> io::Result<Self> {
        let RecoveredJournal {
            end,
            mut bytes,
            batches,
            ..
        } = found;
        let mut file = disk.open(path)?;
        // Behind the next line, the rest of a torn line would be read as damage.
        let torn = usize::try_from(end).map_err(io::Error::other)?..;
        bytes[torn].fill(b'\n');
        // Writes the whole file, not only the changed part. After a failed sync, the
        // system may show bytes that are not on the disk, and not write them again.
        file.write_at(0, &bytes)?;
        file.sync()?;
        Ok(Self {
            identity: file.identity()?,
            file,
            end,
            length: bytes.len() as u64,
            batch: batches,
            saved: 0,
        })
    }

    /// Appends a batch, which is durable when this returns.
    ///
    /// # Errors
    /// Any error of the disk. It is then unknown whether the batch is durable, and
    /// nothing may be appended behind it.
    pub fn append(&mut self, changes: Vec<Change>) -> io::Result<()> {
        self.add(changes, None)
    }

    /// Appends a line that says: the `db.json` with this digest holds all batches so far.
    ///
    /// # Errors
    /// As [`JournalWriter::append`].
    pub fn checkpoint(&mut self, digest: Digest) -> io::Result<()> {
        self.add(Vec::new(), Some(digest))
    }

    /// The identity of the open file, whatever its name is now.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Notes that `db.json` holds all batches.
    pub fn saved(&mut self) {
        self.saved = self.batch;
    }

    /// Bytes of the file, with its room.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Batches and checkpoints that `db.json` does not hold.
    pub fn unsaved(&self) -> u64 {
        self.batch - self.saved
    }

    /// Bytes of all lines, without the room.
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
