//! What a failure of the disk means for the writes to come.

use std::{io, path::Path};

/// Why something was not written.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Before anything was changed that a start would read, as for want of a
    /// descriptor: nothing is in doubt, and it may be tried again.
    Early(io::Error),
    /// Nobody knows what the disk holds until it is read again, or it is
    /// somebody else's: nothing may be written any more.
    Final(io::Error),
}

/// An early failure, with the file it was about.
pub(crate) fn early(path: &Path) -> impl Fn(io::Error) -> Failure {
    let with_path = with_path(path);
    move |error| Failure::Early(with_path(error))
}

/// A final failure, with the file it was about.
pub(crate) fn fatal(path: &Path) -> impl Fn(io::Error) -> Failure {
    let with_path = with_path(path);
    move |error| Failure::Final(with_path(error))
}

/// The file is not this writer's any more; `what` says what was seen, and the remedy.
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

/// An error of the disk, with the file that it is about.
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
