//! Points in time.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type},
};

/// A point in time with millisecond precision: RFC 3339 in UTC, `2026-03-04T09:12:33.120Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The current time of the system's clock, rounded down to a millisecond.
    #[must_use]
    pub fn now() -> Self {
        let now = jiff::Timestamp::now();
        Self(jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now))
    }

    /// The time so much before this one; the earliest time if that is later.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let earliest = jiff::Timestamp::MIN;
        Self(self.0.saturating_sub(duration).unwrap_or(earliest))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map(Self).ok_or_else(|| {
            de::Error::custom("expected an RFC 3339 time such as 2026-03-04T09:12:33.120Z")
        })
    }
}

/// Digits of a second's fraction that `jiff` parses: down to nanoseconds.
const FRACTION_DIGITS_MAX: usize = 9;

/// Parses a time. RFC 3339 allows any number of digits behind the second. Digits behind those that
/// are parsed must be zeros, so that two instants are never taken for the same.
fn parse(text: &str) -> Option<jiff::Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if digits <= FRACTION_DIGITS_MAX {
        return text.parse().ok();
    }
    let (digits, offset) = fraction.split_at(digits);
    let (parsed, zeros) = digits.split_at(FRACTION_DIGITS_MAX);
    if zeros.bytes().any(|digit| digit != b'0') {
        return None;
    }
    format!("{seconds}.{parsed}{offset}").parse().ok()
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Timestamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        let read = |json: &str| serde_json::from_str::<Timestamp>(json).map(|t| t.to_string());
        assert_eq!(
            read("\"2026-03-04T09:12:33.120Z\"").unwrap(),
            "2026-03-04T09:12:33.120Z"
        );
        assert_eq!(
            read("\"2026-03-04T10:12:33+01:00\"").unwrap(),
            "2026-03-04T09:12:33.000Z"
        );
        assert!(
            read("\"yesterday\"")
                .unwrap_err()
                .to_string()
                .contains("RFC 3339")
        );
        assert_eq!(
            read("\"2026-03-04T10:12:33.120000000000000+01:00\"").unwrap(),
            "2026-03-04T09:12:33.120Z"
        );
        for none in [
            "2026-03-04T09:12:33.1200000001Z",
            "2026-03-04T09:12:33.1200000000",
        ] {
            read(&format!("\"{none}\"")).unwrap_err();
        }
        let minute = Duration::from_mins(1);
        let earlier = serde_json::from_str::<Timestamp>("\"2026-03-04T00:00:30Z\"").unwrap();
        assert_eq!(
            earlier.saturating_sub(minute).to_string(),
            "2026-03-03T23:59:30.000Z"
        );
        let first = earlier.saturating_sub(Duration::MAX);
        assert_eq!(first.saturating_sub(minute), first);
        let now = Timestamp::now();
        assert_eq!(now.to_string().len(), "2026-03-04T09:12:33.120Z".len());
        assert_eq!(read(&format!("\"{now}\"")).unwrap(), now.to_string());
        assert_eq!(
            serde_json::from_value::<Timestamp>(now.to_string().into()).unwrap(),
            now
        );
    }
}
