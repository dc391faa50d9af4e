//! The `db.json` that a writer replaces.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::journal::file::{
    disk::{Directory, Disk, DiskFile, Identity, Version},
    failure::{Failure, early, fatal, foreign},
    lock,
    paths::{journal_path, new_path},
};

/// A `db.json` that this process may write. A clone knows the same version.
#[derive(Clone)]
pub(crate) struct BaseFile {
    pub disk: Arc<dyn Disk>,
    pub path: PathBuf,
    /// Stays open: a sync of the directory must not fail for lack of a file descriptor.
    pub directory: Arc<dyn Directory>,
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
                    "was changed by someone else; restart this service: it serves the file as it \
                     is then, or says what to do if the journal holds writes that the file lacks"
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
        let remedy = "so that another process may write this collection; save what this service \
             answers, stop all that do, and start one";
        Err(foreign(path, format!("{what}, {remedy}")))
    }

    /// Renames the new file `db.json.new`, which is durable and has this version, to
    /// `db.json`. The name is not durable yet.
    ///
    /// # Errors
    /// As [`BaseFile::check`], and any error of the disk. `db.json` is then the old or
    /// the new file.
    pub fn install(&mut self, new: Version) -> Result<(), Failure> {
        self.check()?;
        let Self { disk, path, .. } = self;
        disk.rename(&new_path(path), path).map_err(fatal(path))?;
        self.version = Some(new);
        Ok(())
    }

    /// Renames the new journal `db.json.journal.new`, which is durable, to
    /// `db.json.journal`. The name is durable when this returns.
    ///
    /// # Errors
    /// Any error of the disk. The journal is then the old or the new one.
    pub fn install_journal(&self) -> Result<(), Failure> {
        let path = journal_path(&self.path);
        let renamed = self.disk.rename(&new_path(&path), &path);
        renamed.map_err(fatal(&path))?;
        self.sync_names()
    }

    /// Removes a new file of this process, unless its name leads to another by now. What
    /// cannot be removed is left to the next fold.
    pub fn discard(&self, new: &Path, file: &dyn DiskFile) {
        if let (Ok(own), Ok(Some(found))) = (file.identity(), self.disk.identity(new))
            && own == found
        {
            let _ = self.disk.remove(new);
        }
    }

    /// Makes the names in the directory durable.
    ///
    /// # Errors
    /// Any error of the disk.
    pub fn sync_names(&self) -> Result<(), Failure> {
        self.directory.sync().map_err(fatal(&self.path))
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
