//! Writes that become durable together.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use common::{Id, Key, MemberError, Model, Timestamp};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::{
    author::Author,
    digest::Digest,
    document::{record, same},
    error::WriteError,
    json::{self, Object},
    memory::{
        remembered::{KeyChanges, Remembered},
        state::{Record, State, StateChange},
    },
    rules::{edit, owner, unique},
    write::{Changes, JournalChange, KeyedRequest, Operation, Precondition, Written},
};

/// Writes that are decided but not yet durable. The state does not contain them.
pub(crate) struct Batch<'a, M> {
    state: &'a State<M>,
    now: Timestamp,
    /// `now` as a record has it.
    now_text: String,
    last_id: u64,
    /// The records that the batch changes, after it; `None` for those that it deletes.
    records: BTreeMap<u64, Option<Bytes>>,
    /// The id of the record that has a unique key after the batch, by index and key;
    /// `None` for a key that the batch frees.
    holders: HashMap<(usize, Key), Option<u64>>,
    /// In the order in which they were decided.
    changes: Vec<StateChange<M>>,
    journalled: Vec<JournalChange>,
    /// The keys that the batch remembers, in the order in which they were decided.
    remember: Vec<Remembered>,
    /// Bytes of the records in `changes`.
    bytes: usize,
    /// Bytes of the JSON list of all records after the batch.
    total: u64,
    /// The largest size in bytes that the list may have.
    total_max: u64,
}

impl<'a, M: Model> Batch<'a, M> {
    pub fn new(state: &'a State<M>, now: Timestamp) -> Self {
        Self {
            state,
            now,
            now_text: now.to_string(),
            last_id: state.last_id,
            records: BTreeMap::new(),
            holders: HashMap::new(),
            changes: Vec::new(),
            journalled: Vec::new(),
            remember: Vec::new(),
            bytes: 0,
            total: state.summary.array_bytes() as u64,
            total_max: u64::MAX,
        }
    }

    /// Bounds the size of the list of all records. Writes that do not make the list longer
    /// are accepted even beyond the bound.
    pub fn within(self, total_max: u64) -> Self {
        Self { total_max, ..self }
    }

    /// Decides one write. The decision holds only once the batch is durable. The checks come in
    /// this order: the record exists, the author may write it, the precondition holds, the
    /// members are valid. A key of the author's comes before the members: the request with it
    /// has been answered, whatever has changed since.
    ///
    /// # Errors
    /// When the write is refused. The batch is then unchanged.
    pub fn decide(&mut self, author: Author, operation: Operation) -> Result<Written, WriteError> {
        match operation {
            Operation::Create(mut members, keyed) => {
                owner::may_create::<M>(author, &members)?;
                if let Some(keyed) = keyed
                    && let Some(first) = self.remembered(author.user(), keyed.key)
                {
                    return self.replay(first, keyed.body);
                }
                owner::set_owner::<M>(author, &mut members);
                let id = self.last_id + 1;
                let record = edit::created::<M>(members, id, &self.now_text)?;
                if id > Id::<M>::MAX {
                    return Err(WriteError::NoMoreIds);
                }
                let to_remember = keyed.map(|keyed| self.to_remember(author.user(), keyed, id));
                let to_remember = to_remember.transpose()?;
                let written = self.put(id, &record)?;
                self.remember.extend(to_remember);
                Ok(written)
            }
            Operation::Replace(id, mut members, precondition) => {
                let (json, current) = self.current(id)?;
                owner::may_edit::<M>(author, &current, Some(&members))?;
                check(&precondition, &json)?;
                owner::keep_owner::<M>(&current, &mut members);
                let record = edit::replaced::<M>(&current, &members, self.now)?;
                self.put_changed(id, json, &current, &record)
            }
            Operation::Patch(id, patch, precondition) => {
                let (json, current) = self.current(id)?;
                owner::may_edit::<M>(author, &current, patch.as_object())?;
                check(&precondition, &json)?;
                let record = edit::patched::<M>(&current, &patch, self.now)?;
                self.put_changed(id, json, &current, &record)
            }
            Operation::Delete(id, precondition) => {
                let (json, current) = self.current(id)?;
                owner::may_delete::<M>(author, &current)?;
                check(&precondition, &json)?;
                self.release(&read_model(&json)?);
                self.total = self.total.saturating_sub(json.len() as u64 + 1);
                self.records.insert(id, None);
                self.changes.push(StateChange { id, record: None });
                self.journalled.push(JournalChange::Delete(id));
                Ok(Written::new(id, None))
            }
        }
    }

    /// Bytes of the records that the batch has changed.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The changes of the batch, for the state and for the journal. Those of the keys are the
    /// same for both.
    pub fn into_changes(self) -> (Vec<StateChange<M>>, Changes) {
        let keys = KeyChanges {
            forget: self.state.keys().forgotten_at(self.now),
            remember: self.remember,
        };
        let records = self.journalled;
        (self.changes, Changes { records, keys })
    }

    /// What is remembered of this user's key after the writes that are decided so far.
    fn remembered(&self, user: Option<u64>, key: Digest) -> Option<Remembered> {
        let is = |own: &&Remembered| own.key == key && own.user.map(Id::get) == user;
        let own = self.remember.iter().find(is);
        let stored = || self.state.keys().get(user, key);
        let found = own.or_else(stored).copied();
        found.filter(|found| found.holds_at(self.now))
    }

