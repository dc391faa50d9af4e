//! Removes white space from JSON.

use memchr::memchr2;

use crate::rules::edit::DEPTH_MAX;

/// How many bytes of a string are searched one by one before `memchr` is called: that is
/// faster for names, which are short.
const NEAR: usize = 12;

/// The text nests deeper than this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected at most {DEPTH_MAX} levels of nesting")]
pub(crate) struct TooDeep;

/// Appends valid `json` to `out` without the white space between its tokens. Calls
/// `name` with each member name of the outermost object, as it is spelled. Returns the
/// number of levels of nesting.
///
/// Nothing else changes: members keep their order, and numbers and strings keep their
/// spelling. So members that the model does not know survive unchanged.
pub(crate) fn minify(
    json: &str,
    out: &mut Vec<u8>,
    mut name: impl FnMut(&[u8]),
) -> Result<usize, TooDeep> {
    let json = json.as_bytes();
    let (mut depth, mut deepest) = (0, 0);
    // The bytes between two runs of white space are copied at once.
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
                let start = at;
                at += string_length(&json[at..]);
                if depth == 1 && is_name(&json[at..]) {
                    name(&json[start + 1..at - 1]);
                }
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(TooDeep);
                }
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    out.extend_from_slice(&json[from..]);
    Ok(deepest)
}

/// Whether the string before `rest` is a member's name.
pub(crate) fn is_name(rest: &[u8]) -> bool {
    let mut rest = rest.iter();
    rest.find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// Length in bytes of the string literal at the beginning of `json`, with both quotes.
pub(crate) fn string_length(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = json.get(at..).and_then(quote_or_escape) {
        at += found;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    json.len()
}

/// The place of the first quote or backslash.
fn quote_or_escape(text: &[u8]) -> Option<usize> {
    let (near, far) = text.split_at(text.len().min(NEAR));
    let found = near.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    found.or_else(|| memchr2(b'"', b'\\', far).map(|found| near.len() + found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minified(json: &str) -> Result<String, TooDeep> {
        let mut out = Vec::new();
        minify(json, &mut out, |_| {})?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn only_white_space_between_tokens_goes() {
        let json = "{ \"a b\" : [ 1.50 ,\t-0e7, \"x \\\" y\\\\\" ] ,\r\n \"ü\\u00e4\" : null }";
        let expected = "{\"a b\":[1.50,-0e7,\"x \\\" y\\\\\"],\"ü\\u00e4\":null}";
        assert_eq!(minified(json).as_deref(), Ok(expected));
    }

    #[test]
    fn names_and_levels_are_told() {
        let json = r#" {"a" :"b:", "\u0061":{"c":["d"]},"e\"" : 1} "#;
        let mut names = Vec::new();
        let told = |name: &[u8]| names.push(String::from_utf8(name.to_vec()).unwrap());
        assert_eq!(minify(json, &mut Vec::new(), told), Ok(3));
        assert_eq!(names, ["a", "\\u0061", "e\\\""]);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |n| "[".repeat(n) + &"]".repeat(n);
        assert!(minified(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(minified(&nested(DEPTH_MAX + 1)), Err(TooDeep));
    }
}
