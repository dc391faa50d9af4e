//! The text of one record in a `db.json` or a journal.

use common::{Id, Model};
use serde::Deserialize;

use crate::{
    document::{minify::minify, position::Position},
    json::{self, JsonError},
    rules::edit::SET_BY_SERVER,
};

/// The largest size of a record in bytes, without white space.
const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why a text is not a record.
#[derive(Debug)]
pub(crate) enum Fault {
    /// An error of `serde_json`, with its position in the text.
    Json(serde_json::Error),
    /// What was expected of the whole record.
    Whole(String),
}

/// Reads a record, and puts its text without white space into `compact`.
///
/// Every stored record passes through this function: at a start, when the journal is
/// replayed, and before a write is accepted. So all three accept the same records.
///
/// # Errors
/// When the text is not a record, or has a part that the stored record would lose, such
/// as a member that is named twice.
pub(crate) fn read<M: Model>(text: &str, compact: &mut Vec<u8>) -> Result<M, Fault> {
    compact.clear();
    let (record, length) = read_first(text, compact)?;
    if length < text.len() {
        return Err(Fault::Whole("expected nothing after the record".to_owned()));
    }
    Ok(record)
}

/// As [`read`], but reads the record at the beginning of `text`, and appends its text without
/// white space to `compact`. Returns the length of the record in bytes as well.
///
/// # Errors
/// As [`read`]. A part of the text may have been appended to `compact` then.
pub(crate) fn read_first<M: Model>(text: &str, compact: &mut Vec<u8>) -> Result<(M, usize), Fault> {
    let expected = || Fault::Whole(format!("expected a {} (an object)", M::SINGULAR));
    if !text.starts_with('{') {
        return Err(expected());
    }
    let mut records = serde_json::Deserializer::from_str(text).into_iter::<M>();
    let record = records.next().ok_or_else(expected)??;
    let text = &text[..records.byte_offset()];
    let (mut names_id, mut unknown, start) = (false, false, compact.len());
    let levels = minify(text, compact, |name| {
        names_id |= name == b"id";
        unknown |= !is_own::<M>(name);
    });
    let levels = levels.map_err(|too_deep| Fault::Whole(too_deep.to_string()))?;
    check_size(&compact[start..]).map_err(Fault::Whole)?;
    if unknown || levels > 1 {
        // The model skips members that it does not know. This finds a name that stands
        // there twice, and a string with half a surrogate pair.
        let value = json::read_stored(text)?;
        names_id |= value.get("id").is_some();
    }
    if names_id && record.id().is_none() {
        let expected = format!("expected an id, an integer from 1 to {}", Id::<M>::MAX);
        return Err(Fault::Whole(expected));
    }
    Ok((record, text.len()))
}

/// Checks the size of a record. `compact` is its text without white space.
///
/// # Errors
/// When it has more than [`RECORD_BYTES_MAX`] bytes.
pub(crate) fn check_size(compact: &[u8]) -> Result<(), String> {
    if compact.len() > RECORD_BYTES_MAX {
        let bytes_max = RECORD_BYTES_MAX;
        return Err(format!("expected a record of at most {bytes_max} bytes"));
    }
    Ok(())
}

/// Whether a member of this name is one that the model reads.
fn is_own<M: Model>(name: &[u8]) -> bool {
    let members = M::MEMBERS.iter().map(|member| member.name);
    let mut own = SET_BY_SERVER.into_iter().chain(members);
    own.any(|own| own.as_bytes() == name)
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl Fault {
    /// This fault in the record `text`, which begins at `position` of a `db.json`.
    pub fn at(self, text: &str, position: Position) -> JsonError {
        match self {
            Self::Json(error) => position.json(text, &error),
            Self::Whole(detail) => position.fault(detail),
        }
    }

    /// A message about this fault in the record `text`, which is on one line. It names
    /// the record's id, if the text has one.
    pub fn of_record<M: Model>(self, text: &str) -> String {
        #[derive(Deserialize)]
        struct Identified {
            id: u64,
        }
        let detail = match self {
            Self::Json(error) => {
                format!("{} at its byte {}", json::detail(&error), error.column())
            }
            Self::Whole(detail) => detail,
        };
        match serde_json::from_str::<Identified>(text) {
            Ok(Identified { id }) => format!("{} {id} cannot be read: {detail}", M::SINGULAR),
            Err(_) => format!("a {} cannot be read: {detail}", M::SINGULAR),
        }
    }
}

#[cfg(test)]
mod tests {
    use common::{Post, User};

    use super::*;

    const FINN: &str = r#""id":1,"username":"finn","name":"F","bio":"""#;

    fn refused<M: Model>(text: &str) -> String {
        let read = read::<M>(text, &mut Vec::new());
        let fault = read.err().unwrap_or_else(|| panic!("{text} was read"));
        fault.of_record::<M>(text)
    }

    #[test]
    fn what_would_be_lost_is_no_record() {
        for (member, expected) in [
            (r#""x":1,"x":2"#, r#"expected "x" only once"#),
            (
                r#""x":{"y":[{"z":1,"\u007a":2}]}"#,
                r#"expected "z" only once"#,
            ),
            (r#""na\u006de":"G""#, "duplicate field `name`"),
            (r#""x":"\ud800""#, "unexpected end of hex escape"),
            (r#""x":{"\udfff":1}"#, "lone leading surrogate"),
        ] {
            let said = refused::<User>(&format!("{{{FINN},{member}}}"));
            assert!(said.starts_with("user 1 cannot be read: "), "{said}");
            assert!(said.contains(expected), "{member}: {said}");
        }
    }

    #[test]
    fn an_id_is_an_integer_where_there_is_one() {
        for id in ["null", "0", "1.0", "\"1\"", "9007199254740992"] {
            for name in ["id", "\\u0069d"] {
                let said = refused::<Post>(&format!(
                    r#"{{"{name}":{id},"thread":1,"text":"t","user":1}}"#
                ));
                assert!(said.contains("integer"), "{name}, {id}: {said}");
            }
        }
    }

    #[test]
    fn a_records_size_is_that_of_its_text_without_white_space() {
        let frame = format!(r#"{{{FINN},"x":""}}"#).len();
        let record = |bytes: usize, space: usize| {
            let (x, space) = ("x".repeat(bytes - frame), " ".repeat(space));
            format!(r#"{{{space}{FINN},"x":"{x}"}}"#)
        };
        let mut compact = Vec::new();
        assert!(read::<User>(&record(RECORD_BYTES_MAX, 10), &mut compact).is_ok());
        assert_eq!(compact.len(), RECORD_BYTES_MAX);
        let said = refused::<User>(&record(RECORD_BYTES_MAX + 1, 0));
        assert!(said.ends_with("at most 16777216 bytes"), "{said}");
    }
}
