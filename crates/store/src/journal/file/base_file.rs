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
    document::other_members::OtherMembers,
    journal::file::{
        append::JournalWriter,
        disk::{Directory, Disk, DiskFile, Identity, Version},
        failure::{Failure, early, fatal, foreign},
        lock,
        paths::{journal_path, new_path},
    },
    memory::state::State,
};

/// A `db.json` that this process may write.
pub(crate) struct BaseFile {
    pub disk: Arc<dyn Disk>,
    pub path: PathBuf,
    /// Stays open: a sync of the directory must not fail for lack of a file descriptor.
    pub directory: Box<dyn Directory>,
    /// The version that was last read or written; `None` while there is no file.
    pub version: Option<Version>,
    /// The path of the lock, and the identity of the file that was locked there.
    pub locked_file: Option<(PathBuf, Identity)>,
}

impl BaseFile {
    /// Checks that nobody else has changed or removed the file, and that this process
    /// still holds the right to write it.
    ///
    /// # Errors
    /// When either is not so, or the disk cannot tell.
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

    /// Takes the right to write again after the lock's file was removed. It is held as
    /// long as the returned file is open. `None` when there is a file of that name:
    /// another process may have created it and begun to write.
    ///
    /// # Errors
    /// Any error of the system.
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

    /// Checks that this process still holds the right to write. Another process can
    /// take the lock only after the lock's file was removed or replaced.
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

    /// Replaces `db.json` by a new file, which is durable when this returns. At every
    /// instant `db.json` is the complete old or new file. `journal`, if given, gets a
    /// checkpoint line first.
    ///
    /// # Errors
    /// Any error of the disk. `db.json` is then the old or the new file.
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
        // Read before the rename: after it, another program could replace the file,
        // and its version would be taken for this one.
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

    /// Replaces the journal by an empty one. `base` is the digest of this `db.json`.
    ///
    /// # Errors
    /// Any error of the disk. After an early failure the old journal may be appended
    /// to: its checkpoint line says which batches are in `db.json`.
    pub fn begin_journal(&self, collection: &str, base: Digest) -> Result<JournalWriter, Failure> {
        JournalWriter::create(&*self.disk, &*self.directory, &self.path, collection, base)
    }

    /// Bytes of `db.json`; 0 while there is no file.
    pub fn bytes(&self) -> u64 {
        self.version.map_or(0, |version| version.bytes)
    }
}

/// Makes `db.json` durable as it was read. A killed process, or a person who copied it
/// there, may have left it only in the system's cache.
///
/// # Errors
/// Any error of the disk.
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

/// Appends to a file and computes the digest of the bytes.
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
