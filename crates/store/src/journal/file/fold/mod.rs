//! Folding the journal into `db.json`: when that is due, the steps that can run on a thread
//! of their own while the writer goes on, and that thread.

pub(crate) mod helper;
pub(crate) mod new_base;
pub(crate) mod new_journal;
pub(crate) mod schedule;
pub(crate) mod task;
