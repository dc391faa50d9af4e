//! The text of a `db.json` and of the records in it.

mod ahead;
pub(crate) mod coherence;
pub(crate) mod load;
pub(crate) mod minify;
pub(crate) mod other_members;
mod position;
pub(crate) mod record;
pub(crate) mod same;
pub(crate) mod source;
mod walk;
pub(crate) mod write;
