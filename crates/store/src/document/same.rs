//! Compares a JSON text with a value while reading it. Making a second value to compare
//! with would slow down every write.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde_json::Value;

use crate::json::{Key, KeySeed, Object};

/// Checks that `text` is an object with exactly these members in this order.
///
/// # Errors
/// The first position at which it differs.
pub(crate) fn check(text: &str, members: &Object) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_any(Members(members))?;
    deserializer.end()
}

/// Compares a value in the text with this one.
struct Same<'v>(&'v Value);

/// Compares an object in the text with this one.
struct Members<'v>(&'v Object);

impl<'de> DeserializeSeed<'de> for Same<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Same<'_> {
    fn expect<E: de::Error>(&self, same: bool) -> Result<(), E> {
        if same { Ok(()) } else { Err(other(self.0)) }
    }
}

fn other<E: de::Error>(expected: impl fmt::Display) -> E {
    E::custom(format_args!("expected {expected}"))
}

impl<'de> de::Visitor<'de> for Same<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.expect(self.0.is_null())
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.expect(self.0.as_bool() == Some(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.expect(self.0.as_u64() == Some(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.expect(self.0.as_i64() == Some(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.expect(self.0.as_str() == Some(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Value::Array(items) = self.0 else {
            return Err(other(self.0));
        };
        for item in items {
            if seq.next_element_seed(Same(item))?.is_none() {
                return Err(other(item));
            }
        }
        match seq.next_element::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(other("no more items")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self.0 {
            Value::Object(members) => Members(members).visit_map(map),
            Value::Number(number) => {
                let is_number = matches!(map.next_key_seed(KeySeed)?, Some(Key::Number));
                let same = is_number && map.next_value::<String>()? == number.as_str();
                self.expect(same)
            }
            _ => Err(other(self.0)),
        }
    }
}

impl<'de> de::Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Each name must be the next one of `self`, so no name stands twice.
        for (name, value) in self.0 {
            match map.next_key_seed(KeySeed)? {
                Some(Key::Name(found)) if found == *name => map.next_value_seed(Same(value))?,
                _ => return Err(other(format_args!("a member {name:?}"))),
            }
        }
        match map.next_key_seed(KeySeed)? {
            None => Ok(()),
            Some(_) => Err(other("no more members")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, members: &str) -> Option<String> {
        let members = crate::json::read_stored(members).unwrap();
        let difference = check(text, members.as_object().unwrap()).err();
        difference.map(|error| error.to_string())
    }

    #[test]
    fn a_text_says_what_it_was_written_from_and_nothing_else() {
        let texts = [
            "{}",
            r#"{"a":null}"#,
            r#"{"a":true}"#,
            r#"{"a":false}"#,
            r#"{"a":1}"#,
            r#"{"a":-1}"#,
            r#"{"a":-0}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e+999999}"#,
            r#"{"a":18446744073709551616}"#,
            r#"{"a":"1"}"#,
            r#"{"a":""}"#,
            r#"{"a":[]}"#,
            r#"{"a":[1]}"#,
            r#"{"a":[1,{"b":null}]}"#,
            r#"{"a":{}}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":{"b":1,"c":1}}"#,
            r#"{"a":1,"b":2}"#,
            r#"{"b":2,"a":1}"#,
            r#"{"a":{"$serde_json::private::Number":"1.0"}}"#,
            r#"{"a":{"$serde_json::private::RawValue":"1"}}"#,
            r#"{"$serde_json::private::Number":"1"}"#,
        ];
        for text in texts {
            for members in texts {
                assert_eq!(
                    said(text, members).is_none(),
                    text == members,
                    "{text} {members}"
                );
            }
        }
    }

    #[test]
    fn a_difference_is_named() {
        for (text, expected) in [
            (r#"{"a":1,"b":[2],"b":[2]}"#, "expected no more members"),
            (r#"{"a":1}"#, "expected a member \"b\""),
            (r#"{"a":1,"b":[3]}"#, "expected 2"),
            (r#"{"a":1,"b":[2]} 7"#, "trailing characters"),
            ("[1]", "expected an object"),
            (r#"{"a":1,"b":[2]"#, "EOF"),
        ] {
            let said = said(text, r#"{"a":1,"b":[2]}"#).unwrap();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
