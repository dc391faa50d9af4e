//! Texts whose length or characters are limited by their type.

use std::{borrow::Cow, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::member::{MemberValue, read};

/// A text of `MIN` to `MAX` characters (Unicode scalar values).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text<const MIN: usize, const MAX: usize>(String);

/// A username: 1 to 32 characters of `a-z 0-9 _ -`, unique in the forum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Username(String);

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // A text of at most MAX bytes has at most MAX characters: they need not be counted.
        let fits = text.len() <= MAX || text.chars().count() <= MAX;
        let enough = MIN <= 1 && text.len() >= MIN || text.chars().count() >= MIN;
        if fits && enough {
            return Ok(Self(text));
        }
        let got = text.chars().count();
        Err(de::Error::custom(format_args!(
            "expected {MIN} to {MAX} characters, got {got}"
        )))
    }
}

impl<const MIN: usize, const MAX: usize> MemberValue for Text<MIN, MAX> {
    /// Also requires a visible character if the text may not be empty. Only texts that clients
    /// write must meet this rule: older stored texts are still read.
    fn check(value: &Value) -> Result<(), String> {
        let text: Self = read(value)?;
        if MIN == 0 || text.chars().any(is_visible) {
            return Ok(());
        }
        Err("expected at least one visible character: neither white space nor a control, format, surrogate, private or unassigned one".to_owned())
    }
}

impl MemberValue for Username {}

/// Whether a reader sees this character: it is neither white space nor of
/// Unicode's general category C ("Other").
fn is_visible(character: char) -> bool {
    !character.is_whitespace() && character.general_category_group() != GeneralCategoryGroup::Other
}

impl<'de> Deserialize<'de> for Username {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text));
        }
        Err(de::Error::custom(
            "expected 1 to 32 characters of a-z, 0-9, _ and -",
        ))
    }
}

impl<const MIN: usize, const MAX: usize> Deref for Text<MIN, MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for Username {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> PartialSchema for Text<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(MIN))
            .max_length(Some(MAX))
            .into()
    }
}

impl<const MIN: usize, const MAX: usize> ToSchema for Text<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("Text{MIN}To{MAX}").into()
    }
}

impl PartialSchema for Username {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[a-z0-9_-]{1,32}$"))
            .into()
    }
}

impl ToSchema for Username {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_characters_not_bytes() {
        let three = serde_json::from_str::<Text<1, 3>>("\"äöü\"").unwrap();
        assert_eq!(&*three, "äöü");
        let error = serde_json::from_str::<Text<1, 3>>("\"äöü!\"")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("expected 1 to 3 characters, got 4"),
            "{error}"
        );
        assert!(serde_json::from_str::<Text<1, 3>>("\"\"").is_err());
        assert!(serde_json::from_str::<Text<0, 3>>("\"\"").is_ok());
    }

    #[test]
    fn a_text_that_shows_nothing_is_not_taken_from_clients_but_read() {
        let check = |text: &str| Text::<1, 9>::check(&text.into());
        for shown in [
            "a",
            " a ",
            "\0a",
            "\u{200b}\u{e9}",
            "ß",
            "\u{1f600}",
            "\u{301}",
            ".",
        ] {
            assert_eq!(check(shown), Ok(()), "{shown:?}");
        }
        for blank in [
            " ",
            "\t\r\n",
            "\0",
            "\u{7f}\u{85}",
            "\u{a0}\u{3000}\u{2028}",
            "\u{200b}\u{200d}\u{feff}\u{202e}",
            "\u{ad}",
            "\u{e000}",
            "\u{10ffff}",
            "\u{378}",
        ] {
            let said = check(blank).unwrap_err();
            assert!(
                said.starts_with("expected at least one visible"),
                "{blank:?}: {said}"
            );
            assert!(serde_json::from_value::<Text<1, 9>>(blank.into()).is_ok());
        }
        assert!(check("").unwrap_err().starts_with("expected 1 to 9"));
        assert!(Text::<1, 9>::check(&7.into()).is_err());
    }

    #[test]
    fn usernames_are_lower_case_ascii() {
        for good in ["a", "finn", "x_-9", &"a".repeat(32)] {
            assert!(
                serde_json::from_value::<Username>(good.into()).is_ok(),
                "{good}"
            );
        }
        for bad in ["", "Finn", "a b", "é", &"a".repeat(33)] {
            assert!(
                serde_json::from_value::<Username>(bad.into()).is_err(),
                "{bad}"
            );
        }
    }
}
