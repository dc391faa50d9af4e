//! The text of a `db.json`: an object. The member with the collection's name holds the
//! records; the store keeps all other members unchanged.

use std::{
    collections::HashSet,
    fmt,
    io::{self, Write},
};

use common::{Id, Model};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    document::record,
    json::{JsonError, twice},
    memory::{
        index::posting::Posting,
        state::{Loader, State},
    },
};

/// The member that holds the highest id ever given, by collection, if the records do not
/// show it: `"lastIds": {"users": 12}`.
const LAST_IDS: &str = "lastIds";

/// A `db.json` in memory.
pub(crate) struct Document<M> {
    pub state: State<M>,
    pub other_members: OtherMembers,
    /// Whether the records had no ids in the file and were numbered when it was read.
    pub numbered: bool,
}

/// The members of a `db.json` other than the collection, as they are spelled in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct OtherMembers {
    /// In file order. The collection comes after the first `before` of them.
    members: Vec<(String, Box<RawValue>)>,
    before: usize,
    last_ids: Map<String, Value>,
}

impl<M: Model> Document<M> {
    /// An empty collection, for a `db.json` that does not exist yet.
    pub fn empty() -> Self {
        Self {
            state: State::new(),
            other_members: OtherMembers::default(),
            numbered: false,
        }
    }

    /// Reads a whole `db.json`.
    ///
    /// # Errors
    /// The first fault in the text.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| JsonError::at(bytes, error.valid_up_to(), "expected UTF-8"))?;
        let mut reader = Reader::<M>::new(text);
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let parsed = reader
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end());
        match (reader.fault.take(), parsed) {
            (Some(fault), _) => Err(fault),
            (None, Err(error)) => Err(JsonError::from_serde(bytes, 0, &error)),
            (None, Ok(())) => reader.finish(),
        }
    }
}

impl OtherMembers {
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

/// Collects the records while `serde_json` reads the text.
struct Reader<'a, M> {
    text: &'a str,
    loader: Loader<M>,
    /// Whether the text has the collection.
    found: bool,
    /// Whether the records have ids in the text; `None` before the first record.
    ids_given: Option<bool>,
    /// Records that stand behind a record with a higher id.
    late: Vec<Late<M>>,
    /// The fault in a record. serde's error type cannot carry its position.
    fault: Option<JsonError>,
    json: Vec<u8>,
    other_members: OtherMembers,
}

struct Late<M> {
    offset: usize,
    id: u64,
    json: Vec<u8>,
    record: M,
}

impl<'a, M: Model> Reader<'a, M> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            loader: Loader::new(),
            found: false,
            ids_given: None,
            late: Vec::new(),
            fault: None,
            json: Vec::new(),
            other_members: OtherMembers::default(),
        }
    }

    fn fault(&self, offset: usize, detail: impl Into<String>) -> JsonError {
        JsonError::at(self.text.as_bytes(), offset, detail)
    }

    fn record(&mut self, raw: &'a RawValue) -> Result<(), JsonError> {
        let json = raw.get();
        let offset = json.as_ptr() as usize - self.text.as_ptr() as usize;
        let record = record::read::<M>(json, &mut self.json)
            .map_err(|fault| fault.at(self.text.as_bytes(), offset))?;
        let given = record.id().map(common::Id::get);
        if *self.ids_given.get_or_insert(given.is_some()) != given.is_some() {
            let expected = "expected either every record with an id or none";
            return Err(self.fault(offset, expected));
        }
        let last = self.loader.state().last_id;
        let id = given.unwrap_or(last + 1);
        if given.is_none() {
            let comma = if self.json == b"{}" { "" } else { "," };
            self.json
                .splice(1..1, format!("\"id\":{id}{comma}").into_bytes());
            record::check_size(&self.json)
                .map_err(|fault| fault.at(self.text.as_bytes(), offset))?;
        }
        if id > last {
            self.check_unique(offset, id, &record)?;
            self.loader.push(id, &self.json, &record);
        } else {
            let json = std::mem::take(&mut self.json);
            self.late.push(Late {
                offset,
                id,
                json,
                record,
            });
        }
        Ok(())
    }

    fn check_unique(&self, offset: usize, id: u64, record: &M) -> Result<(), JsonError> {
        check_unique(self.loader.state(), id, record).map_err(|detail| self.fault(offset, detail))
    }

    fn finish(self) -> Result<Document<M>, JsonError> {
        let at = |offset, detail: String| JsonError::at(self.text.as_bytes(), offset, detail);
        if !self.found {
            let expected = format!("expected a member \"{}\" with an array", M::COLLECTION);
            return Err(at(0, expected));
        }
        let mut state = self.loader.finish();
        for late in self.late {
            if state.get(late.id).is_some() {
                return Err(at(
                    late.offset,
                    format!(
                        "expected an id other than {}, which another record has",
                        late.id
                    ),
                ));
            }
            check_unique(&state, late.id, &late.record)
                .map_err(|detail| at(late.offset, detail))?;
            state.put(late.id, &late.json, &late.record);
        }
        if let Some(last_id) = self.other_members.last_ids.get(M::COLLECTION) {
            state.last_id = last_id.as_u64().unwrap_or(0).max(state.last_id);
        }
        Ok(Document {
            state,
            other_members: self.other_members,
            numbered: self.ids_given == Some(false),
        })
    }
}

/// Checks that no other record of `state` has the same value in a unique member.
///
/// # Errors
/// Which member, and the other record's id.
pub(crate) fn check_unique<M: Model>(state: &State<M>, id: u64, record: &M) -> Result<(), String> {
    for (index, member, key) in record.unique_keys() {
        let holders = state.posting(index, &key);
        if let Some(holder) = holders.and_then(Posting::first_id)
            && holder != id
        {
            return Err(format!(
                "expected a {member} that {} {holder} does not have",
                M::SINGULAR
            ));
        }
    }
    Ok(())
}

impl<'a, M: Model> DeserializeSeed<'a> for &mut Reader<'a, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a, M: Model> de::Visitor<'a> for &mut Reader<'a, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with a member \"{}\"", M::COLLECTION)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(twice(&key));
            }
            keys.insert(key.clone());
            if key == LAST_IDS {
                self.other_members.last_ids = map.next_value_seed(LastIds)?;
            } else if key != M::COLLECTION {
                let other = map.next_value::<&RawValue>()?.to_owned();
                self.other_members.members.push((key, other));
            } else {
                self.found = true;
                self.other_members.before = self.other_members.members.len();
                map.next_value_seed(Records(self))?;
            }
        }
        Ok(())
    }
}

/// Reads the object of last ids.
struct LastIds;

impl<'a> DeserializeSeed<'a> for LastIds {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> de::Visitor<'a> for LastIds {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the last id given in each collection")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
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
        Ok(last_ids)
    }
}

/// Reads the array of records.
struct Records<'r, 'a, M>(&'r mut Reader<'a, M>);

impl<'a, M: Model> DeserializeSeed<'a> for Records<'_, 'a, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a, M: Model> de::Visitor<'a> for Records<'_, 'a, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of {}", M::COLLECTION)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut records: A) -> Result<(), A::Error> {
        while let Some(raw) = records.next_element::<&'a RawValue>()? {
            if let Err(fault) = self.0.record(raw) {
                let error = de::Error::custom(&fault);
                self.0.fault = Some(fault);
                return Err(error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
