//! Which pages of other origins may use the service in a browser: the CORS protocol of the Fetch
//! standard (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! There is no `Access-Control-Allow-Credentials`: it lets a page use cookies and certificates that
//! the browser adds by itself, and the services know neither. A token travels in `Authorization`,
//! which the page sets. So a page of any origin can do no more here than a program that its author
//! runs elsewhere, and `*` gives away nothing.
//!
//! Own code, because a layer such as tower-http's answers preflights before a route is found: the
//! methods of a read-only service, the log line and the metrics of a preflight would be wrong. It
//! would also cost the requests of a service without the setting.

mod origins;

use axum::http::{HeaderMap, HeaderValue, header};

pub use self::origins::Origins;

/// The most headers that [`Reader::tell`] adds to an answer.
pub(crate) const HEADERS: usize = 3;

/// The request headers that pages may set.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Cache-Control, \
     X-Request-Id",
);

/// The headers of an answer that pages may read, besides those that they always may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Link, Location, Retry-After, WWW-Authenticate, X-Request-Id, X-Total-Count, \
     Idempotency-Replayed, Forum-State-Age",
);

/// How many seconds a browser may remember the answer to a preflight. Chromium remembers none
/// for longer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Which page may read an answer.
pub(crate) enum Reader {
    /// Every page.
    Anyone,
    /// The one that sent the request, whose origin this is.
    Sender(HeaderValue),
    /// Not the one that sent the request, if a page did.
    Nobody,
}

impl Origins {
    /// Which page may read the answer to a request with these headers.
    pub(crate) fn reader(&self, headers: &HeaderMap) -> Reader {
        let Self::Listed(listed) = self else {
            return Reader::Anyone;
        };
        let mut lines = headers.get_all(header::ORIGIN).iter();
        match (lines.next(), lines.next()) {
            // Looks for the bytes, since a browser sends an origin in one spelling.
            (Some(origin), None) if listed.binary_search(origin).is_ok() => {
                Reader::Sender(origin.clone())
            }
            _ => Reader::Nobody,
        }
    }

    /// Whether a request to `OPTIONS` with these headers is a preflight of a page that may use the
    /// service.
    pub(crate) fn allows_preflight(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && !matches!(self.reader(headers), Reader::Nobody)
    }
}

impl Reader {
    /// Says in the headers of an answer who may read it.
    pub fn tell(self, headers: &mut HeaderMap) {
        let origin = match self {
            // The same for all requests, so that caches need not tell them apart.
            Self::Anyone => HeaderValue::from_static("*"),
            Self::Sender(origin) => {
                headers.append(header::VARY, HeaderValue::from_static("Origin"));
                origin
            }
            Self::Nobody => {
                headers.append(header::VARY, HeaderValue::from_static("Origin"));
                return;
            }
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// Says in the headers of the answer to a preflight what the page may send.
pub(crate) fn allow(methods: &'static str, headers: &mut HeaderMap) {
    let methods = HeaderValue::from_static(methods);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
}
