//! Entity tags and the conditions that clients put on them (RFC 9110 §13).

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use store::{Digest, Precondition};

/// The strong entity tag of contents with this digest.
pub(crate) fn etag(digest: Digest) -> HeaderValue {
    let mut tag = [b'"'; 34];
    tag[1..33].copy_from_slice(&digest.hex());
    HeaderValue::from_bytes(&tag).expect("hexadecimal digits make a header value")
}

/// Whether the client has these contents already (`If-None-Match`, compared weakly).
pub(crate) fn not_modified(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    tags(headers, &header::IF_NONE_MATCH)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

/// What the client demands of the record before it is written (`If-Match`, compared strongly).
pub(crate) fn precondition(headers: &HeaderMap) -> Precondition {
    let mut precondition = Precondition::None;
    for tag in tags(headers, &header::IF_MATCH) {
        if tag == b"*" {
            return Precondition::Exists;
        }
        // A tag that is none of ours matches nothing.
        let digest = std::str::from_utf8(tag).ok().and_then(|tag| {
            tag.strip_prefix('"')?
                .strip_suffix('"')?
                .parse::<Digest>()
                .ok()
        });
        match &mut precondition {
            Precondition::OneOf(digests) => digests.extend(digest),
            _ => precondition = Precondition::OneOf(digest.into_iter().collect()),
        }
    }
    precondition
}

/// The entity tags that a header lists.
fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter();
    let tags = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    tags.map(<[u8]>::trim_ascii)
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

    #[test]
    fn if_match_is_a_list_compared_strongly() {
        let digest: Digest = "0000000000000000000000000000002a".parse().unwrap();
        let ours = format!("\"{digest}\"");
        for (given, expected) in [
            (ours.clone(), Precondition::OneOf(vec![digest])),
            (format!("\"x\", {ours}"), Precondition::OneOf(vec![digest])),
            (format!("W/{ours}"), Precondition::OneOf(vec![])),
            ("\"x\"".to_owned(), Precondition::OneOf(vec![])),
            (format!("{ours}, *"), Precondition::Exists),
        ] {
            let value = HeaderValue::try_from(given).unwrap();
            let headers = HeaderMap::from_iter([(header::IF_MATCH, value)]);
            assert_eq!(precondition(&headers), expected);
        }
        assert_eq!(precondition(&HeaderMap::new()), Precondition::None);
    }
}
