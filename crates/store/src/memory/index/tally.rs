//! How many records pass a filter, and the last of them.

use bytes::Bytes;
use serde::Deserialize;

use crate::memory::{index::posting::Posting, pages::Pages};

/// The records that pass a filter: how many there are, and the last of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many there are.
    pub count: usize,
    /// The one with the highest id; `None` when there are no records.
    pub last: Option<Last>,
}

/// The last of the records that pass a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// Its id.
    pub id: u64,
    /// Its `createdAt`, as the record has it; `None` when it has none.
    pub created_at: Option<String>,
}

/// What a tally is made from. It is taken while the collection is locked for reading, and the
/// last record is read when it is not locked any more.
pub(crate) struct Counted {
    count: usize,
    /// The id and the JSON of the last record.
    last: Option<(u64, Bytes)>,
}

/// What is read of a record.
#[derive(Deserialize)]
struct Created {
    #[serde(rename = "createdAt")]
    at: Option<String>,
}

impl Counted {
    /// Counts the records of a key, and finds the last one. Copies neither ids nor records.
    pub fn of(posting: Option<&Posting>, pages: &Pages) -> Self {
        let last = posting.and_then(|posting| {
            let id = posting.last_id()?;
            let (page, slot) = pages.get(id)?;
            Some((id, page.share(slot)))
        });
        Self {
            count: posting.map_or(0, |posting| posting.summary.count),
            last,
        }
    }

    /// The tally, with the time of the last record.
    pub fn tally(self) -> Tally {
        let last = self.last.map(|(id, json)| {
            let created: Created =
                serde_json::from_slice(&json).expect("what is stored was read as a record");
            let created_at = created.at;
            Last { id, created_at }
        });
        let count = self.count;
        Tally { count, last }
    }
}
