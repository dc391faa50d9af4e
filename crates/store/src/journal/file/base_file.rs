//! The `db.json` that a writer replaces.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use common::Model;
use xxhash_rust::xxh3::Xxh3;

use crate::{
    digest::Digest,
    document::text::OtherMembers,
    journal::file::{
        append::JournalWriter,
        disk::{Directory, Disk, DiskFile, Identity, Version},
        failure::{Failure, early, fatal, foreign},
        lock,
        paths::{journal_path, new_path},
    },
    memory::state::State,
};

/// A `db.json`, as the one who may write it knows it.
pub(crate) struct BaseFile {
    pub disk: Arc<dyn Disk>,
    pub path: PathBuf,
    /// Open for good: syncing it must not depend on there being a descriptor.
    pub directory: Box<dyn Directory>,
    /// The file that was read or written; `None` while there is none.
    pub version: Option<Version>,
    /// The lock's file, and which one it was when it was locked.
    pub locked_file: Option<(PathBuf, Identity)>,
}

impl BaseFile {
    /// Whether the file is the one that is known, and the right to write it is still held.
    ///
    /// # Errors
    /// When it is not, and when the disk does not say.
    pub fn check(&self) -> Result<(), Failure> {
        let Self { disk, path, .. } = self;
        let version = disk.version(path).map_err(early(path))?;
        if version != self.version {
            let what = match version {
                None => {
                    "was removed; put it back, or save what this service answers before you stop it"
                }
                Some(_) => {
                    "was changed by someone else; restart this service to serve what it says now"
                }
            };
            return Err(foreign(path, what));
        }
        self.check_lock()
    }

    /// Takes the right to write again after the lock's file was removed, as long as the
    /// returned file is open. `None` when the file is still there or another one is: then
    /// another process may have begun to write.
    ///
    /// # Errors
    /// What the system said.
    pub fn retake_lock(&mut self) -> io::Result<Option<File>> {
        let Some((path, locked)) = &mut self.locked_file else {
            return Ok(None);
        };
        if self.disk.identity(path)?.is_some() {
            return Ok(None);
        }
        let retaken = lock::retake(path)?;
        if let Some((_, identity)) = &retaken {
            *locked = *identity;
        }
        Ok(retaken.map(|(file, _)| file))
    }

    /// Whether the right to write is still held. Whoever takes it without that
    /// the lock was released has removed or replaced its file first.
    ///
    /// # Errors
    /// As [`BaseFile::check`].
    pub fn check_lock(&self) -> Result<(), Failure> {
        let Some((path, locked)) = &self.locked_file else {
            return Ok(());
        };
        let what = match self.disk.identity(path).map_err(early(path))? {
            Some(found) if found == *locked => return Ok(()),
            Some(_) => "was replaced",
            None => "was removed",
        };
        let remedy = "so that another process may write this collection; \
             stop all that do, and start one";
        Err(foreign(path, format!("{what}, {remedy}")))
    }

    /// Writes `db.json` anew: durable when this returns, and whole at every
    /// instant before. `journal`, if there is one, learns of it first.
    ///
    /// # Errors
    /// Whatever the disk says. `db.json` is then the old or the new one.
    pub fn replace<M: Model>(
        &mut self,
        state: &State<M>,
        other_members: &OtherMembers,
        journal: Option<&mut JournalWriter>,
    ) -> Result<Digest, Failure> {
        let Self { disk, path, .. } = self;
        let new = new_path(path);
        let mut out = BufWriter::with_capacity(
            256 * 1024,
            Appender {
                file: disk.create(&new, path).map_err(early(&new))?,
                offset: 0,
                digest: Xxh3::new(),
            },
        );
        other_members
            .write(state, &mut out)
            .and_then(|()| out.flush())
            .map_err(fatal(&new))?;
        let Appender {
            mut file, digest, ..
        } = out.into_parts().0;
        file.sync().map_err(fatal(&new))?;
        let digest = Digest::from(digest.digest128());
        // Asked before the new file gets the name db.json. Afterwards somebody else
        // could have replaced it, and their version would be taken for ours.
        let version = disk.version(&new).map_err(early(&new))?;
        if let Some(journal) = journal {
            let at = journal_path(path);
            journal.checkpoint(digest).map_err(fatal(&at))?;
        }
        self.check()?;
        let Self { disk, path, .. } = self;
        disk.rename(&new, path).map_err(fatal(path))?;
        self.directory.sync().map_err(fatal(path))?;
        self.version = version;
        Ok(digest)
    }

    /// Puts an empty journal in the place of the one there is. `base` is the
    /// digest of this `db.json`.
    ///
    /// # Errors
    /// Whatever the disk says. After an early failure the journal that there was
    /// may be written on: it says what of it is in `db.json`.
    pub fn begin_journal(&self, collection: &str, base: Digest) -> Result<JournalWriter, Failure> {
        JournalWriter::create(&*self.disk, &*self.directory, &self.path, collection, base)
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.version.map_or(0, |version| version.bytes)
    }
}

/// Makes durable what was read: it may only be in the system's memory, where a
/// process that was killed, or the one who put the file there, has left it.
///
/// # Errors
/// What the disk says.
pub(crate) fn sync_what_was_read(
    disk: &dyn Disk,
    path: &Path,
    directory: &dyn Directory,
    exists: bool,
) -> Result<(), Failure> {
    if exists {
        disk.sync(path).map_err(fatal(path))?;
    }
    directory.sync().map_err(fatal(path))
}

/// Appends to a file of the disk, and digests what it appends.
struct Appender {
    file: Box<dyn DiskFile>,
    offset: u64,
    digest: Xxh3,
}

impl Write for Appender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.offset, bytes)?;
        self.offset += bytes.len() as u64;
        self.digest.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
