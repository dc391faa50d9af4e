//! How large a collection may be.

use std::{fs, path::Path};

use common::Model;

use crate::{error::OpenError, memory::state::State};

/// How many times as large as the list of all records its file may be: it may
/// have white space, and other collections. What is larger is not even read.
const FILE_SHARE: u64 = 4;

/// Whether the file at `path` may be read, should there be one.
///
/// # Errors
/// When it is much too large.
pub(crate) fn check_file(path: &Path, bytes_max: u64) -> Result<(), OpenError> {
    // Whoever reads it says why it cannot be.
    let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
    check_bytes(path, bytes, bytes_max, bytes_max.saturating_mul(FILE_SHARE))
}

/// Whether a collection that was read may be served.
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
