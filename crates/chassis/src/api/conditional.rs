//! The conditions that clients put on their requests (RFC 9110 section 13).

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use store::{Precondition, Versions};

use crate::api::entity_tag::Tags;

/// Whether `If-None-Match` (compared weakly) says that the client has these contents already.
pub(crate) fn not_modified(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let mut lines = headers.get_all(header::IF_NONE_MATCH).iter();
    let Some(first) = lines.next() else {
        return false;
    };
    // Nearly all clients send the tag that we gave them, alone. Comparing it takes no parser.
    if first == etag && lines.next().is_none() {
        return true;
    }
    let ours = etag.as_bytes();
    match Tags::of(headers, &header::IF_NONE_MATCH) {
        None | Some(Tags::Malformed) => false,
        Some(Tags::Any) => true,
        Some(Tags::Listed(tags)) => tags
            .iter()
            .any(|tag| ours.get(1..ours.len() - 1) == Some(tag.opaque)),
    }
}

/// What the client demands of the stored record before it is written. `If-Match` is compared
/// strongly and `If-None-Match` weakly. If there are both, both must hold (RFC 9110 section
/// 13.2.2).
///
/// RFC 9110 does not say what a malformed header means. Here no record meets it: the client
/// wanted protection, so the write is refused.
pub(crate) fn precondition(headers: &HeaderMap) -> Precondition {
    Precondition {
        matches: versions(headers, &header::IF_MATCH),
        matches_none: versions(headers, &header::IF_NONE_MATCH),
    }
}

fn versions(headers: &HeaderMap, name: &HeaderName) -> Option<Versions> {
    let weakly = name == header::IF_NONE_MATCH;
    Some(match Tags::of(headers, name)? {
        Tags::Any => Versions::Any,
        // `If-None-Match: *` refuses every record, and `If-Match` without a tag does.
        Tags::Malformed if weakly => Versions::Any,
        Tags::Malformed => Versions::Digests(Vec::new()),
        Tags::Listed(tags) => {
            let comparable = tags.iter().filter(|tag| weakly || !tag.weak);
            // All our tags have one length: a tag of another length matches nothing.
            let ours = comparable.filter_map(|tag| tag.opaque.try_into().ok());
            Versions::Digests(ours.collect())
        }
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
            ("\"x,y\",\"abc\"", true),
            ("*", true),
            ("\"*\"", false),
            ("\"x,*,y\"", false),
            ("\"x,\"abc\"", false),
            ("\"ABC\"", false),
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
    fn if_match_is_compared_strongly_and_if_none_match_weakly() {
        let ours = *b"0123456789abcdef0123456789abcdef";
        let tag = format!("\"{}\"", String::from_utf8_lossy(&ours));
        let none = Versions::Digests(vec![]);
        let one = Versions::Digests(vec![ours]);
        for (given, strongly, weakly) in [
            (tag.clone(), &one, &one),
            (format!("\"x\", {tag}"), &one, &one),
            (format!("W/{tag}"), &none, &one),
            ("\"x\"".to_owned(), &none, &none),
            (String::new(), &none, &none),
            (format!("{tag}, *"), &none, &Versions::Any),
            (tag[1..].to_owned(), &none, &Versions::Any),
            ("*".to_owned(), &Versions::Any, &Versions::Any),
        ] {
            let value = HeaderValue::try_from(given).unwrap();
            let headers = HeaderMap::from_iter([
                (header::IF_MATCH, value.clone()),
                (header::IF_NONE_MATCH, value),
            ]);
            let precondition = precondition(&headers);
            assert_eq!(precondition.matches.as_ref(), Some(strongly));
            assert_eq!(precondition.matches_none.as_ref(), Some(weakly));
        }
        assert_eq!(precondition(&HeaderMap::new()), Precondition::default());
    }
}
