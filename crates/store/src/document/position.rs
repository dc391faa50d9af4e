//! Places in a text that is read in pieces.

use memchr::{memchr_iter, memrchr};

use crate::json::{self, JsonError};

/// A place in a text: its line, and its column in characters, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    line: usize,
    column: usize,
}

impl Position {
    /// The beginning of a text.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place behind `text`, which begins here.
    pub fn behind(self, text: &str) -> Self {
        match memrchr(b'\n', text.as_bytes()) {
            Some(line_end) => Self {
                line: self.line + memchr_iter(b'\n', text.as_bytes()).count(),
                column: 1 + text[line_end + 1..].chars().count(),
            },
            None => Self {
                line: self.line,
                column: self.column + text.chars().count(),
            },
        }
    }

    /// The place of the last character before this one in the same line. `serde_json` names
    /// this place when it has not read any further: at the end of a text, and for a value of
    /// a wrong type.
    pub fn last_read(self) -> Self {
        Self {
            line: self.line,
            column: (self.column - 1).max(1),
        }
    }

    /// What is wrong here.
    pub fn fault(self, detail: impl Into<String>) -> JsonError {
        JsonError {
            line: self.line,
            column: self.column,
            detail: detail.into(),
        }
    }

    /// What `serde_json` found in `text`, which begins here.
    pub fn json(self, text: &str, error: &serde_json::Error) -> JsonError {
        if (error.line(), error.column()) == (1, 0) {
            return self.last_read().fault(json::detail(error));
        }
        let mut fault = JsonError::from_serde(text.as_bytes(), error);
        if fault.line == 1 {
            fault.column += self.column - 1;
        }
        fault.line += self.line - 1;
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_pieces_has_the_same_places_as_in_one() {
        let text = "a\nbé\n\n\u{1f600}c d\r\ne";
        for (cut, _) in text.char_indices() {
            for (end, _) in text.char_indices().filter(|(end, _)| *end >= cut) {
                let found = Position::START.behind(&text[..cut]).behind(&text[cut..end]);
                let expected = JsonError::at(text.as_bytes(), end, "x");
                assert_eq!(found.fault("x"), expected, "{cut}, {end}");
            }
        }
    }

    #[test]
    fn what_serde_json_finds_has_its_place_in_the_whole_text() {
        for (before, text, line, column) in [
            ("", "tru", 1, 3),
            ("", "", 1, 1),
            ("[1, ", "1 ,", 1, 7),
            ("é: ", "1 ,", 1, 6),
            ("[\n ", "\n é", 3, 2),
            // Nothing of the value was read.
            ("[1, ", "{}", 1, 4),
            ("[1,\n", "{}", 2, 1),
        ] {
            let error = serde_json::from_str::<u8>(text).unwrap_err();
            let fault = Position::START.behind(before).json(text, &error);
            assert_eq!((fault.line, fault.column), (line, column), "{before}{text}");
        }
    }
}
