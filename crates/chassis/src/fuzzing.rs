//! Entry points for the fuzzer (`crates/fuzz`). They exist only when the fuzzer builds this crate.

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use common::{Post, User};

use crate::api::{conditional, query};

/// Reads any bytes as a request target. The target is refused, or the link to the next page
/// parses to a query that asks for the same.
///
/// # Panics
/// When the link does not.
pub fn target(bytes: &[u8]) {
    let Ok(uri) = Uri::try_from(bytes) else {
        return;
    };
    let _ = query::parse::<User>(&uri);
    let Ok(query) = query::parse::<Post>(&uri) else {
        return;
    };
    let link = query::next_link(&uri, 7);
    let next = link
        .trim_start_matches('<')
        .trim_end_matches(">; rel=\"next\"");
    let Ok(next) = Uri::try_from(next) else {
        return;
    };
    let next = query::parse::<Post>(&next).expect("a link is a query");
    assert_eq!(next.after, Some(7));
    assert_eq!(
        (next.filters, next.descending),
        (query.filters, query.descending)
    );
    assert_eq!((next.ids, next.limit), (query.ids, query.limit));
}

/// Reads any bytes as a body and as entity tags. Both are refused or read, and a body that was
/// written is found by the next start.
///
/// # Panics
/// When the next start finds something else.
pub fn body(bytes: &[u8]) {
    store::fuzzing::body(bytes);
    if let Ok(tags) = HeaderValue::from_bytes(bytes) {
        let names = [header::IF_MATCH, header::IF_NONE_MATCH];
        let headers = HeaderMap::from_iter(names.map(|name| (name, tags.clone())));
        let _ = conditional::precondition(&headers);
        let _ = conditional::not_modified(&headers, &tags);
    }
}
