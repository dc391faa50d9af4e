//! Why a collection cannot be opened.

use std::{
    io,
    path::{Path, PathBuf},
};

use common::MemberError;

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
    /// The file itself is a mount point, so that no new one can take its name.
    #[error("{} is mounted as a single file and cannot be replaced; mount its directory instead, and name the file there with --db or DB_PATH", .path.display())]
    SingleFileMount {
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
    /// The service's own model is at odds with itself: no file is to blame.
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
        /// Bytes of its records, or of the whole file.
        bytes: u64,
        /// Bytes that its records may have.
        bytes_max: u64,
    },
    /// The file is not a collection of the model's records.
    #[error("{}, {fault}; mend the file and start again", .path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        fault: DocumentError,
    },
}

/// What is wrong with a journal, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {detail}")]
pub struct JournalError {
    /// Offset of the line, in bytes from the beginning of the file.
    pub offset: usize,
    /// What is wrong there.
    pub detail: String,
    /// Bytes that the file had before its end was cut off; `None` when it was not.
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

/// What else there is to do about a damaged journal.
fn ways_out(path: &Path, error: &JournalError) -> String {
    let path = path.display();
    match error.cut_from {
        Some(bytes) => {
            format!("to go on without what was cut off, fill it up: truncate -s {bytes} '{path}'")
        }
        None => format!("to lose what it holds, move it away: mv '{path}' '{path}.damaged'"),
    }
}

/// The collection cannot be read now. Try again.
///
/// A `db.json` is served from memory, and every read of it succeeds: this is for a
/// collection that is kept somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the collection cannot be read now")]
pub struct ReadError;

/// Why a write was not done. The collection is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// There is no such record.
    #[error("the record does not exist")]
    NotFound,
    /// The record is not the one that the precondition names.
    #[error("the record is not, or no longer, as the precondition says")]
    PreconditionFailed,
    /// Another record has this unique member.
    #[error("record {holder} has this {member} already")]
    Conflict {
        /// The member.
        member: &'static str,
        /// The other record's id.
        holder: u64,
    },
    /// The words make no record.
    #[error("the members make no record")]
    Invalid(Vec<MemberError>),
    /// Every id has been given.
    #[error("all ids have been given")]
    NoMoreIds,
    /// A start would not read what this write makes: a fault of the service.
    /// Only this write is refused.
    #[error("the record could not be read back: {0}")]
    Unreadable(String),
    /// The collection would become larger than the operator allows.
    #[error("the collection may have {bytes_max} bytes")]
    Full {
        /// Bytes that the list of all records may have.
        bytes_max: u64,
    },
    /// The disk could not be written for the moment, and nothing was. Try again.
    #[error("the store cannot write now")]
    PutOff,
    /// The disk failed in the middle of this write: the next start finds it done
    /// or not, and no other is taken until then.
    #[error("the disk failed, and the write may be done or not")]
    InDoubt,
    /// The disk failed before, or one of the store's files was changed by someone
    /// else: no write is taken until the next start. Reads go on.
    #[error("the store refuses writes until it is started again")]
    Refused,
}

impl From<Vec<MemberError>> for WriteError {
    fn from(errors: Vec<MemberError>) -> Self {
        Self::Invalid(errors)
    }
}

/// What is wrong with the text of a `db.json`, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {detail}")]
pub struct DocumentError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there, and what was expected.
    pub detail: String,
}

impl DocumentError {
    /// What is wrong at this byte of the text.
    #[must_use]
    pub fn at(text: &[u8], offset: usize, detail: impl Into<String>) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        Self {
            line: before.split(|byte| *byte == b'\n').count(),
            column: String::from_utf8_lossy(&before[line_start..])
                .chars()
                .count()
                + 1,
            detail: detail.into(),
        }
    }

    /// What `serde_json` found in `text[start..]`.
    #[must_use]
    pub fn json(text: &[u8], start: usize, error: &serde_json::Error) -> Self {
        let lines = text[start..].split_inclusive(|byte| *byte == b'\n');
        let line_start: usize = lines
            .take(error.line().saturating_sub(1))
            .map(<[u8]>::len)
            .sum();
        // serde_json counts the bytes that it has read of the line.
        let offset = start + line_start + error.column().saturating_sub(1);
        Self::at(text, offset, json_detail(error))
    }
}

/// `serde_json`'s message without the position that it ends with.
pub(crate) fn json_detail(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(end) if error.line() > 0 => message[..end].to_owned(),
        _ => message,
    }
}
