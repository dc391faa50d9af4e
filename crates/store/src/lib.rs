//! A collection of records, loaded from a `db.json` and served from memory.
//!
//! Each record's JSON is encoded once, when it is stored; readers get shared
//! bytes. Look-ups by id and by the members a model indexes do not scan, and
//! lists are streamed from the same bytes. Knows no HTTP.

mod digest;
mod document;
mod error;
mod index;
mod list;
mod minify;
mod page;
mod pages;
mod rows;
mod state;
mod store;

pub use digest::Digest;
pub use error::{DocumentError, OpenError};
pub use list::{Filter, Frames, List, Query};
pub use state::Record;
pub use store::Store;
