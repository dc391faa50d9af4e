//! What a client asks of a collection.

use common::Key;
#[cfg(doc)]
use common::Model;

/// Which records a list holds, and in which order.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// What all records must have in common.
    pub filters: Vec<Filter>,
    /// Highest id first.
    pub descending: bool,
    /// Only records that come after this id in the list's direction.
    pub after: Option<u64>,
    /// How many records at most.
    pub limit: Option<usize>,
}

/// A member and the value that it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The index's number ([`Model::indexes`]).
    pub index: usize,
    /// The value.
    pub key: Key,
}
