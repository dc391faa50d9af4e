//! How the load balancer checks and changes the header fields of requests and answers.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Authority;
use http::{StatusCode, request};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// The ALB's limits for one line of a request's head.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// More addresses in `X-Forwarded-For` are answered with 463.
const FORWARDED_FOR_MAX: usize = 30;

/// The two addresses of the connection that a request came over.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// The client's address.
    pub peer: IpAddr,
    /// The load balancer's address.
    pub local: SocketAddr,
}

/// Checks a request's head as the ALB does before it tries any rule.
///
/// # Errors
/// Returns the status of the answer:
/// - 400 for a line over 16 KB, a target that is neither a path nor a URL, and a `Host` that is
///   missing, repeated or invalid
/// - 405 for TRACE and CONNECT
/// - 414 for a URL that is too long
/// - 463 for more than 30 addresses in `X-Forwarded-For`
/// - 501 for a `Transfer-Encoding` other than `chunked`
pub fn check(head: &request::Parts) -> Result<(), StatusCode> {
    if matches!(head.method, http::Method::TRACE | http::Method::CONNECT) {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    if head
        .uri
        .path_and_query()
        .is_some_and(|target| target.as_str().len() > LINE_BYTES_MAX)
    {
        return Err(StatusCode::URI_TOO_LONG);
    }
    let too_long = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() > LINE_BYTES_MAX
    };
    if head.headers.iter().any(too_long) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let host_holds = match hosts.next() {
        // RFC 9110 section 7.2: `Host` is empty when the target names no host.
        Some(host) => hosts.next().is_none() && (host.is_empty() || is_host(host.as_bytes())),
        None => head.version != http::Version::HTTP_11,
    };
    // Only CONNECT takes a target that is an authority and nothing else.
    let target_holds = head.uri.authority().is_none_or(|authority| {
        head.uri.scheme().is_some() && is_host(authority.as_str().as_bytes())
    });
    if !host_holds || !target_holds {
        return Err(StatusCode::BAD_REQUEST);
    }
    if !chunked_or_none(&head.headers) {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    let forwarded_for = list(&head.headers, &X_FORWARDED_FOR).count();
    if forwarded_for > FORWARDED_FOR_MAX {
        return Err(StatusCode::from_u16(463).unwrap_or(StatusCode::BAD_REQUEST));
    }
    Ok(())
}

/// Whether this is a host, perhaps with a port. A user name before it is refused (RFC 9110 section
/// 4.2.4).
fn is_host(bytes: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(bytes) else {
        return false;
    };
    let text = authority.as_str();
    let port = text.strip_prefix(authority.host());
    let port = port.map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether the head has no `Transfer-Encoding`, or `chunked` exactly once.
fn chunked_or_none(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    encodings.next().is_none_or(|encoding| {
        encoding.as_bytes().eq_ignore_ascii_case(b"chunked") && encodings.next().is_none()
    })
}

/// Whether the ALB drops the field when `routing.http.drop_invalid_header_fields` is on, as
/// `deploy/cluster.yaml` sets it. Some servers read `Transfer_Encoding` as `Transfer-Encoding`, so
/// such a field could be understood differently behind the load balancer.
fn is_invalid(name: &HeaderName) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !name.as_str().bytes().all(valid)
}

/// The fields that a target gets: the client's, in their order, and those that the load balancer adds.
///
/// `Expect` is removed. hyper itself sends 100 to the client as soon as the body is read, and drops
/// the 100 that a target sends (RFC 9110 section 10.1.1).
pub fn for_target(head: &request::Parts, client: Client, chunked: bool) -> HeaderMap {
    let mut headers = end_to_end(&head.headers, |name| *name == EXPECT || is_invalid(name));
    if let Some(authority) = head.uri.authority() {
        // RFC 9112 section 3.2.2: the host of an absolute-form target overrides `Host`.
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            headers.insert(HOST, host);
        }
    } else if !headers.contains_key(HOST) {
        // HTTP/1.0 needs no `Host`, but the request is forwarded as HTTP/1.1, which does.
        headers.insert(HOST, printed(&client.local));
    }
    if chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if list(&head.headers, &TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers")) {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    headers.insert(X_FORWARDED_FOR, forwarded_for(&head.headers, client.peer));
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.insert(X_FORWARDED_PORT, client.local.port().into());
    let trace_id = trace_id(head.headers.get(X_AMZN_TRACE_ID));
    headers.insert(X_AMZN_TRACE_ID, trace_id);
    headers
}

/// The fields that a client gets. At most one of them gives the body's length: with two, the client
/// could follow the other one and read the rest of the body as its next answer.
///
/// Returns `None` when the target used an encoding that it was not asked for.
#[must_use]
pub fn for_client(received: &HeaderMap) -> Option<HeaderMap> {
    if !chunked_or_none(received) {
        return None;
    }
    let chunked = received.contains_key(TRANSFER_ENCODING);
    let mut headers = end_to_end(received, |name| chunked && *name == CONTENT_LENGTH);
    let mut lengths = list(received, &CONTENT_LENGTH);
    let length = lengths
        .next()
        .and_then(|length| HeaderValue::from_bytes(length).ok());
    let repeated = lengths.next().is_some();
    if let Some(length) = length.filter(|_| repeated && !chunked) {
        // RFC 9110 section 8.6. The values are equal, because hyper refuses different ones.
        headers.insert(CONTENT_LENGTH, length);
    }
    Some(headers)
}

/// The trailers that are forwarded. Fields for one connection are removed, and so are fields that a
/// target would believe to come from the load balancer. (hyper drops those that RFC 9110 section
/// 6.5.1 forbids.)
#[must_use]
pub fn trailers(received: &HeaderMap) -> HeaderMap {
    let own = [
        X_FORWARDED_FOR,
        X_FORWARDED_PROTO,
        X_FORWARDED_PORT,
        X_AMZN_TRACE_ID,
    ];
    end_to_end(received, |name| own.contains(name))
}

/// The fields in their order, without those for one connection (RFC 9110 section 7.6.1) and those that
/// `stays_behind` names.
fn end_to_end(headers: &HeaderMap, stays_behind: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let hop_by_hop = [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        PROXY_CONNECTION,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    let named: Vec<&[u8]> = list(headers, &CONNECTION).collect();
    let goes_on = |name: &HeaderName| {
        // `Connection` must not remove the body's length or the host, even when it names them.
        !stays_behind(name)
            && (*name == CONTENT_LENGTH
                || *name == HOST
                || !(hop_by_hop.contains(name)
                    || named
                        .iter()
                        .any(|named| named.eq_ignore_ascii_case(name.as_str().as_bytes()))))
    };
    let mut kept = HeaderMap::with_capacity(headers.len() + 4);
    for (name, value) in headers.iter().filter(|(name, _)| goes_on(name)) {
        kept.append(name.clone(), value.clone());
    }
    kept
}

/// The members of a comma-separated field, over all its lines.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    lines
        .flat_map(|line| line.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// Mode `append`: the last entry is the client's address as the load balancer sees it. Earlier entries
/// are what the client claims.
fn forwarded_for(headers: &HeaderMap, peer: IpAddr) -> HeaderValue {
    let mut value = Vec::new();
    for line in headers.get_all(X_FORWARDED_FOR) {
        value.extend_from_slice(line.as_bytes());
        value.extend_from_slice(b", ");
    }
    value.extend_from_slice(peer.to_canonical().to_string().as_bytes());
    // The bytes come from valid field values and from an address.
    HeaderValue::from_bytes(&value).unwrap_or_else(|_| printed(&peer))
}

/// Adds a new `Root` when there is none. Otherwise the load balancer adds itself as `Self` and keeps
/// the rest.
fn trace_id(received: Option<&HeaderValue>) -> HeaderValue {
    let received = received
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let fields = || received.split(';').filter(|field| !field.is_empty());
    let has_root = fields().any(|field| field.trim_start().starts_with("Root="));
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let mut random = [0; 12];
    // When the system gives no randomness the ids are not unique, which harms nothing else.
    let _ = getrandom::fill(&mut random);

    let mut value = String::from(if has_root { "Self=1-" } else { "Root=1-" });
    let _ = write!(value, "{seconds:08x}-");
    for byte in random {
        let _ = write!(value, "{byte:02x}");
    }
    for field in fields().filter(|field| !field.trim_start().starts_with("Self=")) {
        value.push(';');
        value.push_str(field);
    }
    HeaderValue::from_str(&value)
        .unwrap_or_else(|_| HeaderValue::from_static("Root=1-00000000-000000000000000000000000"))
}

fn printed(value: &impl ToString) -> HeaderValue {
    HeaderValue::from_str(&value.to_string()).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests;
