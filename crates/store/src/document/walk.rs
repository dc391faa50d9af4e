//! Reads the text of a `db.json` from its beginning to its end.
//!
//! Messages about the JSON are those of `serde_json`, which does not read a text in pieces.

mod first;

use std::{
    collections::HashSet, convert::Infallible, fmt, io::Read, marker::PhantomData, mem, ops::Range,
};

use common::Model;
use serde::de::{self, Deserializer};

use self::first::{parse_first, raw, skip_space};
use crate::{
    digest::Digest,
    document::{
        other_members::{LAST_IDS, LastIds, OtherMembers, keys::IDEMPOTENCY_KEYS},
        position::Position,
        record,
        source::{Source, Unread},
    },
    json::JsonError,
};

/// Consecutive records of the collection, and the text that they stand in.
pub(crate) struct Piece<M> {
    pub text: String,
    /// Where the text begins in the file.
    pub start: Position,
    /// The texts of the records without white space, without anything between them.
    pub compact: Vec<u8>,
    pub records: Vec<ParsedRecord<M>>,
}

/// A record, and where it is in its piece.
pub(crate) struct ParsedRecord<M> {
    pub record: M,
    /// Where it begins in the text.
    pub at: usize,
    /// Its text without white space.
    pub compact: Range<usize>,
}

impl<M> Default for Piece<M> {
    fn default() -> Self {
        Self {
            text: String::new(),
            start: Position::START,
            compact: Vec::new(),
            records: Vec::new(),
        }
    }
}

/// The state of reading a `db.json`.
pub(crate) struct Walk<M, R> {
    source: Source<R>,
    /// Where the next token or the white space before it begins in the text in memory.
    at: usize,
    stage: Stage,
    /// Whether the next member or record is the first one, and has no comma before it.
    first: bool,
    /// The members' names so far.
    names: HashSet<String>,
    other_members: OtherMembers,
    model: PhantomData<fn() -> M>,
}

/// What comes next in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The object.
    Object,
    /// A member of the object, or its end.
    Member,
    /// A record of the collection, or the end of the array.
    Record,
    /// Nothing: all was read.
    End,
}

/// What the text in memory holds next of the array.
enum Next<M> {
    /// A record, and where it stands in the text.
    Record(M, Range<usize>),
    /// The end of the array, and where the text goes on behind it.
    End(usize),
    /// Only the beginning of a record, or nothing.
    Cut,
}

impl<M: Model, R: Read> Walk<M, R> {
    pub fn new(source: Source<R>) -> Self {
        Self {
            source,
            at: 0,
            stage: Stage::Object,
            first: true,
            names: HashSet::new(),
            other_members: OtherMembers::default(),
            model: PhantomData,
        }
    }

    /// The members other than the collection, and the digest of the file, when all was read.
    ///
    /// # Errors
    /// When the collection is missing.
    pub fn finish(self) -> Result<(OtherMembers, Digest), JsonError> {
        if !self.names.contains(M::COLLECTION) {
            let expected = format!("expected a member \"{}\" with an array", M::COLLECTION);
            return Err(Position::START.fault(expected));
        }
        Ok((self.other_members, self.source.digest()))
    }

    /// Fills a piece with the next records. Returns `false` when there are no more records and
    /// the rest of the file was read.
    ///
    /// # Errors
    /// The first fault in the text after the last piece, or an error of the file.
    pub fn fill(&mut self, piece: &mut Piece<M>) -> Result<bool, Unread> {
        piece.compact.clear();
        piece.records.clear();
        loop {
            match self.stage {
                Stage::Object => self.begin()?,
                Stage::Member => self.member()?,
                Stage::Record => {
                    self.records(piece)?;
                    if !piece.records.is_empty() {
                        let end = mem::take(&mut self.at);
                        piece.start = self.source.take(end, &mut piece.text);
                        return Ok(true);
                    }
                }
                Stage::End => return Ok(false),
            }
        }
    }

    fn begin(&mut self) -> Result<(), Unread> {
        match self.peek()? {
            Some(b'{') => {
                self.at += 1;
                self.enter(Stage::Member, true);
                Ok(())
            }
            None => Err(self.ends_in("a value").into()),
            Some(_) => {
                let expected = format!("an object with a member \"{}\"", M::COLLECTION);
                Err(self.wrong_type(&expected))
            }
        }
    }

    fn enter(&mut self, stage: Stage, first: bool) {
        self.stage = stage;
        self.first = first;
    }

