//! JSON without white space.

use memchr::memchr2;

/// Levels of nesting that a record may have; `serde_json` reads no more than 128.
pub(crate) const DEPTH_MAX: usize = 100;

/// The text nests deeper than this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected at most {DEPTH_MAX} levels of nesting")]
pub(crate) struct TooDeep;

/// Appends valid `json` to `out`, without the white space between its tokens.
///
/// Nothing else changes: members keep their order, numbers and texts their
/// spelling, so that what nobody here understands survives as it is.
pub(crate) fn minify(json: &str, out: &mut Vec<u8>) -> Result<(), TooDeep> {
    let json = json.as_bytes();
    let mut depth = 0;
    // What lies between two runs of white space is copied in one piece.
    let (mut from, mut at) = (0, 0);
    while at < json.len() {
        match json[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                out.extend_from_slice(&json[from..at]);
                at += 1;
                from = at;
                continue;
            }
            b'"' => {
                at += string_length(&json[at..]);
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(TooDeep);
                }
            }
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    out.extend_from_slice(&json[from..]);
    Ok(())
}

/// Bytes of the string literal that `json` begins with, both quotes counted.
fn string_length(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = json.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minified(json: &str) -> Result<String, TooDeep> {
        let mut out = Vec::new();
        minify(json, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn only_white_space_between_tokens_goes() {
        let json = "{ \"a b\" : [ 1.50 ,\t-0e7, \"x \\\" y\\\\\" ] ,\r\n \"ü\\u00e4\" : null }";
        let expected = "{\"a b\":[1.50,-0e7,\"x \\\" y\\\\\"],\"ü\\u00e4\":null}";
        assert_eq!(minified(json).as_deref(), Ok(expected));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |n| "[".repeat(n) + &"]".repeat(n);
        assert!(minified(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(minified(&nested(DEPTH_MAX + 1)), Err(TooDeep));
    }
}
