//! Reads the files and yields the collection as of the last acknowledged write.

use std::{
    io::{self, Read},
    path::Path,
};

use common::Model;

use crate::{
    bound,
    digest::Digest,
    document::{
        coherence,
        load::{Document, check_unique},
        record,
        source::Unread,
    },
    error::{JournalError, OpenError},
    journal::file::{
        disk::{Disk, Version},
        format::{Entry, JournalContents},
        paths::journal_path,
    },
    write::{Changes, JournalChange},
};

/// The result of reading `db.json` and its journal.
pub(crate) struct Recovered<M> {
    /// The collection: `db.json` with the changes of the journal.
    pub document: Document<M>,
    /// The `db.json`; `None` when there is none.
    pub base: Option<RecoveredBase>,
    /// The journal, if there is one and it belongs to this `db.json`.
    pub journal: Option<RecoveredJournal>,
    /// Whether `db.json` was replaced or changed while the two files were read.
    pub disturbed: bool,
}

/// The `db.json` that was read.
pub(crate) struct RecoveredBase {
    pub digest: Digest,
    pub version: Option<Version>,
    /// Records in it.
    pub records: usize,
}

/// The journal that was read.
pub(crate) struct RecoveredJournal {
    /// Batches and checkpoints in it.
    pub lines: u64,
    /// Changes that `db.json` does not hold yet.
    pub changes: usize,
    /// Offset of the end of the last whole line.
    pub end: u64,
    /// Bytes of a torn line behind `end`. Its batch was never acknowledged.
    pub torn_bytes: usize,
    /// The whole file.
    pub bytes: Vec<u8>,
}

/// How many times a reader without the lock reads the files at most, if a writer keeps
/// changing them.
const ATTEMPTS: usize = 5;

/// Recovers without the lock. Reads the files again if a writer changed them meanwhile.
///
/// # Errors
/// As [`recover`]; when there is no `db.json`; and when it has more than `bytes_max`
/// bytes of records.
pub(crate) fn recover_unlocked<M: Model>(
    disk: &dyn Disk,
    path: &Path,
    bytes_max: u64,
) -> Result<(Recovered<M>, RecoveredBase), OpenError> {
    bound::check_file(path, bytes_max)?;
    for attempt in 1.. {
        let last = attempt == ATTEMPTS;
        match recover::<M>(disk, path) {
            Ok(recovered) if recovered.disturbed && !last => {}
            // The file may have been read while a writer was writing it.
            Err(OpenError::ForeignJournal { .. } | OpenError::Journal { .. }) if !last => {}
            Err(error) => return Err(error),
            Ok(mut recovered) => {
                let missing = || OpenError::Missing {
                    path: path.to_owned(),
                };
                let base = recovered.base.take().ok_or_else(missing)?;
                bound::check(path, &recovered.document.state, bytes_max)?;
                return Ok((recovered, base));
            }
        }
    }
    unreachable!("the last attempt returns")
}

/// Loads `db.json` and replays its journal in memory. Changes nothing on disk.
///
/// # Errors
/// When a file cannot be read or is damaged, or the journal belongs to another `db.json`.
pub(crate) fn recover<M: Model>(disk: &dyn Disk, path: &Path) -> Result<Recovered<M>, OpenError> {
    coherence::check::<M>()?;
    let version = disk.version(path).map_err(cannot_read(path))?;
    let (document, digest) = read_base(disk, path)?;
    let base = digest.map(|digest| RecoveredBase {
        digest,
        version,
        records: document.state.summary.count,
    });
    let journal_path = journal_path(path);
    let journal = read_journal::<M>(disk, &journal_path)?;
    let mut recovered = Recovered {
        document,
        base,
        journal: None,
        disturbed: disk.version(path).map_err(cannot_read(path))? != version,
    };
    let Some((journal, bytes)) = journal else {
        return Ok(recovered);
    };
    let Some(skip) = journal.contained_in(digest) else {
        if journal.has_changes() {
            return Err(OpenError::ForeignJournal {
                path: path.to_owned(),
                journal: journal_path,
            });
        }
        // The journal has no changes that could be lost: db.json was edited or restored after
        // a clean stop.
        return Ok(recovered);
    };
    let (lines, end, torn_bytes) = (
        journal.entries.len() as u64,
        journal.end,
        journal.torn_bytes,
    );
    let entries = journal.entries.into_iter().skip(skip);
    let changes = replay(&mut recovered.document, entries).map_err(damaged(&journal_path))?;
    recovered.journal = Some(RecoveredJournal {
        lines,
        changes,
        end,
        torn_bytes,
        bytes,
    });
    Ok(recovered)
}

