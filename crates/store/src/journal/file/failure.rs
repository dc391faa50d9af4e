//! Failures of the disk, by what they mean for later writes.

use std::{io, path::Path};

/// A failed write to the disk.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It failed before it changed anything that a start would read, for example for
    /// lack of a file descriptor. The state of the disk is known, and the write may be
    /// tried again.
    Early(io::Error),
    /// It is unknown what the disk holds until a start reads it again, or the files
    /// now belong to another process. Nothing more may be written.
    Final(io::Error),
}

/// Makes an error an early failure, and adds the file's path.
pub(crate) fn early(path: &Path) -> impl Fn(io::Error) -> Failure {
    let with_path = with_path(path);
    move |error| Failure::Early(with_path(error))
}

/// Makes an error a final failure, and adds the file's path.
pub(crate) fn fatal(path: &Path) -> impl Fn(io::Error) -> Failure {
    let with_path = with_path(path);
    move |error| Failure::Final(with_path(error))
}

/// A final failure because the file is no longer this writer's. `what` says what was
/// seen and what to do.
pub(crate) fn foreign(path: &Path, what: impl Into<String>) -> Failure {
    fatal(path)(io::Error::other(what.into()))
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Early(error) | Failure::Final(error) => error,
        }
    }
}

/// Adds the file's path to an error of the disk.
pub(crate) fn with_path(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Whether the disk, or the user's share of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