    /// Reads the next member, or the end of the object and of the file. Of the collection, it
    /// reads only the bracket before the first record.
    fn member(&mut self) -> Result<(), Unread> {
        match self.peek()? {
            None => return Err(self.ends_in("an object").into()),
            Some(b'}') => {
                self.at += 1;
                self.stage = Stage::End;
                return match self.peek()? {
                    None => Ok(()),
                    Some(_) => Err(self.fault("trailing characters")),
                };
            }
            Some(b',') if !self.first => {
                self.at += 1;
                match self.peek()? {
                    None => return Err(self.ends_in("a value").into()),
                    Some(b'}') => return Err(self.fault("trailing comma")),
                    Some(_) => {}
                }
            }
            Some(_) if self.first => {}
            Some(_) => return Err(self.fault("expected `,` or `}`")),
        }
        self.first = false;
        if self.peek()? != Some(b'"') {
            return Err(self.fault("key must be a string"));
        }
        let name = self.value(parse_first::<String>)?;
        let colon = self.peek()?;
        if self.names.contains(&name) {
            let end = self.source.position(self.at).last_read();
            return Err(end.fault(format!("expected {name:?} only once")).into());
        }
        self.names.insert(name.clone());
        match colon {
            None => return Err(self.ends_in("an object").into()),
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.fault("expected `:`")),
        }
        match self.peek()? {
            None => Err(self.ends_in("a value").into()),
            Some(b'[') if name == M::COLLECTION => {
                self.at += 1;
                self.other_members.collection_is_here();
                self.enter(Stage::Record, true);
                Ok(())
            }
            Some(_) if name == M::COLLECTION => {
                Err(self.wrong_type(&format!("an array of {}", M::COLLECTION)))
            }
            Some(_) if name == LAST_IDS => {
                let LastIds(last_ids) = self.value(parse_first)?;
                self.other_members.last_ids = last_ids;
                Ok(())
            }
            Some(_) if name == IDEMPOTENCY_KEYS => {
                self.other_members.keys = self.value(parse_first)?;
                Ok(())
            }
            Some(_) => {
                let start = self.source.position(self.at);
                let value =
                    self.value(|rest| raw(rest).map(|(value, length)| (value.to_owned(), length)))?;
                Ok(self.other_members.push(name, value, start)?)
            }
        }
    }

    /// Adds the records in memory to the piece. Reads on until there is at least one, or the
    /// array ends.
    fn records(&mut self, piece: &mut Piece<M>) -> Result<(), Unread> {
        loop {
            let compact_start = piece.compact.len();
            match self.record(&mut piece.compact) {
                Ok(Next::Record(record, range)) => {
                    self.at = range.end;
                    self.first = false;
                    piece.records.push(ParsedRecord {
                        record,
                        at: range.start,
                        compact: compact_start..piece.compact.len(),
                    });
                }
                Ok(Next::End(end)) => {
                    self.at = end;
                    self.enter(Stage::Member, false);
                    return Ok(());
                }
                // The next call finds the fault again. Faults of the records before it, which
                // are not checked yet, come first.
                Ok(Next::Cut) | Err(_) if !piece.records.is_empty() => return Ok(()),
                Ok(Next::Cut) => self.read_on()?,
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// The next record or the end of the array, in the text in memory. Appends the record's
    /// text without white space to `compact`.
    fn record(&self, compact: &mut Vec<u8>) -> Result<Next<M>, JsonError> {
        let text = self.source.text();
        let Some(mut at) = skip_space(text, self.at) else {
            return self.cut("a list");
        };
        match text.as_bytes()[at] {
            b']' => return Ok(Next::End(at + 1)),
            b',' if !self.first => {
                at = match skip_space(text, at + 1) {
                    None => return self.cut("a value"),
                    Some(at) if text.as_bytes()[at] == b']' => {
                        return Err(self.source.position(at).fault("trailing comma"));
                    }
                    Some(at) => at,
                };
            }
            _ if self.first => {}
            _ => return Err(self.source.position(at).fault("expected `,` or `]`")),
        }
        let rest = &text[at..];
        let fault = match record::read_first::<M>(rest, compact) {
            Ok((record, length)) => return Ok(Next::Record(record, at..at + length)),
            Err(fault) => fault,
        };
        // A record that is not JSON has that fault, even if another one stands before it.
        match raw(rest) {
            Ok((_, length)) if length < rest.len() || self.source.ended() => {
                Err(fault.at(rest, self.source.position(at)))
            }
            Err(error) if self.source.ended() => Err(self.source.position(at).json(rest, &error)),
            _ => Ok(Next::Cut),
        }
    }

    /// For the end of the text in memory within `what`.
    fn cut(&self, what: &str) -> Result<Next<M>, JsonError> {
        if self.source.ended() {
            return Err(self.ends_in(what));
        }
        Ok(Next::Cut)
    }

    /// The next byte that is not white space; `None` at the end of the file.
    fn peek(&mut self) -> Result<Option<u8>, Unread> {
        loop {
            let text = self.source.text();
            if let Some(at) = skip_space(text, self.at) {
                let byte = text.as_bytes()[at];
                self.at = at;
                return Ok(Some(byte));
            }
            if self.source.ended() {
                return Ok(None);
            }
            self.read_on()?;
        }
    }

    /// Reads the value that begins here, however long it is. `parse` returns the value at the
    /// beginning of a text, and its length in bytes.
    fn value<T>(
        &mut self,
        parse: impl Fn(&str) -> serde_json::Result<(T, usize)>,
    ) -> Result<T, Unread> {
        loop {
            let rest = &self.source.text()[self.at..];
            match parse(rest) {
                // A number that ends with the text in memory may have more digits.
                Ok((value, length)) if length < rest.len() || self.source.ended() => {
                    self.at += length;
                    return Ok(value);
                }
                Err(error) if self.source.ended() => {
                    return Err(self.source.position(self.at).json(rest, &error).into());
                }
                _ => self.read_on()?,
            }
        }
    }

    fn read_on(&mut self) -> Result<(), Unread> {
        self.source.forget(mem::take(&mut self.at));
        self.source.read_on()
    }

    fn fault(&self, detail: &str) -> Unread {
        self.source.position(self.at).fault(detail).into()
    }

    /// The fault of a file that ends within `what`.
    fn ends_in(&self, what: &str) -> JsonError {
        let end = self.source.position(self.source.text().len());
        end.last_read().fault(format!("EOF while parsing {what}"))
    }

    /// The fault of the value that begins here: it has another type than expected.
    fn wrong_type(&mut self, expected: &str) -> Unread {
        let Err(error) = self.value(|rest| {
            // The visitor refuses `null` as well.
            let mut deserializer = serde_json::Deserializer::from_str(rest);
            let never = deserializer.deserialize_unit(Expected(expected))?;
            Ok((never, 0))
        });
        error
    }
}

/// Refuses every value.
struct Expected<'a>(&'a str);

impl de::Visitor<'_> for Expected<'_> {
    type Value = Infallible;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
