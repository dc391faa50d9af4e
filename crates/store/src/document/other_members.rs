//! The members of a `db.json` other than the collection.

pub(crate) mod keys;
mod names;

use std::fmt;

use common::Id;
use serde::{
    Deserialize,
    de::{self, Deserializer, MapAccess},
};
use serde_json::{Map, Value, value::RawValue};

use self::keys::Keys;
use crate::{
    document::position::Position,
    json::{JsonError, twice},
    memory::image::Image,
};

/// The member that holds the highest id ever given, by collection, if the records do not
/// show it: `"lastIds": {"users": 12}`.
pub(crate) const LAST_IDS: &str = "lastIds";

/// A member: its name and its value.
type Member = (String, Box<RawValue>);

/// The members of a `db.json` other than the collection, as they are spelled in it.
#[derive(Debug, Default)]
pub(crate) struct OtherMembers {
    /// In file order. The collection comes after the first `before` of them.
    members: Vec<Member>,
    before: usize,
    pub last_ids: Map<String, Value>,
    /// Of other collections, once those of this one are taken out.
    pub keys: Keys,
}

impl OtherMembers {
    /// Adds the next member of the file. `start` is where its value begins there.
    ///
    /// # Errors
    /// When an object in the value has a name twice.
    pub fn push(
        &mut self,
        name: String,
        value: Box<RawValue>,
        start: Position,
    ) -> Result<(), JsonError> {
        names::check(value.get(), start)?;
        self.members.push((name, value));
        Ok(())
    }

    /// The collection comes next in the file.
    pub fn collection_is_here(&mut self) {
        self.before = self.members.len();
    }

    /// The members before and after the collection, in file order.
    pub fn around(&self) -> (&[Member], &[Member]) {
        self.members.split_at(self.before)
    }

    /// The last ids to write to the file: those that the records do not show.
    pub fn last_ids(&self, image: &Image) -> Map<String, Value> {
        let mut last_ids = self.last_ids.clone();
        let (collection, last_id) = (image.collection, image.last_id);
        if image.highest_id() < last_id || last_ids.contains_key(collection) {
            last_ids.insert(collection.to_owned(), last_id.into());
        }
        last_ids
    }
}

/// The object of last ids.
pub(crate) struct LastIds(pub Map<String, Value>);

impl<'a> Deserialize<'a> for LastIds {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Visitor)
    }
}

struct Visitor;

impl<'a> de::Visitor<'a> for Visitor {
    type Value = LastIds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the last id given in each collection")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<LastIds, A::Error> {
        let mut last_ids = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if last_ids.contains_key(&name) {
                return Err(twice(&name));
            }
            let id = map.next_value::<&RawValue>()?.get().parse();
            let Some(id) = id.ok().filter(|id: &u64| *id <= Id::<()>::MAX) else {
                let expected = format!("expected the last id given in {name}");
                return Err(de::Error::custom(expected));
            };
            last_ids.insert(name, id.into());
        }
        Ok(LastIds(last_ids))
    }
}
