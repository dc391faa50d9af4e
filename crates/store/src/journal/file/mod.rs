//! The journal beside `db.json`, and the one writer that appends to it.

pub(crate) mod answers;
pub(crate) mod append;
pub(crate) mod base_file;
pub(crate) mod disk;
pub(crate) mod entry;
pub(crate) mod failure;
pub(crate) mod lock;
pub(crate) mod mount;
pub(crate) mod recovery;
pub(crate) mod verify;
pub(crate) mod writer;
