//! Errors of opening, reading and writing a collection.

use std::{
    io,
    path::{Path, PathBuf},
};

use common::MemberError;

use crate::{author::NotAllowed, json::JsonError};

/// Why a collection cannot be opened. Nothing on disk was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such file.
    #[error("{} does not exist; name the file with --db or DB_PATH", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {cause}; let this user read it, or name another file with --db or DB_PATH", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The journal is damaged.
    #[error("{path}, {error}; restore it and the file it belongs to from a backup, or, {}", ways_out(.path, .error), path = .path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong, and where.
        error: JournalError,
    },
    /// The journal holds changes to another `db.json`.
    #[error("{} is not the file that {journal} belongs to; put that file back, or, to go on with this one and lose what the journal holds, move it away: mv '{journal}' '{journal}.old'", .path.display(), journal = .journal.display())]
    ForeignJournal {
        /// The `db.json`.
        path: PathBuf,
        /// The journal.
        journal: PathBuf,
    },
    /// Another process writes this file.
    #[error("another process writes {}; stop it, or start this one without a write token to read alone", .path.display())]
    Locked {
        /// The `db.json`.
        path: PathBuf,
    },
    /// The file is on a file system that cannot be written.
    #[error("{} is on a read-only file system", .path.display())]
    ReadOnlyFileSystem {
        /// The `db.json`.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {cause}; give this user the directory, or start without a write token to read alone", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The parts of the service's own model disagree. The file is not the cause.
    #[error(
        "the model of {collection} disagrees with itself: {detail}; this is a fault of the service, which must be built anew"
    )]
    Model {
        /// The collection.
        collection: &'static str,
        /// Which member, and how.
        detail: String,
    },
    /// The collection is larger than the operator allows.
    #[error("{} has {bytes} bytes, which is too much for the {bytes_max} bytes of records that --max-collection-bytes or MAX_COLLECTION_BYTES allows; give the service six times as much memory, or raise the setting", .path.display())]
    TooLarge {
        /// The `db.json`.
        path: PathBuf,
        /// Bytes of the JSON list of its records, or of the whole file.
        bytes: u64,
        /// The largest size in bytes that the list may have.
        bytes_max: u64,
    },
    /// The file is not a collection of the model's records.
    #[error("{}, {fault}; mend the file and start again", .path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        fault: JsonError,
    },
}

/// What is wrong with a journal, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {detail}")]
pub struct JournalError {
    /// Offset of the damaged line in the file, in bytes.
    pub offset: usize,
    /// What is wrong there.
    pub detail: String,
    /// How many bytes the file had, at least, before its end was cut off; `None` if it was
    /// not.
    pub cut_from: Option<u64>,
}

impl JournalError {
    pub(crate) fn new(offset: usize, detail: impl Into<String>) -> Self {
        Self {
            offset,
            detail: detail.into(),
            cut_from: None,
        }
    }
}

/// What to do about a damaged journal if there is no backup.
fn ways_out(path: &Path, error: &JournalError) -> String {
    let path = path.display();
    match error.cut_from {
        Some(bytes) => {
            format!("to go on without what was cut off, fill it up: truncate -s {bytes} '{path}'")
        }
        None => format!("to lose what it holds, move it away: mv '{path}' '{path}.damaged'"),
    }
}

/// The store is closed, but `db.json` alone is no complete backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CloseError(String);

impl CloseError {
    /// The journal could not be folded into the `db.json` at `path`; `cause` says why.
    pub(crate) fn unfolded(path: &Path, journal: &Path, cause: Option<&String>) -> Self {
        let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
        let (path, journal) = (path.display(), journal.display());
        Self(format!(
            "{path} alone is no complete backup, keep {journal} beside it: the journal could not \
             be folded into it{cause}"
        ))
    }

    /// The journal was removed or replaced, and these batches could not be saved.
    pub(crate) fn lost(journal: &Path, batches: u64, cause: &io::Error) -> Self {
        Self(format!(
            "{} is no longer this service's file, and the {batches} batches that it held are \
             lost: {cause}",
            journal.display()
        ))
    }

    /// Another file has the journal's name. `db.json` holds all batches.
    pub(crate) fn replaced(journal: &Path) -> Self {
        let journal = journal.display();
        Self(format!(
            "{journal} was replaced by someone else; db.json holds all that it did; move the file \
             that is there now away before the next start"
        ))
    }

    /// The writer has ended by a fault of its own.
    pub(crate) fn ended() -> Self {
        Self("the writer has ended; keep the journal beside db.json".to_owned())
    }
}

/// The collection cannot be read now. Try again.
///
/// A `db.json` is served from memory, so every read succeeds. This error is for a collection
/// that is kept in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the collection cannot be read now")]
pub struct ReadError;

/// Why a write was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// There is no such record.
    #[error("the record does not exist")]
    NotFound,
    /// The author may not do this.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The record does not meet the precondition.
    #[error("the record is not, or no longer, as the precondition says")]
    PreconditionFailed,
    /// Another record has the same value in a unique member.
    #[error("record {holder} has this {member} already")]
    Conflict {
        /// The member.
        member: &'static str,
        /// The other record's id.
        holder: u64,
    },
    /// The author has used the key for a request with another body.
    #[error("the key was used for another request, which made record {id}")]
    KeyReused {
        /// The record that the request with the key made.
        id: u64,
    },
    /// An earlier request with the key made a record that has been deleted since.
    #[error("record {id}, which the request with this key made, has been deleted")]
    MadeAndDeleted {
        /// The record's id.
        id: u64,
    },
    /// The client's members do not make a valid record.
    #[error("the members make no record")]
    Invalid(Vec<MemberError>),
    /// The highest id has been given.
    #[error("all ids have been given")]
    NoMoreIds,
    /// A start could not read the new record back. This is a bug of the service. Only this
    /// write is refused.
    #[error("the record could not be read back: {0}")]
    Unreadable(String),
    /// The collection would become larger than the operator allows.
    #[error("the collection may have {bytes_max} bytes")]
    Full {
        /// The largest size in bytes that the list of all records may have.
        bytes_max: u64,
    },
    /// The disk cannot be written at the moment. Nothing was written. Try again.
    #[error("the store cannot write now")]
    PutOff,
    /// The disk failed during this write. The next start finds it done or not done, and all
    /// writes are refused until then.
    #[error("the disk failed, and the write may be done or not")]
    InDoubt,
    /// The disk failed earlier, or someone else changed one of the store's files. All writes
    /// are refused until the next start. Reads continue.
    #[error("the store refuses writes until it is started again")]
    Refused,
}

impl From<Vec<MemberError>> for WriteError {
    fn from(errors: Vec<MemberError>) -> Self {
        Self::Invalid(errors)
    }
}
