//! A file's text, read in pieces.

use std::{
    io::{self, Read},
    mem,
};

use xxhash_rust::xxh3::Xxh3;

use crate::{digest::Digest, document::position::Position, json::JsonError};

/// Why a text was not read to its end.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The file cannot be read.
    Io(io::Error),
    /// The text has a fault.
    Fault(JsonError),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<JsonError> for Unread {
    fn from(fault: JsonError) -> Self {
        Self::Fault(fault)
    }
}

/// A file's text. Only the part that was read and is still needed is in memory.
pub(crate) struct Source<R> {
    file: R,
    /// How many bytes are read at a time, at least.
    piece_bytes: usize,
    digest: Xxh3,
    text: String,
    /// Where the text in memory begins in the file.
    start: Position,
    /// The bytes after the text in memory that were read: the beginning of a character, or
    /// bytes that are not UTF-8.
    undecoded: Vec<u8>,
    /// Whether `undecoded` may be the beginning of a character.
    is_utf8: bool,
    /// Whether the text in memory reaches the end of the file.
    ended: bool,
}

impl<R: Read> Source<R> {
    pub fn new(file: R, piece_bytes: usize) -> Self {
        Self {
            file,
            piece_bytes,
            digest: Xxh3::new(),
            text: String::new(),
            start: Position::START,
            undecoded: Vec::new(),
            is_utf8: true,
            ended: false,
        }
    }

    /// The text in memory.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the text in memory reaches the end of the file.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The digest of all bytes that were read so far.
    pub fn digest(&self) -> Digest {
        Digest::from(self.digest.digest128())
    }

    /// The position in the file of this byte of the text in memory.
    pub fn position(&self, at: usize) -> Position {
        self.start.behind(&self.text[..at])
    }

    /// Moves the text before this byte into `taken`. Returns the position where it begins.
    pub fn take(&mut self, end: usize, taken: &mut String) -> Position {
        taken.clear();
        taken.push_str(&self.text[end..]);
        mem::swap(taken, &mut self.text);
        taken.truncate(end);
        let start = self.start;
        self.start = start.behind(taken);
        start
    }

    /// Drops the text before this byte.
    pub fn forget(&mut self, end: usize) {
        self.start = self.position(end);
        self.text.drain(..end);
    }

    /// Reads the next bytes of the file: at least as many as the text in memory has. So a long
    /// value is in memory after a few calls, and looking at its beginning after each call costs
    /// no more than its length.
    ///
    /// # Errors
    /// When the file cannot be read, or the bytes after the text in memory are not UTF-8.
    pub fn read_on(&mut self) -> Result<(), Unread> {
        if !self.is_utf8 {
            return Err(self.not_utf8().into());
        }
        let mut bytes = mem::take(&mut self.text).into_bytes();
        bytes.append(&mut self.undecoded);
        let (before, wanted) = (bytes.len(), bytes.len().max(self.piece_bytes));
        bytes.reserve(wanted);
        let mut piece = self.file.by_ref().take(wanted as u64);
        let read = piece.read_to_end(&mut bytes)?;
        self.digest.update(&bytes[before..]);
        self.decode(bytes, read < wanted);
        Ok(())
    }

    /// Makes `bytes` the text in memory, as far as they are UTF-8. `all` says that the file has
    /// no more bytes.
    fn decode(&mut self, bytes: Vec<u8>, all: bool) {
        let error = match String::from_utf8(bytes) {
            Ok(text) => {
                self.text = text;
                self.ended = all;
                return;
            }
            Err(error) => error,
        };
        let (end, length) = {
            let error = error.utf8_error();
            (error.valid_up_to(), error.error_len())
        };
        let mut bytes = error.into_bytes();
        self.undecoded = bytes.split_off(end);
        self.text = String::from_utf8(bytes).expect("the first of these bytes are UTF-8");
        // An error without a length says that the bytes end within a character.
        self.is_utf8 = length.is_none() && !all;
    }

    fn not_utf8(&self) -> JsonError {
        self.position(self.text.len()).fault("expected UTF-8")
    }
}
