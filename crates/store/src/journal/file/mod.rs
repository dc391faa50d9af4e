//! The files of a collection: `db.json`, its journal and its lock.

pub(crate) mod append;
pub(crate) mod base_file;
pub(crate) mod disk;
pub(crate) mod entry;
pub(crate) mod failure;
pub(crate) mod fold;
pub(crate) mod journal;
pub(crate) mod lock;
pub(crate) mod paths;
pub(crate) mod recovery;
pub(crate) mod verify;
