//! When two requests have the same body: when it means the same. White space and the order of
//! members do not count, since a client that sends a request again may write it anew.

use serde_json::Value;

use crate::{digest::Digest, json::Object};

/// A digest of a body, which is equal for bodies that mean the same.
pub(crate) fn digest(members: &Object) -> Digest {
    let mut body = Value::Object(members.clone());
    body.sort_all_objects();
    Digest::of(body.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn digest_of(text: &str) -> Digest {
        match json::read(text.as_bytes()) {
            Ok(Value::Object(members)) => digest(&members),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn bodies_that_mean_the_same_are_the_same() {
        for (one, other) in [
            ("{}", " { }\n"),
            (
                r#"{"a":1,"b":[2,{"c":3,"d":4}]}"#,
                r#"{"b": [2, {"d": 4, "c": 3}], "a": 1}"#,
            ),
            (r#"{"\u0061":"\u00e9\/"}"#, r#"{"a":"é/"}"#),
        ] {
            assert_eq!(digest_of(one), digest_of(other), "{one}");
        }
    }

    #[test]
    fn bodies_that_mean_something_else_are_others() {
        let bodies = [
            "{}",
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":2}"#,
            r#"{"a":[1]}"#,
            r#"{"a":[1,2]}"#,
            r#"{"a":[2,1]}"#,
            r#"{"a":[[1],2]}"#,
            r#"{"a":[[1,2]]}"#,
            r#"{"a":{"1":2}}"#,
            r#"{"a":{}}"#,
            r#"{"a":[]}"#,
            r#"{"a":null}"#,
            r#"{"a":"null"}"#,
            r#"{"a":1,"b":2}"#,
            r#"{"a":2,"b":1}"#,
            r#"{"a":"1,\"b\":2"}"#,
        ];
        for (number, one) in bodies.iter().enumerate() {
            for other in &bodies[number + 1..] {
                assert_ne!(digest_of(one), digest_of(other), "{one}, {other}");
            }
        }
    }
}
