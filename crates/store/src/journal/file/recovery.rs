//! From the files to the collection as it was at the last acknowledged write.

use std::{
    io,
    path::{Path, PathBuf},
};

use common::Model;

use crate::{
    bound,
    digest::Digest,
    document::{
        coherence, record,
        text::{Document, check_unique},
    },
    error::{JournalError, OpenError},
    journal::file::{
        disk::{Disk, Version},
        entry::{Batch, Journal},
    },
    write::Change,
};

/// What the files say.
pub(crate) struct Recovered<M> {
    /// The collection with all that the journal adds to `db.json`.
    pub document: Document<M>,
    /// The `db.json`; `None` when there is none.
    pub base: Option<Base>,
    /// The journal of this `db.json`, if there is one.
    pub journal: Option<Found>,
    /// Whether `db.json` was replaced or changed while the two were read.
    pub disturbed: bool,
}

/// The `db.json` that was read.
pub(crate) struct Base {
    pub digest: Digest,
    pub version: Option<Version>,
    /// Records in it.
    pub records: usize,
}

/// The journal that was read.
pub(crate) struct Found {
    /// Batches in it, checkpoints included.
    pub batches: u64,
    /// Writes that `db.json` does not hold yet.
    pub changes: usize,
    /// Where its last whole line ends.
    pub end: u64,
    /// Bytes behind that, of a batch that was never acknowledged.
    pub torn_bytes: usize,
    /// The whole file.
    pub bytes: Vec<u8>,
}

/// The file beside `db.json` whose name has this ending.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Where the journal of the `db.json` at `path` is.
pub(crate) fn journal_path(path: &Path) -> PathBuf {
    beside(path, ".journal")
}

/// How often a reader looks again when a writer changed the files between two looks.
const LOOKS: usize = 5;

/// What the files say, for one who has no right to keep others from writing them.
///
/// # Errors
/// As [`recover`]; when there is no `db.json`; and when it has more than `bytes_max`
/// bytes of records.
pub(crate) fn look<M: Model>(
    disk: &dyn Disk,
    path: &Path,
    bytes_max: u64,
) -> Result<(Recovered<M>, Base), OpenError> {
    bound::check_file(path, bytes_max)?;
    for looks in 1.. {
        let last = looks == LOOKS;
        match recover::<M>(disk, path) {
            Ok(recovered) if recovered.disturbed && !last => {}
            // Half of what a writer was writing.
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
    unreachable!("the last look returns")
}

/// Loads `db.json` and replays its journal in memory. Changes nothing on disk.
///
/// # Errors
/// When a file cannot be read, is damaged, or the two do not belong together.
pub(crate) fn recover<M: Model>(disk: &dyn Disk, path: &Path) -> Result<Recovered<M>, OpenError> {
    coherence::check::<M>()?;
    let read = |path: &Path| {
        let read = disk.read(path);
        read.map_err(|cause| OpenError::Read {
            path: path.to_owned(),
            cause,
        })
    };
    let cannot_read = |cause| OpenError::Read {
        path: path.to_owned(),
        cause,
    };
    let version = disk.version(path).map_err(cannot_read)?;
    let bytes = read(path)?;
    let document = match &bytes {
        Some(bytes) => Document::parse(bytes).map_err(|fault| OpenError::Document {
            path: path.to_owned(),
            fault,
        })?,
        None => Document::empty(),
    };
    let records = document.state.summary.count;
    let base = bytes.map(|bytes| Base {
        digest: Digest::of(&bytes),
        version,
        records,
    });
    let journal_path = journal_path(path);
    let damaged = |error| OpenError::Journal {
        path: journal_path.clone(),
        error,
    };
    let journal = match read(&journal_path)? {
        Some(bytes) => {
            let journal = Journal::parse(&bytes, M::COLLECTION).map_err(damaged)?;
            Some((journal, bytes))
        }
        None => None,
    };
    let mut recovered = Recovered {
        document,
        base,
        journal: None,
        disturbed: disk.version(path).map_err(cannot_read)? != version,
    };
    let Some((journal, bytes)) = journal else {
        return Ok(recovered);
    };
    let Some(skip) = journal.contained_in(recovered.base.as_ref().map(|base| base.digest)) else {
        if !journal
            .batches
            .iter()
            .any(|batch| matches!(batch, Batch::Changes { .. }))
        {
            // It holds nothing that could be lost: db.json was edited or restored after a clean stop.
            return Ok(recovered);
        }
        return Err(OpenError::ForeignJournal {
            path: path.to_owned(),
            journal: journal_path,
        });
    };
    let mut found = Found {
        batches: journal.batches.len() as u64,
        changes: 0,
        end: journal.end,
        torn_bytes: journal.torn_bytes,
        bytes,
    };
    for batch in journal.batches.into_iter().skip(skip) {
        if let Batch::Changes { offset, changes } = batch {
            found.changes += changes.len();
            for change in changes {
                apply(&mut recovered.document, change)
                    .map_err(|detail| damaged(JournalError::new(offset, detail)))?;
            }
        }
    }
    recovered.journal = Some(found);
    Ok(recovered)
}

impl Journal {
    /// How many batches the `db.json` with this digest holds already; `None`
    /// when the journal is not that file's.
    fn contained_in(&self, digest: Option<Digest>) -> Option<usize> {
        let digest = digest?;
        let checkpoint = |batch: &Batch| matches!(batch, Batch::Checkpoint(of) if *of == digest);
        match self.batches.iter().rposition(checkpoint) {
            Some(last) => Some(last + 1),
            None => (self.base == digest).then_some(0),
        }
    }
}

/// Makes a change that a journal holds, if `db.json` could hold what comes of it:
/// the next start reads it from there.
///
/// # Errors
/// What is wrong with the record.
pub(crate) fn apply<M: Model>(document: &mut Document<M>, change: Change) -> Result<(), String> {
    match change {
        Change::Delete(id) => document.state.remove(id),
        Change::Put(json) => {
            let mut compact = Vec::new();
            let record = record::read::<M>(json.get(), &mut compact)
                .map_err(|fault| fault.of_record::<M>(json.get()))?;
            let Some(id) = record.id() else {
                return Err(format!("expected a {} with an id", M::SINGULAR));
            };
            check_unique(&document.state, id.get(), &record)
                .map_err(|expected| format!("{} {id}: {expected}", M::SINGULAR))?;
            document.state.put(id.get(), &compact, &record);
        }
    }
    Ok(())
}

/// An error of the disk, with the file it was about.
pub(crate) fn about(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
