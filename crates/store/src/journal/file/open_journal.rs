//! An open journal, to which lines are appended.

use std::{io, path::Path, sync::Arc};

use crate::{
    digest::Digest,
    journal::file::{
        disk::{Disk, DiskFile, Identity},
        format::{Header, Line, filling_line_at, length_for, lies_in_a_sector, line_at},
        recovery::RecoveredJournal,
    },
    write::Changes,
};

/// An open journal, to which batches are appended.
pub(crate) struct OpenJournal {
    file: Arc<dyn DiskFile>,
    identity: Identity,
    /// Offset at which the next line is written.
    end: u64,
    /// Bytes of the file. All bytes behind `end` are line feeds.
    length: u64,
    /// Number of the last line.
    last: u64,
    /// Batches that are not in `db.json`.
    unfolded: u64,
}

/// A checkpoint line of a digest that no file has, until [`OpenJournal::note`] writes
/// the digest of a `db.json` into it.
#[derive(Debug)]
pub(crate) struct Reserved {
    /// Where the line begins.
    offset: u64,
    /// Where it ends.
    end: u64,
    /// Number of the line.
    number: u64,
    /// Batches before it that were not in `db.json`.
    unfolded: u64,
}

impl Reserved {
    /// Where the next line begins.
    pub fn end(&self) -> u64 {
        self.end
    }
}

impl OpenJournal {
    /// Creates an empty file at `path`, for a journal of the `db.json` at `base_path`.
    ///
    /// # Errors
    /// Any error of the disk.
    pub fn create(disk: &dyn Disk, path: &Path, base_path: &Path) -> io::Result<Self> {
        let file = disk.create(path, base_path)?;
        Ok(Self {
            identity: file.identity()?,
            file: file.into(),
            end: 0,
            length: 0,
            last: 0,
            unfolded: 0,
        })
    }

    /// Writes the header into an empty file. It is not durable yet: a start reads the file
    /// only once it is renamed.
    ///
    /// # Errors
    /// Any error of the disk.
    pub fn begin_unsynced(&mut self, collection: &str, base: Digest) -> io::Result<()> {
        self.add_unsynced(&line_at(0, &Header::new(collection, base))?)
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
            lines,
            ..
        } = found;
        let file = disk.open(path)?;
        // Behind the next line, the rest of a torn line would be read as damage.
        let torn = usize::try_from(end).map_err(io::Error::other)?..;
        bytes[torn].fill(b'\n');
        // Writes the whole file, not only the changed part. After a failed sync, the
        // system may show bytes that are not on the disk, and not write them again.
        file.write_at(0, &bytes)?;
        file.sync()?;
        Ok(Self {
            identity: file.identity()?,
            file: file.into(),
            end,
            length: bytes.len() as u64,
            last: lines,
            unfolded: 0,
        })
    }

    /// Appends a batch, which is durable when this returns.
    ///
    /// # Errors
    /// Any error of the disk. It is then unknown whether the batch is durable, and
    /// nothing may be appended behind it.
    pub fn append(&mut self, changes: Changes) -> io::Result<()> {
        let line = self.batch(changes)?;
        self.add(&line)?;
        self.unfolded += 1;
        Ok(())
    }

    /// Appends a batch that is not durable yet: for a journal that no start reads so far.
    ///
    /// # Errors
    /// Any error of the disk.
    pub fn append_unsynced(&mut self, changes: Changes) -> io::Result<()> {
        let line = self.batch(changes)?;
        self.add_unsynced(&line)?;
        self.unfolded += 1;
        Ok(())
    }

    /// Appends a line that can say later which `db.json` holds all batches before it.
    /// It lies in one sector, so that overwriting it leaves the old or the new line.
    ///
    /// # Errors
    /// As [`OpenJournal::append`].
    pub fn reserve(&mut self) -> io::Result<Reserved> {
        let nothing = |number| Line::checkpoint(number, Digest::default());
        if !lies_in_a_sector(self.end, &line_at(self.end, &nothing(self.last + 1))?) {
            // Its own sync: only the last line may be torn.
            self.last += 1;
            self.add(&filling_line_at(self.end, &nothing(self.last))?)?;
        }
        self.last += 1;
        let line = line_at(self.end, &nothing(self.last))?;
        let offset = self.end;
        self.add(&line)?;
        Ok(Reserved {
            offset,
            end: self.end,
            number: self.last,
            unfolded: self.unfolded,
        })
    }

    /// Makes the reserved line say that the `db.json` with this digest holds all batches
    /// before it. This is durable when this returns.
    ///
    /// # Errors
    /// Any error of the disk. Nothing may be appended then.
    pub fn note(&self, reserved: &Reserved, digest: Digest) -> io::Result<()> {
        let line = Line::checkpoint(reserved.number, digest);
        let line = line_at(reserved.offset, &line)?;
        self.file.write_at(reserved.offset, line.as_bytes())?;
        self.file.sync()
    }

    /// Notes that `db.json` is now a file that holds all batches before the reserved line.
    pub fn folded(&mut self, reserved: &Reserved) {
        self.unfolded -= reserved.unfolded;
    }

    /// Notes that `db.json` holds all batches. The journal cannot say so itself: it has
    /// been removed.
    pub fn saved(&mut self) {
        self.unfolded = 0;
    }

    /// Makes all lines durable.
    ///
    /// # Errors
    /// Any error of the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    /// The open file, whatever its name is now.
    pub fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    /// The identity of the open file, whatever its name is now.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Bytes of the file, with its room.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Batches that are not in `db.json`.
    pub fn unfolded(&self) -> u64 {
        self.unfolded
    }

    /// Bytes of all lines, without the room.
    pub fn bytes(&self) -> u64 {
        self.end
    }

    /// The line of the next batch.
    fn batch(&mut self, changes: Changes) -> io::Result<String> {
        self.last += 1;
        Ok(line_at(self.end, &Line::changes(self.last, changes))?)
    }

    fn add(&mut self, line: &str) -> io::Result<()> {
        if self.make_room(line)? {
            self.file.sync()?;
        }
        self.write(line)?;
        self.file.sync()
    }

    /// No sync of the room either: no recovery reads the file before it is renamed.
    fn add_unsynced(&mut self, line: &str) -> io::Result<()> {
        self.make_room(line)?;
        self.write(line)
    }

    /// Fills the file with line feeds as far as it must be when this line is its last.
    /// Returns whether that was necessary.
    fn make_room(&mut self, line: &str) -> io::Result<bool> {
        let length = length_for(self.end + line.len() as u64);
        let missing = length.saturating_sub(self.length);
        if missing > 0 {
            let bytes = usize::try_from(missing).map_err(io::Error::other)?;
            self.file.write_at(self.length, &vec![b'\n'; bytes])?;
            self.length = length;
        }
        Ok(missing > 0)
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.file.write_at(self.end, line.as_bytes())?;
        self.end += line.len() as u64;
        Ok(())
    }
}
