//! Checks the files of a collection without changing them.

use std::path::Path;

use common::Model;

use crate::{
    error::OpenError,
    journal::file::{disk::FileSystem, recovery::recover_unlocked},
};

/// What the files of a collection hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Records in `db.json` itself.
    pub records_in_file: usize,
    /// Records after the journal's changes.
    pub records: usize,
    /// The highest id ever given.
    pub last_id: u64,
    /// What the journal adds; `None` if there is no journal or it adds nothing.
    pub journal: Option<JournalFindings>,
}

/// What a journal adds to its `db.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFindings {
    /// Changes that `db.json` does not hold yet.
    pub changes: usize,
    /// Bytes of a torn line, whose batch was never acknowledged.
    pub torn_bytes: usize,
}

/// Reads the `db.json` at `path` and its journal. The JSON list of their records may
/// have `bytes_max` bytes. Changes nothing on disk.
///
/// # Errors
/// As [`Store::open`](crate::Store::open).
pub fn verify<M: Model>(path: &Path, bytes_max: u64) -> Result<Findings, OpenError> {
    let (recovered, base) = recover_unlocked::<M>(&FileSystem, path, bytes_max)?;
    let state = &recovered.document.state;
    let journal = recovered.journal.map(|found| JournalFindings {
        changes: found.changes,
        torn_bytes: found.torn_bytes,
    });
    Ok(Findings {
        records_in_file: base.records,
        records: state.summary.count,
        last_id: state.last_id,
        journal: journal.filter(|journal| journal.changes > 0 || journal.torn_bytes > 0),
    })
}
