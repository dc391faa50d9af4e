//! A simple model of a collection of users, to compare the store with.

use std::collections::BTreeMap;

use common::User;
use serde_json::{Value, json};

use crate::{
    journal::shared::Shared,
    json::Object,
    rules::body,
    write::{IdempotencyKey, KeyedRequest, Operation, Precondition},
};

/// A write. `which` selects one of the ids so far; `username` is the number of a username.
#[derive(Debug, Clone)]
pub enum Op {
    /// `key` is the number of a key.
    Create {
        username: u8,
        bio: usize,
        key: Option<u8>,
    },
    Replace {
        which: u8,
        username: u8,
        bio: usize,
    },
    Patch {
        which: u8,
        bio: usize,
    },
    Delete {
        which: u8,
    },
}

/// The collection as it should be.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    pub users: BTreeMap<u64, ExpectedUser>,
    pub last_id: u64,
    /// The body of the request with each key, and the record that it made.
    pub keys: BTreeMap<u8, (u8, usize, u64)>,
}

#[derive(Debug, Clone)]
pub struct ExpectedUser {
    pub username: String,
    pub bio: String,
    /// A member that no model knows.
    pub badge: Value,
    /// The record as it was answered or first read; `None` before that.
    pub json: Option<String>,
}

/// The expected answer to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Done(u64),
    /// Done before.
    Replayed(u64),
    NotFound,
    Conflict,
    KeyReused(u64),
    MadeAndDeleted(u64),
}

impl Oracle {
    pub fn apply(&mut self, op: &Op) -> Expected {
        if let Op::Create {
            username,
            bio,
            key: Some(key),
        } = op
            && let Some((first_username, first_bio, id)) = self.keys.get(key)
        {
            return if (username, bio) != (first_username, first_bio) {
                Expected::KeyReused(*id)
            } else if self.users.contains_key(id) {
                Expected::Replayed(*id)
            } else {
                Expected::MadeAndDeleted(*id)
            };
        }
        let taken = |username: &str, by_other_than: u64| {
            let mut users = self.users.iter();
            users.any(|(id, user)| user.username == username && *id != by_other_than)
        };
        let id = match op {
            Op::Create { .. } => self.last_id + 1,
            Op::Replace { which, .. } | Op::Patch { which, .. } | Op::Delete { which } => {
                u64::from(*which) % (self.last_id + 2)
            }
        };
        let stored = self.users.get(&id);
        if stored.is_none() && !matches!(op, Op::Create { .. }) {
            return Expected::NotFound;
        }
        let (username, bio) = match op {
            Op::Delete { .. } => {
                self.users.remove(&id);
                return Expected::Done(id);
            }
            Op::Create { username, bio, .. } | Op::Replace { username, bio, .. } => {
                (format!("user-{username}"), *bio)
            }
            Op::Patch { bio, .. } => (stored.unwrap().username.clone(), *bio),
        };
        if taken(&username, id) {
            return Expected::Conflict;
        }
        let badge = stored.map_or(Value::Null, |user| user.badge.clone());
        if let Op::Create {
            username,
            bio,
            key: Some(key),
        } = op
        {
            self.keys.insert(*key, (*username, *bio, id));
        }
        let (bio, json) = ("b".repeat(bio), None);
        self.users.insert(
            id,
            ExpectedUser {
                username,
                bio,
                badge,
                json,
            },
        );
        self.last_id = self.last_id.max(id);
        Expected::Done(id)
    }

    /// Whether the store holds this collection. Remembers the JSON of records that it reads for
    /// the first time.
    pub fn is(&mut self, shared: &Shared<User>) -> bool {
        let state = shared.state();
        state.last_id == self.last_id
            && state.summary.count == self.users.len()
            && state.keys().iter().len() == self.keys.len()
            && self.keys.iter().all(|(key, (username, bio, id))| {
                let request = keyed(*key, &members(*username, *bio));
                let found = state.keys().get(None, request.key);
                found.is_some_and(|found| (found.body, found.id.get()) == (request.body, *id))
            })
            && self.users.iter_mut().all(|(id, user)| {
                let Some(json) = state.get(*id) else {
                    return false;
                };
                let known = user.json.get_or_insert_with(|| text(&json));
                let record: Value = serde_json::from_slice(&json).unwrap();
                *known == text(&json)
                    && record["username"] == user.username
                    && record["bio"] == user.bio
                    && record.get("badge").unwrap_or(&Value::Null) == &user.badge
            })
    }
}

pub fn text(json: &[u8]) -> String {
    String::from_utf8(json.to_vec()).unwrap()
}

fn members(username: u8, bio: usize) -> Object {
    let members = json!({
        "username": format!("user-{username}"), "name": "n", "bio": "b".repeat(bio)
    });
    serde_json::from_value(members).unwrap()
}

fn keyed(key: u8, members: &Object) -> KeyedRequest {
    KeyedRequest::new(IdempotencyKey::new(&[key]), body::digest(members))
}

pub fn operation(op: &Op, last_id: u64) -> Operation {
    let id = |which: &u8| u64::from(*which) % (last_id + 2);
    match op {
        Op::Create { username, bio, key } => {
            let members = members(*username, *bio);
            let keyed = key.map(|key| keyed(key, &members));
            Operation::Create(members, keyed)
        }
        Op::Replace {
            which,
            username,
            bio,
        } => {
            let members = members(*username, *bio);
            Operation::Replace(id(which), members, Precondition::default())
        }
        Op::Patch { which, bio } => {
            let patch = json!({"bio": "b".repeat(*bio)});
            Operation::Patch(id(which), patch, Precondition::default())
        }
        Op::Delete { which } => Operation::Delete(id(which), Precondition::default()),
    }
}
