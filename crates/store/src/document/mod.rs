//! The text of a `db.json` and of the records in it.

pub(crate) mod coherence;
pub(crate) mod minify;
pub(crate) mod record;
pub(crate) mod same;
pub(crate) mod text;
