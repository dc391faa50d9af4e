//! The names of the files beside a `db.json`.

use std::path::{Path, PathBuf};

/// The file beside the one at `path` whose name has this ending besides.
fn sibling(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The file that takes the place of the one at `path` once it is complete.
pub(crate) fn new_path(path: &Path) -> PathBuf {
    sibling(path, ".new")
}

/// The journal of the `db.json` at `path`.
pub(crate) fn journal_path(path: &Path) -> PathBuf {
    sibling(path, ".journal")
}

/// The file that is locked by the process that writes the `db.json` at `path`.
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    sibling(path, ".lock")
}
