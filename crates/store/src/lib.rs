//! A collection of records, loaded from a `db.json` and served from memory.
//!
//! Each record's JSON is encoded once, when it is stored; readers get shared
//! bytes. Look-ups by id and by the members a model indexes do not scan, and
//! lists are streamed from the same bytes. Knows no HTTP.
#![doc = include_str!("../PROOF.md")]

mod answers;
mod base_file;
mod batch;
mod bound;
mod coherence;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod damage;
mod digest;
mod disk;
mod document;
mod edit;
mod error;
mod failure;
#[cfg(test)]
mod foreign;
#[cfg(fuzzing)]
pub mod fuzzing;
mod index;
#[cfg(test)]
mod isolation;
mod journal;
mod journal_writer;
pub mod json;
mod list;
mod lock;
mod merge;
mod minify;
#[cfg(test)]
mod model;
mod mount;
mod page;
mod pages;
mod record;
mod recovery;
#[cfg(any(test, fuzzing))]
mod round_trip;
mod rows;
mod same;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod soundness;
mod state;
mod store;
mod times;
mod verify;
mod writer;

pub use batch::{Precondition, Versions};
pub use digest::Digest;
pub use edit::Object;
pub use error::{DocumentError, JournalError, OpenError, WriteError};
pub use list::{Filter, Frames, List, Query};
pub use lock::WriteLock;
pub use mount::mount_point;
pub use state::Record;
pub use store::{Status, Store};
pub use verify::{Findings, JournalFindings, verify};
