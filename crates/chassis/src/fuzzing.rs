//! Entry points for the fuzzer (`crates/fuzz`). They exist only when the fuzzer builds this crate.

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use common::{Post, User};

use crate::{
    api::{conditional, query},
    identity,
};

/// Reads any bytes as a request target. The target is refused, or the link to the next page
/// parses to a query that asks for the same.
///
/// # Panics
/// When the link does not, or the ids of the query are not as the store expects them.
pub fn target(bytes: &[u8]) {
    let Ok(uri) = Uri::try_from(bytes) else {
        return;
    };
    let _ = query::parse::<User>(&uri);
    let Ok(query) = query::parse::<Post>(&uri) else {
        return;
    };
    let ids = query.ids.as_deref().unwrap_or_default();
    assert!(ids.is_sorted_by(|one, next| one < next) && ids.len() <= query::ids::IDS_MAX);
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

/// Reads any bytes as a key set. It is refused, or verifies exactly the tokens of its keys.
///
/// # Panics
/// When it does not.
pub fn key_set(bytes: &[u8]) {
    identity::fuzzing::keys(bytes);
}

/// Reads any bytes as the value of `Authorization`. Only the service's key and tokens that the issuer
/// has signed are accepted.
///
/// # Panics
/// When another value is accepted.
pub fn token(bytes: &[u8]) {
    identity::fuzzing::authorization(bytes);
}

/// Makes tokens of any header and claims, which the issuer or an attacker signs. An attacker's are
/// refused, and the issuer's are accepted only for those whom they name.
///
/// # Panics
/// When this is not so.
pub fn signed_token(bytes: &[u8]) {
    identity::fuzzing::signed(bytes);
}
