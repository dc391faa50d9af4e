//! The bound on the size of a collection.

use std::{fs, path::Path};

use common::Model;

use crate::{
    error::OpenError,
    memory::{remembered, state::State},
};

/// A file may be this many times as large as the bound on the list of records, since it may
/// have white space and other collections. The remembered keys come on top: a small collection
/// may have many. A larger file is not read at all.
const FILE_SHARE: u64 = 4;

/// Checks the size of the file at `path` before it is read.
///
/// # Errors
/// When it is too large for any collection within the bound.
pub(crate) fn check_file(path: &Path, bytes_max: u64) -> Result<(), OpenError> {
    // An error is ignored here: reading the file reports it.
    let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
    let limit = bytes_max.saturating_mul(FILE_SHARE);
    let limit = limit.saturating_add(remembered::BYTES_MAX);
    check_bytes(path, bytes, bytes_max, limit)
}

/// Checks the size of a collection that was read.
///
/// # Errors
/// When it is too large.
pub(crate) fn check<M: Model>(
    path: &Path,
    state: &State<M>,
    bytes_max: u64,
) -> Result<(), OpenError> {
    check_bytes(
        path,
        state.summary.array_bytes() as u64,
        bytes_max,
        bytes_max,
    )
}

fn check_bytes(path: &Path, bytes: u64, bytes_max: u64, limit: u64) -> Result<(), OpenError> {
    if bytes <= limit {
        return Ok(());
    }
    Err(OpenError::TooLarge {
        path: path.to_owned(),
        bytes,
        bytes_max,
    })
}
