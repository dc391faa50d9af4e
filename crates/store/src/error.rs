//! Why a collection cannot be opened.

use std::{io, path::PathBuf};

/// Why a collection cannot be opened. Nothing on disk was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such file.
    #[error("{} does not exist; name the file with --db or DB_PATH", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a collection of the model's records.
    #[error("{}, {fault}; mend the file and start again", .path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        fault: DocumentError,
    },
}

/// What is wrong with the text of a `db.json`, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {detail}")]
pub struct DocumentError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there, and what was expected.
    pub detail: String,
}

impl DocumentError {
    /// What is wrong at this byte of the text.
    pub(crate) fn at(text: &[u8], offset: usize, detail: impl Into<String>) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        Self {
            line: before.split(|byte| *byte == b'\n').count(),
            column: String::from_utf8_lossy(&before[line_start..])
                .chars()
                .count()
                + 1,
            detail: detail.into(),
        }
    }

    /// What `serde_json` found in `text[start..]`.
    pub(crate) fn json(text: &[u8], start: usize, error: &serde_json::Error) -> Self {
        let lines = text[start..].split_inclusive(|byte| *byte == b'\n');
        let line_start: usize = lines
            .take(error.line().saturating_sub(1))
            .map(<[u8]>::len)
            .sum();
        // serde_json counts the bytes that it has read of the line.
        let offset = start + line_start + error.column().saturating_sub(1);
        Self::at(text, offset, json_detail(error))
    }
}

/// `serde_json`'s message without the position that it ends with.
pub(crate) fn json_detail(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(end) if error.line() > 0 => message[..end].to_owned(),
        _ => message,
    }
}
