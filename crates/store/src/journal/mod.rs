//! Makes changes durable: a journal with one writer.

pub(crate) mod answers;
pub(crate) mod file;
pub(crate) mod shared;
pub(crate) mod writer;
