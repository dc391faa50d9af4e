//! The files of a collection: `db.json`, its journal and its lock.

pub(crate) mod base_file;
pub(crate) mod disk;
pub(crate) mod failure;
pub(crate) mod file_journal;
pub(crate) mod files;
pub(crate) mod fold;
pub(crate) mod format;
pub(crate) mod lock;
pub(crate) mod open_journal;
pub(crate) mod paths;
pub(crate) mod recovery;
pub(crate) mod verify;