    /// The answer to a request whose key has been used before.
    fn replay(&self, first: Remembered, body: Digest) -> Result<Written, WriteError> {
        let id = first.id.get();
        if first.body != body {
            return Err(WriteError::KeyReused { id });
        }
        let json = self.json(id).ok_or(WriteError::MadeAndDeleted { id })?;
        let replayed = true;
        let record = Some(Record::new(json));
        Ok(Written {
            id,
            record,
            replayed,
        })
    }

    /// What to remember of a request that makes the record with this id.
    fn to_remember(
        &self,
        user: Option<u64>,
        keyed: KeyedRequest,
        id: u64,
    ) -> Result<Remembered, WriteError> {
        let valid = |id| Id::new(id).map_err(|error| unreadable(&error));
        Ok(Remembered {
            key: keyed.key,
            user: user.map(valid).transpose()?,
            body: keyed.body,
            id: valid(id)?,
            at: self.now,
        })
    }

    /// The record with this id after the writes that are decided so far.
    fn json(&self, id: u64) -> Option<Bytes> {
        match self.records.get(&id) {
            Some(record) => record.clone(),
            None => self.state.get(id),
        }
    }

    /// The same, also as an object.
    ///
    /// # Errors
    /// When there is no such record.
    fn current(&self, id: u64) -> Result<(Bytes, Object), WriteError> {
        let json = self.json(id).ok_or(WriteError::NotFound)?;
        let object = read_object(&json)?;
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
            return Ok(Written::new(id, Some(Record::new(json))));
        }
        self.put(id, record)
    }

    fn put(&mut self, id: u64, record: &Object) -> Result<Written, WriteError> {
        let journalled = to_raw_value(record).map_err(|error| unreadable(&error))?;
        let json = journalled.get();
        record::check_size(json.as_bytes()).map_err(|detail| vec![MemberError::whole(detail)])?;
        let model: M = read_back(json, record)?;
        let json = Bytes::copy_from_slice(json.as_bytes());
        let conflict = unique::conflict(&model, id, |key| self.holder(key));
        if let Some((member, holder)) = conflict {
            return Err(WriteError::Conflict { member, holder });
        }
        let before = self.json(id);
        // In the list, each record takes one byte more for its comma.
        let [taken, given] = [
            before.as_ref().map_or(0, |before| before.len() + 1),
            json.len() + 1,
        ];
        let total = self.total.saturating_sub(taken as u64) + given as u64;
        if given > taken && total > self.total_max {
            let bytes_max = self.total_max;
            return Err(WriteError::Full { bytes_max });
        }
        if let Some(before) = before {
            self.release(&read_model(&before)?);
        }
        self.total = total;
        self.add_put(id, json.clone(), model, journalled);
        Ok(Written::new(id, Some(Record::new(json))))
    }

    /// Adds a record that has passed all checks.
    fn add_put(&mut self, id: u64, json: Bytes, model: M, journalled: Box<RawValue>) {
        for (index, _, key) in model.unique_keys() {
            self.holders.insert((index, key), Some(id));
        }
        self.last_id = self.last_id.max(id);
        self.records.insert(id, Some(json.clone()));
        self.bytes += json.len();
        let record = Some((json, model));
        self.changes.push(StateChange { id, record });
        self.journalled.push(JournalChange::Put(journalled));
    }

    /// The record that has a unique key after the writes that are decided so far.
    fn holder(&self, key: &(usize, Key)) -> Option<u64> {
        let stored = || self.state.holder(key);
        self.holders.get(key).copied().unwrap_or_else(stored)
    }

    /// Frees the unique keys of a record that is replaced or deleted.
    fn release(&mut self, record: &M) {
        for (index, _, key) in record.unique_keys() {
            self.holders.insert((index, key), None);
        }
    }
}

fn check(precondition: &Precondition, json: &[u8]) -> Result<(), WriteError> {
    if precondition.holds(json) {
        Ok(())
    } else {
        Err(WriteError::PreconditionFailed)
    }
}

/// Reads the JSON of a record as the next start will read it.
///
/// # Errors
/// When the next start would refuse it or read a different record.
fn read_back<M: Model>(json: &str, record: &Object) -> Result<M, WriteError> {
    let mut compact = Vec::with_capacity(json.len());
    let model = record::read::<M>(json, &mut compact)
        .map_err(|fault| unreadable(&fault.of_record::<M>(json)))?;
    if compact != json.as_bytes() {
        return Err(unreadable(&"it would be spelled otherwise"));
    }
    same::check(json, record).map_err(|error| unreadable(&error))?;
    Ok(model)
}

fn read_object(json: &[u8]) -> Result<Object, WriteError> {
    let text = std::str::from_utf8(json).map_err(|error| unreadable(&error))?;
    match json::read_stored(text).map_err(|error| unreadable(&error))? {
        Value::Object(record) => Ok(record),
        _ => Err(unreadable(&"expected an object")),
    }
}

fn read_model<M: Model>(json: &[u8]) -> Result<M, WriteError> {
    serde_json::from_slice(json).map_err(|error| unreadable(&error))
}

fn unreadable(why: &impl ToString) -> WriteError {
    WriteError::Unreadable(why.to_string())
}
