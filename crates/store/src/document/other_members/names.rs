//! The names of the members of objects.

use std::collections::HashSet;

use crate::{
    document::{
        minify::{is_name, string_length},
        position::Position,
    },
    json::{JsonError, twice},
};

/// Checks that no object in valid `json`, at any depth, has a name twice. `start` is where
/// `json` begins in its file.
///
/// # Errors
/// The first name that stands twice.
pub(super) fn check(json: &str, start: Position) -> Result<(), JsonError> {
    // For each object and array that is open, the names so far. Those of arrays stay empty.
    let mut open: Vec<HashSet<String>> = Vec::new();
    let mut at = 0;
    while let Some(byte) = json.as_bytes().get(at) {
        match byte {
            b'"' => {
                let literal = &json[at..at + string_length(&json.as_bytes()[at..])];
                at += literal.len();
                if let Some(names) = open.last_mut()
                    && is_name(&json.as_bytes()[at..])
                {
                    // A name with half of a surrogate pair is no text: it is compared as spelled.
                    let name = serde_json::from_str(literal).unwrap_or_else(|_| literal.to_owned());
                    if names.contains(&name) {
                        let end = start.behind(&json[..at - 1]);
                        return Err(end.json("", &twice(&name)));
                    }
                    names.insert(name);
                }
                continue;
            }
            b'{' | b'[' => open.push(HashSet::new()),
            b'}' | b']' => drop(open.pop()),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}
