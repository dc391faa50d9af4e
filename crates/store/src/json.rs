//! Reads JSON texts as values.
//!
//! `serde_json` represents numbers of any length and raw texts internally as objects whose
//! first name begins with `$serde_json::private::`. When its own parser reads a [`Value`],
//! it takes such an object in the text for a number or for raw JSON. A client could so write
//! a record that reads back as something else, or not at all. Here such names have no
//! special meaning.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess},
};
use serde_json::{Map, Number, Value, map::Entry};

/// A JSON object whose members keep their order.
pub type Object = Map<String, Value>;

/// The beginning of the names that have a special meaning in `serde_json`.
const RESERVED: &str = "$serde_json::private::";

/// What is wrong with a JSON text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {detail}")]
pub struct JsonError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there, and what was expected.
    pub detail: String,
}

impl JsonError {
    /// A fault at this byte of the text.
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

    /// The error of `serde_json` for `text`.
    pub(crate) fn from_serde(text: &[u8], error: &serde_json::Error) -> Self {
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let line_start: usize = lines
            .take(error.line().saturating_sub(1))
            .map(<[u8]>::len)
            .sum();
        // serde_json counts the bytes that it has read of the line.
        let offset = line_start + error.column().saturating_sub(1);
        Self::at(text, offset, detail(error))
    }
}

/// Reads a text that has not been checked yet, such as a request's body.
///
/// # Errors
/// When it is not JSON, names a member of an object twice, or has a name with a special
/// meaning in `serde_json`, which other programs may use to read the file.
pub fn read(bytes: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| JsonError::at(bytes, error.valid_up_to(), "expected UTF-8"))?;
    parse(text, Names::Plain).map_err(|error| JsonError::from_serde(bytes, &error))
}

/// Reads a text of a file or a journal, which may have any names.
///
/// # Errors
/// When it is not JSON, or names a member of an object twice.
pub(crate) fn read_stored(text: &str) -> serde_json::Result<Value> {
    parse(text, Names::Any)
}

fn parse(text: &str, names: Names) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = names.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// `serde_json`'s message without the position that it ends with.
pub(crate) fn detail(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(end) if error.line() > 0 => message[..end].to_owned(),
        _ => message,
    }
}

/// The error for a name that an object has twice.
///
/// RFC 8259 §4 does not say what such an object means. Keeping one of the members would lose
/// the other.
pub(crate) fn twice<E: de::Error>(name: &str) -> E {
    E::custom(format_args!("expected {name:?} only once"))
}

/// Which names a text may have. This is also the seed that reads a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Any,
    /// Any but the reserved names.
    Plain,
}

impl<'de> DeserializeSeed<'de> for Names {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Names {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            let name = match key {
                Key::Name(name) => name.into_owned(),
                Key::Number => {
                    let number: Number = map.next_value::<String>()?.parse().map_err(custom)?;
                    return Ok(number.into());
                }
            };
            if self == Self::Plain && name.starts_with(RESERVED) {
                let detail = format_args!("expected another name than {name:?}, which is reserved");
                return Err(custom(detail));
            }
            match members.entry(name) {
                Entry::Vacant(vacant) => vacant.insert(map.next_value_seed(self)?),
                Entry::Occupied(occupied) => return Err(twice(occupied.key())),
            };
        }
        Ok(Value::Object(members))
    }
}

fn custom<E: de::Error>(detail: impl fmt::Display) -> E {
    E::custom(detail)
}

/// A key of a map in `serde_json`'s data model.
pub(crate) enum Key<'de> {
    /// A member's name. It is borrowed from the text unless it has escapes there.
    Name(Cow<'de, str>),
    /// The map is a number that fits neither `u64` nor `i64`. Its only value is the number's
    /// text.
    Number,
}

