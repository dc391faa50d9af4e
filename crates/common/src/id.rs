//! Ids of records.

use std::{cmp::Ordering, fmt, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type},
};

use crate::MemberValue;

/// The id of a record of `M`: an integer from 1 to [`Id::MAX`], given by the server.
///
/// In JSON it is a number, in a path `[1-9][0-9]*`. Ids of different models are different
/// types: an `Id<User>` is not an `Id<Thread>`.
pub struct Id<M> {
    value: u64,
    model: PhantomData<fn() -> M>,
}

/// The text or number is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is an integer from 1 to 9007199254740991")]
pub struct InvalidId;

impl<M> Id<M> {
    /// 2^53 − 1. All JSON readers represent integers up to this one exactly (RFC 8259 §6).
    pub const MAX: u64 = (1 << 53) - 1;

    /// The id with this value.
    ///
    /// # Errors
    /// When the value is 0 or above [`Id::MAX`].
    pub const fn new(value: u64) -> Result<Self, InvalidId> {
        if value == 0 || value > Self::MAX {
            return Err(InvalidId);
        }
        Ok(Self {
            value,
            model: PhantomData,
        })
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.value
    }
}

impl<M> MemberValue for Id<M> {
    fn check(value: &Value) -> Result<(), String> {
        match value.as_u64().map(Self::new) {
            Some(Ok(_)) => Ok(()),
            _ => Err(format!("expected an integer from 1 to {}", Self::MAX)),
        }
    }
}

impl<M> FromStr for Id<M> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // `u64::from_str` would also take `+1` and `01`.
        let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        if !digits {
            return Err(InvalidId);
        }
        text.parse().map_err(|_| InvalidId).and_then(Self::new)
    }
}

impl<'de, M> Deserialize<'de> for Id<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = u64;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an integer from 1 to {}", Id::<()>::MAX)
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
                Ok(value)
            }
        }
        let value = deserializer.deserialize_u64(Visitor)?;
        Self::new(value)
            .map_err(|_| de::Error::invalid_value(de::Unexpected::Unsigned(value), &Visitor))
    }
}

impl<M> Serialize for Id<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.value)
    }
}

impl<M> PartialSchema for Id<M> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(1))
            .maximum(Some(Self::MAX))
            .into()
    }
}

impl<M> ToSchema for Id<M> {}

// Written by hand, because `derive` would require these traits of `M`, too.
impl<M> Clone for Id<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M> Copy for Id<M> {}
impl<M> PartialEq for Id<M> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl<M> Eq for Id<M> {}
impl<M> PartialOrd for Id<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<M> Ord for Id<M> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}
impl<M> fmt::Debug for Id<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl<M> fmt::Display for Id<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_positive_integers_are_ids() {
        for text in ["1", "9", "10", "9007199254740991"] {
            assert_eq!(
                text.parse::<Id<()>>().map(|id| id.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "0",
            "01",
            "+1",
            "-1",
            "1abc",
            "0x1",
            "1e3",
            "1.0",
            " 1",
            "１",
            "9007199254740992",
            "18446744073709551616",
        ] {
            assert_eq!(text.parse::<Id<()>>(), Err(InvalidId), "{text:?}");
        }
    }

    #[test]
    fn json_ids_are_integers_in_range() {
        assert_eq!(serde_json::from_str::<Id<()>>("7").unwrap().get(), 7);
        for json in [
            "0",
            "-1",
            "1.5",
            "1.0",
            "\"1\"",
            "null",
            "9007199254740992",
            "1e3",
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            let read = serde_json::from_str::<Id<()>>(json).unwrap_err();
            for error in [read.to_string(), Id::<()>::check(&value).unwrap_err()] {
                assert!(
                    error.contains("expected an integer from 1 to 9007199254740991"),
                    "{json}: {error}"
                );
            }
        }
    }
}
