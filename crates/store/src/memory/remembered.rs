//! The keys (`Idempotency-Key`) of requests that made a record. A client that did not get the
//! answer sends the request again with the same key, and gets the record that there is already.
//!
//! What is remembered follows only from the changes that were applied: their order, and the times
//! in them. No clock is read here, so every replay of the same changes remembers the same keys.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use common::{Id, Timestamp};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// How long a key is remembered.
const KEPT_FOR: Duration = Duration::from_hours(24);

/// Keys that are remembered at most. Beyond that the oldest ones are forgotten.
const KEYS_MAX: usize = 10_000;

/// Keys of one user that are remembered at most, so that one user does not push out the keys of
/// all others. The service itself has no limit of its own.
const USER_KEYS_MAX: usize = 1_000;

/// Bytes that a key takes in a `db.json` at most, with the white space before it.
const KEY_BYTES_MAX: u64 = 192;

/// Bytes that all keys take in a `db.json` at most.
pub(crate) const BYTES_MAX: u64 = KEYS_MAX as u64 * KEY_BYTES_MAX;

/// A key, and what the request with it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a remembered key (an object)")]
pub(crate) struct Remembered {
    /// Digest of the key.
    pub key: Digest,
    /// The user who sent it; `None` for the service itself. Others' keys are different keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id<()>>,
    /// Digest of the request's body.
    pub body: Digest,
    /// The record that the request made. It may have been deleted since.
    pub id: Id<()>,
    /// When the request was decided.
    pub at: Timestamp,
}

impl Remembered {
    /// Whether the key still counts at this time.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.at > forgotten_at(now)
    }

    fn user(&self) -> Option<u64> {
        self.user.map(Id::get)
    }
}

/// Keys of this time and older ones are forgotten at `now`.
fn forgotten_at(now: Timestamp) -> Timestamp {
    now.saturating_sub(KEPT_FOR)
}

/// What a batch changes of the remembered keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyChanges {
    /// The keys of this time and older ones are forgotten, before others are remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forget: Option<Timestamp>,
    /// In the order in which they were decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remember: Vec<Remembered>,
}

impl KeyChanges {
    pub fn is_empty(&self) -> bool {
        self.forget.is_none() && self.remember.is_empty()
    }
}

/// The keys that are remembered.
#[derive(Debug, Default)]
pub(crate) struct RememberedKeys {
    /// By a number that grows with each key: the oldest one comes first.
    keys: BTreeMap<u64, Remembered>,
    callers: HashMap<Option<u64>, KeysOfCaller>,
    /// The number of the last key.
    last: u64,
}

/// The numbers of a caller's keys.
#[derive(Debug, Default)]
struct KeysOfCaller {
    by_key: HashMap<Digest, u64>,
    /// In ascending order.
    numbers: BTreeSet<u64>,
}

impl RememberedKeys {
    /// What is remembered of this user's key, or of the service's own.
    pub fn get(&self, user: Option<u64>, key: Digest) -> Option<&Remembered> {
        let number = self.callers.get(&user)?.by_key.get(&key)?;
        self.keys.get(number)
    }

    /// The oldest key comes first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Remembered> {
        self.keys.values()
    }

    /// Which keys a batch of this time forgets; `None` if there are none that it should.
    pub fn forgotten_at(&self, now: Timestamp) -> Option<Timestamp> {
        let (_, oldest) = self.keys.first_key_value()?;
        (!oldest.holds_at(now)).then(|| forgotten_at(now))
    }

    /// Applies the changes of a batch.
    pub fn apply(&mut self, changes: &KeyChanges) {
        if let Some(forget) = changes.forget {
            while let Some((number, _)) = self.oldest().filter(|(_, oldest)| oldest.at <= forget) {
                self.remove(number);
            }
        }
        for key in &changes.remember {
            self.remember(*key);
        }
    }

    /// Remembers a key, and forgets the oldest ones where there are too many. Returns whether the
    /// caller's same key was remembered already: it now has the new meaning.
    pub fn remember(&mut self, key: Remembered) -> bool {
        let user = key.user();
        let before = self.callers.get(&user);
        let before = before.and_then(|caller| caller.by_key.get(&key.key).copied());
        if let Some(before) = before {
            self.remove(before);
        }
        self.last += 1;
        self.keys.insert(self.last, key);
        let caller = self.callers.entry(user).or_default();
        caller.by_key.insert(key.key, self.last);
        caller.numbers.insert(self.last);
        let of_user = user.and(caller.numbers.first().copied());
        if let Some(oldest) = of_user.filter(|_| caller.numbers.len() > USER_KEYS_MAX) {
            self.remove(oldest);
        }
        if let Some((oldest, _)) = self.oldest().filter(|_| self.keys.len() > KEYS_MAX) {
            self.remove(oldest);
        }
        before.is_some()
    }

    fn oldest(&self) -> Option<(u64, Remembered)> {
        let oldest = self.keys.first_key_value();
        oldest.map(|(number, key)| (*number, *key))
    }

    fn remove(&mut self, number: u64) {
        let Some(key) = self.keys.remove(&number) else {
            return;
        };
        if let Some(caller) = self.callers.get_mut(&key.user()) {
            caller.by_key.remove(&key.key);
            caller.numbers.remove(&number);
            if caller.numbers.is_empty() {
                self.callers.remove(&key.user());
            }
        }
    }
}

#[cfg(test)]
mod tests;
