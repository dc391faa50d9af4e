//! Folding the journal into `db.json`: the steps that can run on a thread of their own
//! while the writer goes on, and that thread.

pub(crate) mod helper;
pub(crate) mod new_base;
pub(crate) mod new_journal;
pub(crate) mod task;
