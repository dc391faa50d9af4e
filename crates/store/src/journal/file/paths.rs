//! The names of the files beside a `db.json`.

use std::path::{Path, PathBuf};

/// The path with this ending added to the file name.
fn sibling(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The file that is renamed to `path` when it is complete.
pub(crate) fn new_path(path: &Path) -> PathBuf {
    sibling(path, ".new")
}

/// The journal of the `db.json` at `path`.
pub(crate) fn journal_path(path: &Path) -> PathBuf {
    sibling(path, ".journal")
}

/// The lock's file of the `db.json` at `path`.
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    sibling(path, ".lock")
}
