//! Entity tags and the conditions that clients put on them (RFC 9110 §13).

use axum::http::{HeaderMap, HeaderValue, header};
use store::Digest;

/// The strong entity tag of contents with this digest.
pub(crate) fn etag(digest: Digest) -> HeaderValue {
    HeaderValue::try_from(format!("\"{digest}\"")).expect("hexadecimal digits make a header value")
}

/// Whether the client has these contents already (`If-None-Match`, compared weakly).
pub(crate) fn not_modified(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    listed(headers, &header::IF_NONE_MATCH, |tag| {
        tag.strip_prefix(b"W/").unwrap_or(tag) == etag
    })
}

/// Whether a header lists an entity tag that `matches`, or `*`.
fn listed(headers: &HeaderMap, name: &header::HeaderName, matches: impl Fn(&[u8]) -> bool) -> bool {
    let lines = headers.get_all(name).iter();
    let mut tags = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    tags.any(|tag| {
        let tag = tag.trim_ascii();
        tag == b"*" || matches(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_is_a_list_compared_weakly() {
        let etag = HeaderValue::from_static("\"abc\"");
        for (given, expected) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x\", W/\"y\" ,\"abc\"", true),
            ("*", true),
            ("\"ab\"", false),
            ("abc", false),
            ("", false),
        ] {
            let headers =
                HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(given))]);
            assert_eq!(not_modified(&headers, &etag), expected, "{given}");
        }
        assert!(!not_modified(&HeaderMap::new(), &etag));
    }
}
