//! JSON objects that name a member twice.

use std::{collections::HashSet, fmt};

use serde::de::{self, Deserializer as _, MapAccess, SeqAccess};
use serde_json::value::RawValue;
use store::DocumentError;

/// Whether every object in `text`, which is valid JSON, names each member once.
///
/// RFC 8259 §4 leaves open what a member means that is named twice; storing
/// one of the two would lose the other.
///
/// # Errors
/// The first second naming.
pub(crate) fn check(text: &str) -> Result<(), DocumentError> {
    check_at(text, text)
}

/// The same for `part`, which lies in `text`.
fn check_at(text: &str, part: &str) -> Result<(), DocumentError> {
    let parts = match part.as_bytes().first() {
        Some(b'{' | b'[') | None => Parts::of(part),
        // White space may only stand before the outermost value.
        Some(b' ' | b'\t' | b'\r' | b'\n') => return check_at(text, part.trim_start()),
        Some(_) => return Ok(()),
    };
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    let parts = parts.map_err(|error| DocumentError::json(text.as_bytes(), start, &error))?;
    parts
        .0
        .into_iter()
        .try_for_each(|part| check_at(text, part))
}

/// The values of an object or an array.
struct Parts<'a>(Vec<&'a str>);

impl<'a> Parts<'a> {
    fn of(part: &'a str) -> serde_json::Result<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(part);
        if part.starts_with('[') {
            deserializer.deserialize_seq(PartsVisitor)
        } else {
            deserializer.deserialize_map(PartsVisitor)
        }
    }
}

struct PartsVisitor;

impl<'a> de::Visitor<'a> for PartsVisitor {
    type Value = Parts<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Parts<'a>, A::Error> {
        let mut names = HashSet::new();
        let mut parts = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) {
                return Err(de::Error::custom(format_args!(
                    "the member {name:?} stands here twice"
                )));
            }
            names.insert(name);
            parts.push(map.next_value::<&RawValue>()?.get());
        }
        Ok(Parts(parts))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Parts<'a>, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = seq.next_element::<&RawValue>()? {
            parts.push(part.get());
        }
        Ok(Parts(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_named_twice_is_found_at_any_depth() {
        for fine in ["{}", " [1]", "7", r#"{"a":{"b":1},"b":[{"a":1},{"a":2}]}"#] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        let twice = |text| check(text).unwrap_err().to_string();
        assert_eq!(
            twice(r#"{"a":1,"a":2}"#),
            r#"line 1, column 10: the member "a" stands here twice"#
        );
        assert_eq!(
            twice("{\"a\":\n  [{\"b\":1,\"\\u0062\":2}]}"),
            r#"line 2, column 18: the member "b" stands here twice"#
        );
    }
}
