//! Loads a `db.json`: an object. The member with the collection's name holds the records;
//! the store keeps all other members unchanged.

use std::io::Read;

use common::{Id, Model};

use crate::{
    digest::Digest,
    document::{
        ahead,
        other_members::OtherMembers,
        position::Position,
        record,
        source::{Source, Unread},
        walk::{ParsedRecord, Piece, Walk},
    },
    json::JsonError,
    memory::state::{Loader, State},
    rules::unique,
};

/// A `db.json` in memory.
pub(crate) struct Document<M> {
    pub state: State<M>,
    pub other_members: OtherMembers,
    /// Whether the records had no ids in the file and were numbered when it was read.
    pub numbered: bool,
}

/// How many bytes of a `db.json` are read at a time. Few in tests, so that every value of
/// some length begins in one piece and ends in another.
const PIECE_BYTES: usize = if cfg!(any(test, fuzzing)) {
    64
} else {
    256 * 1024
};

impl<M: Model> Document<M> {
    /// An empty collection, for a `db.json` that does not exist yet.
    pub fn empty() -> Self {
        Self {
            state: State::new(),
            other_members: OtherMembers::default(),
            numbered: false,
        }
    }

    /// Reads a whole `db.json`, piece by piece. Returns the digest of the file as well.
    ///
    /// One thread reads the records, and another one adds them to the collection.
    ///
    /// # Errors
    /// The first fault in the text, or an error of the file.
    pub fn read(file: impl Read + Send) -> Result<(Self, Digest), Unread> {
        Self::read_in_pieces(file, PIECE_BYTES)
    }

    /// As [`Document::read`], from a text in memory.
    ///
    /// # Errors
    /// The first fault in the text.
    #[cfg(any(test, fuzzing))]
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        match Self::read(bytes) {
            Ok((document, _)) => Ok(document),
            Err(Unread::Fault(fault)) => Err(fault),
            Err(Unread::Io(error)) => panic!("memory can always be read: {error}"),
        }
    }

    fn read_in_pieces(
        file: impl Read + Send,
        piece_bytes: usize,
    ) -> Result<(Self, Digest), Unread> {
        let mut walk = Walk::<M, _>::new(Source::new(file, piece_bytes));
        let mut records = Records::new();
        ahead::fill_and_empty(
            |piece| walk.fill(piece),
            |piece| records.add(piece).map_err(Unread::from),
        )?;
        let (other_members, digest) = walk.finish()?;
        Ok((records.finish(other_members)?, digest))
    }
}

/// The records that were read so far.
struct Records<M> {
    loader: Loader<M>,
    /// Whether the records have ids in the text; `None` before the first record.
    ids_given: Option<bool>,
    late: Vec<Late>,
}

/// A record that stands behind a record with a higher id.
struct Late {
    position: Position,
    id: u64,
    json: Vec<u8>,
}

impl<M: Model> Records<M> {
    fn new() -> Self {
        Self {
            loader: Loader::new(),
            ids_given: None,
            late: Vec::new(),
        }
    }

    /// Adds the records of a piece.
    ///
    /// # Errors
    /// The first record that contradicts a record before it.
    fn add(&mut self, piece: &Piece<M>) -> Result<(), JsonError> {
        // Counted from one late record to the next: all records may be late.
        let (mut last, mut counted) = (piece.start, 0);
        for ParsedRecord {
            record,
            at,
            compact,
        } in &piece.records
        {
            let mut locate = || {
                last = last.behind(&piece.text[counted..*at]);
                counted = *at;
                last
            };
            self.add_record(record, &piece.compact[compact.clone()], &mut locate)
                .map_err(|expected| locate().fault(expected))?;
        }
        Ok(())
    }

    /// Adds a record with this JSON.
    ///
    /// # Errors
    /// What was expected instead.
    fn add_record(
        &mut self,
        record: &M,
        json: &[u8],
        position: impl FnOnce() -> Position,
    ) -> Result<(), String> {
        let given = record.id().map(Id::get);
        if *self.ids_given.get_or_insert(given.is_some()) != given.is_some() {
            return Err("expected either every record with an id or none".to_owned());
        }
        let last = self.loader.state().last_id;
        let id = given.unwrap_or(last + 1);
        if id <= last {
            self.late.push(Late {
                position: position(),
                id,
                json: json.to_vec(),
            });
            return Ok(());
        }
        let numbered = given.is_none().then(|| with_id(id, json));
        let json = numbered.as_deref().unwrap_or(json);
        record::check_size(json)?;
        check_unique(self.loader.state(), id, record)?;
        self.loader.push(id, json, record);
        Ok(())
    }

    /// Adds the late records, and returns the whole document.
    ///
    /// # Errors
    /// The first fault in a record that stands behind a record with a higher id.
    fn finish(self, mut other_members: OtherMembers) -> Result<Document<M>, JsonError> {
        let mut state = self.loader.finish();
        for late in self.late {
            let Late { position, id, json } = late;
            if state.get(id).is_some() {
                let expected = format!("expected an id other than {id}, which another record has");
                return Err(position.fault(expected));
            }
            let record: M =
                serde_json::from_slice(&json).expect("what is added was read as a record");
            check_unique(&state, id, &record).map_err(|expected| position.fault(expected))?;
            state.put(id, json.into(), record);
        }
        if let Some(last_id) = other_members.last_ids.get(M::COLLECTION) {
            state.last_id = last_id.as_u64().unwrap_or(0).max(state.last_id);
        }
        state.set_keys(other_members.keys.take(M::COLLECTION));
        Ok(Document {
            state,
            other_members,
            numbered: self.ids_given == Some(false),
        })
    }
}

/// The JSON of a record without an id, with this id added.
fn with_id(id: u64, json: &[u8]) -> Vec<u8> {
    let comma = if json == b"{}" { "" } else { "," };
    let beginning = format!("{{\"id\":{id}{comma}");
    [beginning.as_bytes(), &json[1..]].concat()
}

/// Checks that no other record of `state` has the same value in a unique member.
///
/// # Errors
/// Which member, and the other record's id.
pub(crate) fn check_unique<M: Model>(state: &State<M>, id: u64, record: &M) -> Result<(), String> {
    match unique::conflict(record, id, |key| state.holder(key)) {
        None => Ok(()),
        Some((member, holder)) => Err(format!(
            "expected a {member} that {} {holder} does not have",
            M::SINGULAR
        )),
    }
}

#[cfg(test)]
mod tests;
