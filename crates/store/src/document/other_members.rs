//! The members of a `db.json` other than the collection.

use std::{
    fmt,
    io::{self, Write},
};

use common::Id;
use serde::{
    Deserialize,
    de::{self, Deserializer, MapAccess},
};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    json::twice,
    memory::{blocks::Block, image::Image},
};

/// The member that holds the highest id ever given, by collection, if the records do not
/// show it: `"lastIds": {"users": 12}`.
pub(crate) const LAST_IDS: &str = "lastIds";

/// The members of a `db.json` other than the collection, as they are spelled in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct OtherMembers {
    /// In file order. The collection comes after the first `before` of them.
    members: Vec<(String, Box<RawValue>)>,
    before: usize,
    pub last_ids: Map<String, Value>,
}

impl OtherMembers {
    /// Adds the next member of the file.
    pub fn push(&mut self, name: String, value: Box<RawValue>) {
        self.members.push((name, value));
    }

    /// The collection comes next in the file.
    pub fn collection_is_here(&mut self) {
        self.before = self.members.len();
    }

    /// Writes a `db.json` with these members and the records of `image`, one record
    /// per line.
    ///
    /// # Errors
    /// Any error of `out`.
    pub fn write(&self, image: Image, out: &mut impl Write) -> io::Result<()> {
        let last_ids = self.last_ids(&image);
        let mut separator = "{\n";
        let mut member = |out: &mut dyn Write, name: &str| {
            let name = serde_json::to_string(name)?;
            write!(out, "{separator}  {name}: ")?;
            separator = ",\n";
            io::Result::Ok(())
        };
        let (before, after) = self.members.split_at(self.before);
        for (name, value) in before {
            member(out, name)?;
            write!(out, "{value}")?;
        }
        member(out, image.collection)?;
        let mut between = "[\n    ";
        let mut end = "[]";
        // Each page is released as soon as it is written: the collection may have
        // replaced it meanwhile.
        for page in image.into_pages() {
            for slot in 0..page.len() {
                out.write_all(between.as_bytes())?;
                out.write_all(page.record(slot))?;
                between = ",\n    ";
                end = "\n  ]";
            }
        }
        out.write_all(end.as_bytes())?;
        for (name, value) in after {
            member(out, name)?;
            write!(out, "{value}")?;
        }
        if !last_ids.is_empty() {
            member(out, LAST_IDS)?;
            serde_json::to_writer(&mut *out, &last_ids)?;
        }
        writeln!(out, "\n}}")
    }

    /// The last ids to write to the file: those that the records do not show.
    fn last_ids(&self, image: &Image) -> Map<String, Value> {
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
