//! Queries for lists of records.

use common::Key;
#[cfg(doc)]
use common::Model;

/// Which records a list holds, and in which order.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Conditions that each record must meet.
    pub filters: Vec<Filter>,
    /// Only records with one of these ids. They are in ascending order, each once.
    pub ids: Option<Vec<u64>>,
    /// Whether the highest id comes first.
    pub descending: bool,
    /// Only records that come after this id in the list's direction.
    pub after: Option<u64>,
    /// The largest number of records in the list, at least 1.
    pub limit: Option<usize>,
}

/// A member and the value that it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The number of the member's index in [`Model::indexes`].
    pub index: usize,
    /// The value.
    pub key: Key,
}
