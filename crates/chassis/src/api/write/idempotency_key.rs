//! The header `Idempotency-Key`: a client that sends a `POST` again with the same key gets the
//! record that the first one made.

use axum::http::{HeaderMap, HeaderName};
use common::Problem;
use store::IdempotencyKey;

use crate::problem::ProblemDetails;

/// The header of the request.
const NAME: HeaderName = HeaderName::from_static("idempotency-key");

/// The header of an answer with a record that an earlier request made. Its value is `true`.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The largest number of characters in a key.
pub(crate) const KEY_CHARS_MAX: usize = 255;

/// The key of a request, if it has one.
///
/// # Errors
/// When there are several, or the value is no key.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ProblemDetails> {
    let mut lines = headers.get_all(NAME).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    let key = key(line.as_bytes()).filter(|_| lines.next().is_none());
    let key = key.ok_or_else(|| {
        let detail = format!(
            "Idempotency-Key: expected the header once, with 1 to {KEY_CHARS_MAX} visible ASCII \
             characters, bare or in double quotes"
        );
        ProblemDetails::new(Problem::InvalidParameter, detail)
    })?;
    Ok(Some(IdempotencyKey::new(&key)))
}

/// The characters of a key, without the quotes and backslashes of a quoted one (RFC 9651, section
/// 3.3.3). `None` if it is no key.
fn key(value: &[u8]) -> Option<Vec<u8>> {
    let key = match value {
        [b'"', quoted @ .., b'"'] => unescape(quoted)?,
        [b'"', ..] => return None,
        bare => bare.to_vec(),
    };
    let valid = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    valid.then_some(key)
}

/// What stands between two quotes. A backslash stands before a quote and a backslash, and nowhere
/// else.
fn unescape(quoted: &[u8]) -> Option<Vec<u8>> {
    let mut characters = Vec::with_capacity(quoted.len());
    let mut rest = quoted.iter();
    while let Some(character) = rest.next() {
        characters.push(match character {
            b'"' => return None,
            b'\\' => *rest.next().filter(|next| matches!(next, b'"' | b'\\'))?,
            plain => *plain,
        });
    }
    Some(characters)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn text(value: &str) -> Option<String> {
        key(value.as_bytes()).map(|key| String::from_utf8(key).unwrap())
    }

    #[test]
    fn a_key_is_bare_or_quoted() {
        let longest = "k".repeat(KEY_CHARS_MAX);
        for (value, expected) in [
            ("a", "a"),
            (
                "8e03978e-40d5-43e8-bc93-6894a57f9324",
                "8e03978e-40d5-43e8-bc93-6894a57f9324",
            ),
            ("\"a\"", "a"),
            ("\"a\\\"\\\\b\"", "a\"\\b"),
            ("a\"\\b", "a\"\\b"),
            ("!~,;=", "!~,;="),
            (&longest, &longest),
            (&format!("\"{longest}\""), &longest),
        ] {
            assert_eq!(text(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn other_values_are_no_keys() {
        let too_long = "k".repeat(KEY_CHARS_MAX + 1);
        for value in [
            "",
            "\"",
            "\"\"",
            "a b",
            "\"a b\"",
            "\"a",
            "\"a\";x=1",
            "\"a\",\"b\"",
            "\"a\"b\"",
            "\"a\\b\"",
            "\"a\\\"",
            "é",
            "a\tb",
            &too_long,
            &format!("\"{too_long}\""),
        ] {
            assert_eq!(text(value), None, "{value}");
        }
    }

    #[test]
    fn there_is_one_header_at_most() {
        let headers = |values: &[&'static str]| -> HeaderMap {
            let lines = values.iter().copied().map(HeaderValue::from_static);
            lines.map(|value| (NAME, value)).collect()
        };
        assert_eq!(of(&headers(&[])).unwrap(), None);
        let bare = of(&headers(&["a"])).unwrap();
        assert_eq!(bare, Some(IdempotencyKey::new(b"a")));
        assert_eq!(of(&headers(&["\"a\""])).unwrap(), bare);
        assert_ne!(of(&headers(&["b"])).unwrap(), bare);
        for values in [&["a", "a"][..], &["a", ""], &[""]] {
            let problem = of(&headers(values)).unwrap_err().into_response(b"1");
            assert_eq!(problem.status(), 400);
        }
    }
}
