//! A collection of records, loaded from a `db.json` and served from memory.
//!
//! Each record's JSON is encoded once, when it is stored. Readers get shared bytes, and lists
//! are streamed from the same bytes. Look-ups by id or by an indexed member do not scan the
//! collection. This crate knows nothing of HTTP.
#![doc = include_str!("../PROOF.md")]

mod author;
mod batch;
mod bound;
mod digest;
mod document;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod journal;
pub mod json;
mod memory;
mod query;
#[cfg(any(test, fuzzing))]
mod round_trip;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod write;

pub use author::{Author, NotAllowed};
pub use digest::Digest;
pub use error::{CloseError, JournalError, OpenError, ReadError, WriteError};
pub use journal::Folding;
pub use journal::file::lock::WriteLock;
pub use journal::file::verify::{Findings, JournalFindings, verify};
pub use json::{JsonError, Object};
pub use memory::index::tally::{Last, Tally};
pub use memory::list::{CutOff, Frames, List};
pub use memory::state::Record;
pub use query::{Filter, Query};
pub use store::{Created, Status, Store};
pub use write::{IdempotencyKey, Precondition, Versions};
