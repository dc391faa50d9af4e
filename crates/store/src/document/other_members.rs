//! The members of a `db.json` other than the collection.

use std::{
    fmt,
    io::{self, Write},
};

use common::{Id, Model};
use serde::{
    Deserialize,
    de::{self, Deserializer, MapAccess},
};
use serde_json::{Map, Value, value::RawValue};

use crate::{json::twice, memory::state::State};

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

    /// Writes a `db.json` with these members and the records of `state`, one record
    /// per line.
    ///
    /// # Errors
    /// Any error of `out`.
    pub fn write<M: Model>(&self, state: &State<M>, out: &mut impl Write) -> io::Result<()> {
        let last_ids = self.last_ids(state);
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
        member(out, M::COLLECTION)?;
        let mut between = "[\n    ";
        let mut next = state.pages.first();
        while let Some(place) = next {
            out.write_all(between.as_bytes())?;
            out.write_all(state.pages.record(place))?;
            between = ",\n    ";
            next = state.pages.next(place);
        }
        write!(
            out,
            "{}",
            if state.summary.count == 0 {
                "[]"
            } else {
                "\n  ]"
            }
        )?;
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
    fn last_ids<M: Model>(&self, state: &State<M>) -> Map<String, Value> {
        let mut last_ids = self.last_ids.clone();
        let highest = state.pages.last().map_or(0, |place| state.pages.id(place));
        if highest < state.last_id || last_ids.contains_key(M::COLLECTION) {
            last_ids.insert(M::COLLECTION.to_owned(), state.last_id.into());
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