/// Reads a key and distinguishes a name in the text from the key that `serde_json` makes up
/// for a number. Asked for an option, `serde_json` yields `Some` for a name and a plain value
/// for the made-up key, whatever the name is.
pub(crate) struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key<'de>, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> de::Visitor<'de> for KeySeed {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key<'de>, D::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        let Name(name) = Name::deserialize(deserializer)?;
        Ok(Key::Name(name))
    }

    fn visit_str<E>(self, _: &str) -> Result<Key<'de>, E> {
        Ok(Key::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "$serde_json::private::Number";
    const RAW_VALUE: &str = "$serde_json::private::RawValue";

    fn refused(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn values_are_what_they_say() {
        for text in [
            "null",
            "[true,false]",
            r#"{"a":{"b":[]},"c":"\n ü \u0000"}"#,
            "[0,-0,-1,1.50,12345678901234567890123.10,1e+999999,-1e-999999]",
            "[18446744073709551615,18446744073709551616,-9223372036854775809]",
        ] {
            let value = read(text.as_bytes()).unwrap();
            assert_eq!(value.to_string(), text);
            assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
            assert_eq!(read_stored(&format!(" {text}\n")).unwrap(), value);
        }
        assert_eq!(read(b"1E5").unwrap().to_string(), "1e+5");
        assert_eq!(read_stored("1E5").unwrap().as_f64(), Some(1e5));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (text, expected) in [
            ("", "line 1, column 1: EOF while parsing a value"),
            ("{} x", "line 1, column 4: trailing characters"),
            ("[01]", "line 1, column 3: invalid number"),
            ("[\n1.]", "line 2, column 3: invalid number"),
            (
                r#"["\ud800"]"#,
                "line 1, column 9: unexpected end of hex escape",
            ),
            ("\u{feff}{}", "line 1, column 1: expected value"),
        ] {
            assert_eq!(refused(text), expected, "{text}");
        }
        assert_eq!(
            read(b"[\n\xff]").unwrap_err().to_string(),
            "line 2, column 1: expected UTF-8"
        );
        let nested = |levels| "[".repeat(levels) + &"]".repeat(levels);
        assert!(read(nested(127).as_bytes()).is_ok());
        assert!(refused(&nested(128)).contains("recursion limit exceeded"));
    }

    #[test]
    fn a_member_named_twice_is_found_at_any_depth() {
        for fine in ["{}", " [1]", r#"{"a":{"b":1},"b":[{"a":1},{"a":2}]}"#] {
            assert!(read(fine.as_bytes()).is_ok(), "{fine}");
        }
        assert_eq!(
            refused(r#"{"a":1,"a":2}"#),
            r#"line 1, column 10: expected "a" only once"#
        );
        assert_eq!(
            refused("{\"a\":\n  [{\"b\":1,\"\\u0062\":2}]}"),
            r#"line 2, column 18: expected "b" only once"#
        );
        assert!(read_stored(r#"[{"a":1,"a":2}]"#).is_err());
    }

    #[test]
    fn clients_have_no_names_that_mean_something_to_others() {
        for name in [NUMBER, RAW_VALUE, "$serde_json::private::"] {
            for text in [
                format!(r#"{{"{name}":"3"}}"#),
                format!(r#"{{"x":null,"{name}":"3"}}"#),
                format!(r#"[{{"a":[{{"\u0024{}":"3"}}]}}]"#, &name[1..]),
                format!(r#"{{"{}\u003a\u003a{}":"abc"}}"#, &name[..11], &name[13..]),
            ] {
                let said = refused(&text);
                let expected = format!("expected another name than {name:?}, which is reserved");
                assert!(said.starts_with("line 1, column "), "{text}: {said}");
                assert!(said.ends_with(&expected), "{text}: {said}");
            }
        }
        let fine = format!(r#"{{"serde_json":"{NUMBER}","x{NUMBER}":1,"$serde_json":2}}"#);
        assert_eq!(read(fine.as_bytes()).unwrap().to_string(), fine);
    }

    #[test]
    fn files_may_have_any_names_and_they_mean_nothing() {
        for name in [NUMBER, RAW_VALUE] {
            for text in [
                format!(r#"{{"{name}":"3"}}"#),
                format!(r#"{{"{name}":"abc"}}"#),
                format!(r#"{{"{name}":{{"{name}":1.0}},"x":[{{"{name}":null}}]}}"#),
                format!(r#"{{"x":1,"{name}":"abc"}}"#),
            ] {
                let value = read_stored(&text).unwrap();
                assert!(
                    value.get(name).is_some(),
                    "{text}: still an object with that member"
                );
                assert_eq!(value.to_string(), text);
            }
            let twice = format!(r#"{{"{name}":1,"{name}":2}}"#);
            assert!(read_stored(&twice).is_err());
        }
    }
}