fn cannot_read(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    |cause| OpenError::Read { path, cause }
}

fn damaged(path: &Path) -> impl FnOnce(JournalError) -> OpenError {
    let path = path.to_owned();
    |error| OpenError::Journal { path, error }
}

/// Reads `db.json`, and computes its digest; `None` when there is no such file.
fn read_base<M: Model>(
    disk: &dyn Disk,
    path: &Path,
) -> Result<(Document<M>, Option<Digest>), OpenError> {
    let Some(file) = disk.reader(path).map_err(cannot_read(path))? else {
        return Ok((Document::empty(), None));
    };
    let (document, digest) = Document::read(file).map_err(|why| match why {
        Unread::Io(cause) => cannot_read(path)(cause),
        Unread::Fault(fault) => OpenError::Document {
            path: path.to_owned(),
            fault,
        },
    })?;
    Ok((document, Some(digest)))
}

/// Reads the journal at `path`, if there is one. Returns the bytes of the file as well.
fn read_journal<M: Model>(
    disk: &dyn Disk,
    path: &Path,
) -> Result<Option<(JournalContents, Vec<u8>)>, OpenError> {
    let Some(mut file) = disk.reader(path).map_err(cannot_read(path))? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(cannot_read(path))?;
    let journal = JournalContents::parse(&bytes, M::COLLECTION).map_err(damaged(path))?;
    Ok(Some((journal, bytes)))
}

/// Applies the changes of these entries. Returns how many there were.
fn replay<M: Model>(
    document: &mut Document<M>,
    entries: impl Iterator<Item = Entry>,
) -> Result<usize, JournalError> {
    let mut count = 0;
    for entry in entries {
        if let Entry::Changes { offset, changes } = entry {
            count += changes.records.len().max(changes.keys.remember.len());
            apply(document, changes).map_err(|detail| JournalError::new(offset, detail))?;
        }
    }
    Ok(count)
}

impl JournalContents {
    /// How many entries the `db.json` with this digest already holds; `None` when the
    /// journal belongs to another file.
    fn contained_in(&self, digest: Option<Digest>) -> Option<usize> {
        let digest = digest?;
        let checkpoint = |entry: &Entry| matches!(entry, Entry::Checkpoint(of) if *of == digest);
        match self.entries.iter().rposition(checkpoint) {
            Some(last) => Some(last + 1),
            None => (self.base == digest).then_some(0),
        }
    }

    fn has_changes(&self) -> bool {
        let changes = |entry: &Entry| matches!(entry, Entry::Changes { .. });
        self.entries.iter().any(changes)
    }
}

/// Applies the changes of a batch in the journal. The changed records must be ones that
/// `db.json` may hold, since the next start reads them from there.
///
/// # Errors
/// What is wrong with a record.
pub(crate) fn apply<M: Model>(document: &mut Document<M>, changes: Changes) -> Result<(), String> {
    for change in changes.records {
        apply_to_record(document, change)?;
    }
    document.state.apply_keys(&changes.keys);
    Ok(())
}

fn apply_to_record<M: Model>(
    document: &mut Document<M>,
    change: JournalChange,
) -> Result<(), String> {
    match change {
        JournalChange::Delete(id) => document.state.remove(id),
        JournalChange::Put(json) => {
            let mut compact = Vec::new();
            let record = record::read::<M>(json.get(), &mut compact)
                .map_err(|fault| fault.of_record::<M>(json.get()))?;
            let Some(id) = record.id() else {
                return Err(format!("expected a {} with an id", M::SINGULAR));
            };
            check_unique(&document.state, id.get(), &record)
                .map_err(|expected| format!("{} {id}: {expected}", M::SINGULAR))?;
            document.state.put(id.get(), compact.into(), record);
        }
    }
    Ok(())
}
