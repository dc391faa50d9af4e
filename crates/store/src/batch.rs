//! Writes that become durable together.

use std::collections::HashMap;

use bytes::Bytes;
use common::{Id, Key, MemberError, Model, Timestamp};
use serde_json::Value;

use crate::{
    digest::Digest,
    document::RECORD_BYTES_MAX,
    edit::{self, Object},
    error::WriteError,
    journal::Change,
    state::{Record, State},
};

/// What a client wants written.
pub(crate) enum Operation {
    Create(Object),
    Replace(u64, Object, Precondition),
    Patch(u64, Value, Precondition),
    Delete(u64, Precondition),
}

/// What must hold of the record before it is written. By default nothing: the last write wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Precondition {
    /// The record is one of these (`If-Match`).
    pub matches: Option<Versions>,
    /// The record is none of these (`If-None-Match`).
    pub matches_none: Option<Versions>,
}

/// Versions of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// Whichever there is.
    Any,
    /// Those whose digests have these digits, see [`Digest::hex`].
    Digests(Vec<[u8; 32]>),
}

impl Precondition {
    fn holds(&self, json: &[u8]) -> bool {
        let has = |versions: &Versions| match versions {
            Versions::Any => true,
            Versions::Digests(digests) => digests.contains(&Digest::of(json).hex()),
        };
        self.matches.as_ref().is_none_or(has) && !self.matches_none.as_ref().is_some_and(has)
    }
}

/// What a write did.
pub(crate) struct Written {
    pub id: u64,
    /// The record as it is now; `None` when it is gone.
    pub record: Option<Record>,
}

/// Writes that are decided, on top of a state that does not have them yet.
pub(crate) struct Batch<'a, M> {
    state: &'a State<M>,
    now: Timestamp,
    last_id: u64,
    /// Records as the batch leaves them; `None` for those it deletes.
    records: HashMap<u64, Option<Bytes>>,
    /// Who has a unique key after the batch, by index.
    holders: HashMap<(usize, Key), Option<u64>>,
    changes: Vec<(u64, Option<(Bytes, M)>)>,
}

/// Changes in the order in which they were decided: the record and its JSON,
/// `None` for a deletion.
pub(crate) type Changes<M> = Vec<(u64, Option<(Bytes, M)>)>;

impl<'a, M: Model> Batch<'a, M> {
    pub fn new(state: &'a State<M>, now: Timestamp) -> Self {
        Self {
            state,
            now,
            last_id: state.last_id,
            records: HashMap::new(),
            holders: HashMap::new(),
            changes: Vec::new(),
        }
    }

    /// Decides one write. What it decides is only true once the batch is durable.
    ///
    /// # Errors
    /// When the write cannot be; the batch is then as it was.
    pub fn decide(&mut self, operation: Operation) -> Result<Written, WriteError> {
        match operation {
            Operation::Create(members) => {
                let id = self.last_id + 1;
                let record = edit::created::<M>(&members, id, self.now)?;
                if id > Id::<M>::MAX {
                    return Err(WriteError::NoMoreIds);
                }
                self.put(id, &record)
            }
            Operation::Replace(id, members, precondition) => {
                let (json, current) = self.current(id, &precondition)?;
                let record = edit::replaced::<M>(&current, &members, self.now)?;
                self.put_changed(id, json, &current, &record)
            }
            Operation::Patch(id, patch, precondition) => {
                let (json, current) = self.current(id, &precondition)?;
                let record = edit::patched::<M>(&current, &patch, self.now)?;
                self.put_changed(id, json, &current, &record)
            }
            Operation::Delete(id, precondition) => {
                let (json, _) = self.current(id, &precondition)?;
                self.release(&read(&json));
                self.records.insert(id, None);
                self.changes.push((id, None));
                Ok(Written { id, record: None })
            }
        }
    }

    /// The changes of the batch as the journal writes them.
    pub fn journalled(&self) -> serde_json::Result<Vec<Change>> {
        let change = |(id, record): &(u64, Option<(Bytes, M)>)| match record {
            Some((json, _)) => serde_json::from_slice(json).map(Change::Put),
            None => Ok(Change::Delete(*id)),
        };
        self.changes.iter().map(change).collect()
    }

    pub fn into_changes(self) -> Changes<M> {
        self.changes
    }

    /// The record with this id as the batch leaves it so far.
    fn current(&self, id: u64, precondition: &Precondition) -> Result<(Bytes, Object), WriteError> {
        let json = match self.records.get(&id) {
            Some(record) => record.clone(),
            None => self.state.get(id),
        };
        let json = json.ok_or(WriteError::NotFound)?;
        if !precondition.holds(&json) {
            return Err(WriteError::PreconditionFailed);
        }
        let object = read(&json);
        Ok((json, object))
    }

    fn put_changed(
        &mut self,
        id: u64,
        json: Bytes,
        current: &Object,
        record: &Object,
    ) -> Result<Written, WriteError> {
        if current == record {
            return Ok(Written {
                id,
                record: Some(Record::new(json)),
            });
        }
        self.put(id, record)
    }

    fn put(&mut self, id: u64, record: &Object) -> Result<Written, WriteError> {
        let json = serde_json::to_vec(record).expect("an object of values is always JSON");
        if json.len() > RECORD_BYTES_MAX {
            let detail = format!("expected a record of at most {RECORD_BYTES_MAX} bytes");
            let pointer = String::new();
            return Err(vec![MemberError { pointer, detail }].into());
        }
        let json = Bytes::from(json);
        let record: M = read(&json);
        for (number, index) in M::INDEXES
            .iter()
            .enumerate()
            .filter(|(_, index)| index.unique())
        {
            let holder = self.holder(&(number, index.key(&record)));
            if let Some(holder) = holder.filter(|holder| *holder != id) {
                return Err(WriteError::Conflict {
                    member: index.member,
                    holder,
                });
            }
        }
        if let Some(before) = self
            .records
            .get(&id)
            .cloned()
            .unwrap_or_else(|| self.state.get(id))
        {
            self.release(&read(&before));
        }
        for (number, index) in M::INDEXES
            .iter()
            .enumerate()
            .filter(|(_, index)| index.unique())
        {
            self.holders.insert((number, index.key(&record)), Some(id));
        }
        self.last_id = self.last_id.max(id);
        self.records.insert(id, Some(json.clone()));
        self.changes.push((id, Some((json.clone(), record))));
        Ok(Written {
            id,
            record: Some(Record::new(json)),
        })
    }

    fn holder(&self, of: &(usize, Key)) -> Option<u64> {
        let stored = || {
            self.state
                .posting(of.0, &of.1)
                .map(|posting| posting.ids[0])
        };
        self.holders.get(of).copied().unwrap_or_else(stored)
    }

    /// Frees the unique keys of a record that is replaced or deleted.
    fn release(&mut self, record: &M) {
        for (number, index) in M::INDEXES
            .iter()
            .enumerate()
            .filter(|(_, index)| index.unique())
        {
            self.holders.insert((number, index.key(record)), None);
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(json: &[u8]) -> T {
    serde_json::from_slice(json).expect("what is stored or was checked can be read")
}
