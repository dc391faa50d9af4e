//! Where what has changed is made durable, by one writer.

pub(crate) mod answers;
pub(crate) mod file;
pub(crate) mod shared;
pub(crate) mod writer;
