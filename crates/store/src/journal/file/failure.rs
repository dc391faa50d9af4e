//! What a failure of the disk means for the writes to come.

use std::{io, path::Path};

use crate::journal::file::recovery::about;

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
    let about = about(path);
    move |error| Failure::Early(about(error))
}

/// A final failure, with the file it was about.
pub(crate) fn fatal(path: &Path) -> impl Fn(io::Error) -> Failure {
    let about = about(path);
    move |error| Failure::Final(about(error))
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
