//! The member of a `db.json` with the keys of requests that made a record.

use std::fmt;

use serde::{
    Deserialize,
    de::{self, Deserializer, MapAccess, SeqAccess},
};

use crate::{
    json::twice,
    memory::remembered::{Remembered, RememberedKeys},
};

/// The member that holds the remembered keys by collection, if there are any:
/// `"idempotencyKeys": {"users": [{"key": "5d0a..", ..}]}`.
pub(crate) const IDEMPOTENCY_KEYS: &str = "idempotencyKeys";

/// The keys in a file, by collection in file order.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<(String, RememberedKeys)>);

impl Keys {
    /// Takes out the keys of this collection.
    pub fn take(&mut self, collection: &str) -> RememberedKeys {
        let at = self.0.iter().position(|(name, _)| name == collection);
        at.map(|at| self.0.remove(at).1).unwrap_or_default()
    }

    /// The keys to write to a file: these and those of `collection`, where there are any.
    pub fn with<'a>(
        &'a self,
        collection: &'a str,
        own: &'a [Remembered],
    ) -> Vec<(&'a str, Vec<&'a Remembered>)> {
        let others = self.0.iter();
        let others = others.map(|(name, keys)| (name.as_str(), keys.iter().collect()));
        let own = (collection, own.iter().collect());
        let mut all: Vec<(_, Vec<_>)> = others.chain([own]).collect();
        all.retain(|(_, keys)| !keys.is_empty());
        all
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ByCollection)
    }
}

struct ByCollection;

impl<'de> de::Visitor<'de> for ByCollection {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the remembered keys of each collection")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Keys::default();
        while let Some(name) = map.next_key::<String>()? {
            if keys.0.iter().any(|(before, _)| *before == name) {
                return Err(twice(&name));
            }
            let Listed(listed) = map.next_value()?;
            keys.0.push((name, listed));
        }
        Ok(keys)
    }
}

/// The keys of a collection.
struct Listed(RememberedKeys);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(List)
    }
}

struct List;

impl<'de> de::Visitor<'de> for List {
    type Value = Listed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of remembered keys")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Listed, A::Error> {
        let mut keys = RememberedKeys::default();
        while let Some(key) = list.next_element::<Remembered>()? {
            if keys.remember(key) {
                let expected = "expected each key of a user, or of the service, only once";
                return Err(de::Error::custom(expected));
            }
        }
        Ok(Listed(keys))
    }
}

#[cfg(test)]
mod tests;
