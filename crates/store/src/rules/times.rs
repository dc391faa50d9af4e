//! The times of a record, which only the server sets.

use common::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::json::Object;

/// The members of a record that hold times.
pub(crate) const TIMES: [&str; 2] = ["createdAt", "updatedAt"];

/// Whether two values are equal. Times are equal if they are the same instant, even if they
/// are spelled differently.
pub(crate) fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    let instants = a.and_then(instant).zip(b.and_then(instant));
    a == b || instants.is_some_and(|(a, b)| a == b)
}

/// Whether `given` may be the `updatedAt` of an earlier version of the record: it is before
/// the current `updatedAt`, and not before `createdAt`.
pub(crate) fn is_earlier(given: &Value, current: &Object) -> bool {
    let now = current.get("updatedAt").and_then(instant);
    let first = current.get("createdAt").and_then(instant);
    instant(given).is_some_and(|given| now > Some(given) && first <= Some(given))
}

/// The `updatedAt` of the next version of a record: now. If the clock has been put back, it
/// is the time of the current version.
pub(crate) fn updated_at(current: &Object, now: Timestamp) -> Value {
    let times = TIMES.iter().filter_map(|name| current.get(*name));
    let latest = times
        .filter_map(|time| instant(time).map(|instant| (instant, time)))
        .max_by_key(|(instant, _)| *instant);
    match latest {
        Some((latest, time)) if latest > now => time.clone(),
        _ => now.to_string().into(),
    }
}

fn instant(time: &Value) -> Option<Timestamp> {
    Timestamp::deserialize(time).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        instant(&text.into()).unwrap()
    }

    fn record(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn times_are_compared_as_instants() {
        let (time, other) = (
            json!("2026-03-04T09:12:33.120Z"),
            json!("2026-03-04T09:12:33.121Z"),
        );
        for spelling in [
            "2026-03-04T09:12:33.12Z",
            "2026-03-04T09:12:33.120000+00:00",
            "2026-03-04T10:12:33.120+01:00",
            "2026-03-03T23:12:33.120000000-10:00",
            "2026-03-04T09:12:33.1200000000000Z",
        ] {
            assert!(same(Some(&time), Some(&spelling.into())), "{spelling}");
            assert!(!same(Some(&other), Some(&spelling.into())), "{spelling}");
        }
        for other in [
            json!(null),
            json!(7),
            json!("yesterday"),
            json!("2026-03-04T09:12:33.1200000001Z"),
            json!([]),
        ] {
            assert!(!same(Some(&time), Some(&other)), "{other}");
            assert!(same(Some(&other), Some(&other)), "{other}");
        }
        assert!(same(None, None) && !same(Some(&time), None));
    }

    #[test]
    fn an_earlier_version_has_an_earlier_time_that_is_not_before_the_creation() {
        let current = record(json!({
            "createdAt": "2026-03-04T09:00:00Z", "updatedAt": "2026-03-04T10:00:00Z"
        }));
        for (given, earlier) in [
            ("2026-03-04T09:00:00+00:00", true),
            ("2026-03-04T09:59:59.999Z", true),
            ("2026-03-04T10:00:00Z", false),
            ("2026-03-04T10:00:01Z", false),
            ("2026-03-04T08:59:59Z", false),
            ("yesterday", false),
        ] {
            assert_eq!(is_earlier(&given.into(), &current), earlier, "{given}");
        }
        let old = record(json!({"updatedAt": "2026-03-04T10:00:00Z"}));
        assert!(is_earlier(&"2025-01-01T00:00:00Z".into(), &old));
        assert!(!is_earlier(
            &"2025-01-01T00:00:00Z".into(),
            &record(json!({}))
        ));
    }

    #[test]
    fn no_version_is_older_than_the_one_before() {
        let now = at("2026-03-04T10:00:00Z");
        for (current, expected) in [
            (json!({}), "2026-03-04T10:00:00.000Z"),
            (
                json!({"updatedAt": "x", "createdAt": null}),
                "2026-03-04T10:00:00.000Z",
            ),
            (
                json!({"updatedAt": "2026-03-04T09:00:00Z", "createdAt": "2026-03-04T08:00:00Z"}),
                "2026-03-04T10:00:00.000Z",
            ),
            (
                json!({"createdAt": "2026-03-04T11:00:00.5+00:00"}),
                "2026-03-04T11:00:00.5+00:00",
            ),
            (
                json!({"updatedAt": "2026-03-04T10:00:00.0001Z", "createdAt": "2026-03-04T10:00:00Z"}),
                "2026-03-04T10:00:00.0001Z",
            ),
        ] {
            assert_eq!(updated_at(&record(current), now), expected);
        }
    }
}
