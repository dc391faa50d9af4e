//! The lock that gives one process the right to write a `db.json`.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{
    error::OpenError,
    journal::file::{
        disk::{Identity, NO_LINK, directory_of},
        paths::lock_path,
    },
};

/// The right to write a `db.json`. One process has it, until it drops this value.
#[derive(Debug)]
pub struct WriteLock {
    path: PathBuf,
    /// The path of the file that is locked.
    at: PathBuf,
    identity: Identity,
    _file: File,
}

impl WriteLock {
    /// Takes the right to write the file at `path`, which need not exist yet.
    ///
    /// # Errors
    /// When another process has it, and when the file cannot be written or replaced.
    pub fn take(path: &Path) -> Result<Self, OpenError> {
        let path = real_path(path)?;
        // Not db.json itself: every fold replaces it with a new file.
        let at = lock_path(&path);
        let opened = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .custom_flags(NO_LINK)
            .open(&at);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                return Err(OpenError::ReadOnlyFileSystem { path });
            }
            Err(cause) => return Err(OpenError::Write { path: at, cause }),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path }),
            Err(TryLockError::Error(cause)) => return Err(OpenError::Write { path: at, cause }),
        }
        match file.metadata() {
            Ok(metadata) => Ok(Self {
                path,
                at,
                identity: Identity::of(&metadata),
                _file: file,
            }),
            Err(cause) => Err(OpenError::Write { path: at, cause }),
        }
    }

    /// The path and the identity of the file that is locked.
    pub(crate) fn file(&self) -> (PathBuf, Identity) {
        (self.at.clone(), self.identity)
    }

    /// The path of `db.json`, with symbolic links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Creates the lock's file again after it was removed, and locks it. `None` when another
/// process was faster.
///
/// # Errors
/// Any error of the system.
pub(crate) fn retake(at: &Path) -> io::Result<Option<(File, Identity)>> {
    let file = match OpenOptions::new().write(true).create_new(true).open(at) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(cause)) => return Err(cause),
    }
    let identity = Identity::of(&file.metadata()?);
    Ok(Some((file, identity)))
}

/// The path with symbolic links resolved: a fold must replace the file, not a link to it.
fn real_path(path: &Path) -> Result<PathBuf, OpenError> {
    let read = |cause| OpenError::Read {
        path: path.to_owned(),
        cause,
    };
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = directory_of(path).canonicalize().map_err(read)?;
            Ok(directory.join(path.file_name().ok_or(error).map_err(read)?))
        }
        found => found.map_err(read),
    }
}
