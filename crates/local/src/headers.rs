//! What the load balancer does to the fields of requests and answers on their way through.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
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

/// Who sent a request, and to which port of the load balancer.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// This end.
    pub local: SocketAddr,
}

/// Checks a request's head as the ALB does, before any rule is looked at.
///
/// # Errors
/// The status of the answer: 400 for a line over 16 KB or a missing or repeated `Host`, 405 for
/// TRACE and CONNECT, 414 for a long URL, 463 for more than 30 addresses in `X-Forwarded-For`,
/// 501 for a `Transfer-Encoding` other than `chunked`.
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
    let hosts = head.headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && head.version == http::Version::HTTP_11) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let mut encodings = head.headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next()
        && (!encoding.as_bytes().eq_ignore_ascii_case(b"chunked") || encodings.next().is_some())
    {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    let forwarded_for = list(&head.headers, &X_FORWARDED_FOR).count();
    if forwarded_for > FORWARDED_FOR_MAX {
        return Err(StatusCode::from_u16(463).unwrap_or(StatusCode::BAD_REQUEST));
    }
    Ok(())
}

/// The fields that go on to a target, in the order they came, and those that the load balancer adds.
pub fn for_target(head: &request::Parts, client: Client, chunked: bool) -> HeaderMap {
    let mut headers = end_to_end(&head.headers);
    if let Some(authority) = head.uri.authority() {
        // RFC 9112 section 3.2.2: what an absolute-form target says wins over `Host`.
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            headers.insert(HOST, host);
        }
    } else if !headers.contains_key(HOST) {
        // HTTP/1.0 needs none, the HTTP/1.1 that goes on does.
        headers.insert(HOST, printed(&client.local));
    }
    if chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if list(&head.headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers")) {
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

/// The fields without those that are for one connection (RFC 9110 section 7.6.1). Order stays.
#[must_use]
pub fn end_to_end(headers: &HeaderMap) -> HeaderMap {
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
    let named: Vec<&str> = list(headers, &CONNECTION).collect();
    let goes_on = |name: &HeaderName| {
        // Nobody may have the length of the body or the host removed by naming it in `Connection`.
        *name == CONTENT_LENGTH
            || *name == HOST
            || !(hop_by_hop.contains(name)
                || named
                    .iter()
                    .any(|named| named.eq_ignore_ascii_case(name.as_str())))
    };
    let mut kept = HeaderMap::with_capacity(headers.len() + 4);
    for (name, value) in headers.iter().filter(|(name, _)| goes_on(name)) {
        kept.append(name.clone(), value.clone());
    }
    kept
}

/// The members of a comma-separated field, over all its lines.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

/// Mode `append`: the last entry is the peer of the load balancer, earlier ones are claims.
fn forwarded_for(headers: &HeaderMap, peer: IpAddr) -> HeaderValue {
    let mut value = Vec::new();
    for line in headers.get_all(X_FORWARDED_FOR) {
        value.extend_from_slice(line.as_bytes());
        value.extend_from_slice(b", ");
    }
    value.extend_from_slice(peer.to_canonical().to_string().as_bytes());
    // Only bytes that were in field values already, and an address.
    HeaderValue::from_bytes(&value).unwrap_or_else(|_| printed(&peer))
}

/// Without `Root`, a new one is added; with one, the load balancer names itself in `Self` and leaves
/// the rest as it is.
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
    // Without the system's randomness the ids are not unique, and nothing else suffers.
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
mod tests {
    use http::{Method, Request};

    use super::*;

    const CLIENT: Client = Client {
        peer: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9)),
        local: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080),
    };

    fn head(method: Method, uri: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn forwarded(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let headers = for_target(&head(Method::GET, "/api/users", headers), CLIENT, false);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    }

    #[test]
    fn heads_are_judged_as_by_the_load_balancer() {
        let long = "a".repeat(LINE_BYTES_MAX);
        let addresses = ["10.0.0.1"; 31].join(",");
        let host = ("host", "forum");
        for (method, uri, headers, status) in [
            (Method::GET, "/", vec![host], None),
            (Method::TRACE, "/", vec![host], Some(405)),
            (Method::CONNECT, "forum:80", vec![host], Some(405)),
            (Method::GET, "/", vec![], Some(400)),
            (Method::GET, "/", vec![host, host], Some(400)),
            (Method::GET, "/", vec![host, ("x", &long)], Some(400)),
            (Method::GET, &format!("/{long}"), vec![host], Some(414)),
            (
                Method::POST,
                "/",
                vec![host, ("transfer-encoding", "Chunked")],
                None,
            ),
            (
                Method::POST,
                "/",
                vec![host, ("transfer-encoding", "gzip, chunked")],
                Some(501),
            ),
            (
                Method::POST,
                "/",
                vec![
                    host,
                    ("transfer-encoding", "gzip"),
                    ("transfer-encoding", "chunked"),
                ],
                Some(501),
            ),
            (
                Method::GET,
                "/",
                vec![host, ("x-forwarded-for", &addresses)],
                Some(463),
            ),
            (
                Method::GET,
                "/",
                vec![host, ("x-forwarded-for", &addresses[9..])],
                None,
            ),
        ] {
            let head = head(method, uri, &headers);
            let result = check(&head).err().map(|status| status.as_u16());
            assert_eq!(
                result,
                status,
                "{} with {} fields",
                head.method,
                headers.len()
            );
        }
    }

    #[test]
    fn fields_for_one_connection_stay_behind_and_the_others_keep_their_order() {
        let names: Vec<String> = forwarded(&[
            ("host", "forum"),
            ("connection", "close, X-Secret, Content-Length, Host"),
            ("x-first", "1"),
            ("keep-alive", "timeout=5"),
            ("x-secret", "1"),
            ("content-length", "0"),
            ("upgrade", "websocket"),
            ("te", "gzip"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic eA=="),
            ("x-last", "1"),
            ("x-last", "2"),
        ])
        .into_iter()
        .map(|(name, _)| name)
        .collect();
        assert_eq!(
            names,
            [
                "host",
                "x-first",
                "content-length",
                "x-last",
                "x-last",
                "x-forwarded-for",
                "x-forwarded-proto",
                "x-forwarded-port",
                "x-amzn-trace-id"
            ]
        );
    }

    #[test]
    fn the_clients_address_is_appended_to_what_it_claims() {
        let value = |headers: &[(&str, &str)], name: &str| {
            let headers = forwarded(headers);
            let values: Vec<_> = headers
                .into_iter()
                .filter(|(n, _)| n == name)
                .map(|(_, v)| v)
                .collect();
            assert_eq!(values.len(), 1, "{name}");
            values[0].clone()
        };
        assert_eq!(value(&[], "x-forwarded-for"), "10.0.0.9");
        let claims = [
            ("x-forwarded-for", "1.1.1.1, 2.2.2.2"),
            ("x-forwarded-for", "3.3.3.3"),
        ];
        assert_eq!(
            value(&claims, "x-forwarded-for"),
            "1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9"
        );
        assert_eq!(
            value(&[("x-forwarded-proto", "https")], "x-forwarded-proto"),
            "http"
        );
        assert_eq!(
            value(&[("x-forwarded-port", "443")], "x-forwarded-port"),
            "8080"
        );
        assert_eq!(value(&[], "host"), "127.0.0.1:8080");
        assert_eq!(value(&[("host", "forum:80")], "host"), "forum:80");
    }

    #[test]
    fn an_absolute_target_says_the_host() {
        let head = head(
            Method::GET,
            "http://forum.example/api",
            &[("host", "other")],
        );
        let headers = for_target(&head, CLIENT, false);
        assert_eq!(headers[HOST], "forum.example");
    }

    #[test]
    fn trailers_are_announced_to_the_target_when_the_client_takes_them() {
        let asked = head(
            Method::GET,
            "/",
            &[("te", "trailers, deflate"), ("connection", "te")],
        );
        let headers = for_target(&asked, CLIENT, true);
        assert_eq!(headers[TE], "trailers");
        assert_eq!(headers[CONNECTION], "te");
        assert_eq!(headers[TRANSFER_ENCODING], "chunked");
    }

    #[test]
    fn a_trace_id_is_made_or_continued() {
        let trace = |received: Option<&'static str>| {
            trace_id(received.map(HeaderValue::from_static).as_ref())
                .to_str()
                .unwrap()
                .to_owned()
        };
        let is_id = |id: &str| {
            let parts: Vec<_> = id.split('-').collect();
            parts.len() == 3 && parts[0] == "1" && parts[1].len() == 8 && parts[2].len() == 24
        };
        let new = trace(None);
        assert!(is_id(new.strip_prefix("Root=").unwrap()), "{new}");
        assert_ne!(new, trace(None));

        let continued = trace(Some(
            "Root=1-67891233-abcdef012345678912345678;CalledFrom=app",
        ));
        let (own, rest) = continued.split_once(';').unwrap();
        assert!(is_id(own.strip_prefix("Self=").unwrap()), "{continued}");
        assert_eq!(
            rest,
            "Root=1-67891233-abcdef012345678912345678;CalledFrom=app"
        );

        let replaced = trace(Some("Self=1-0-0;Root=1-2-3"));
        assert!(
            replaced.ends_with(";Root=1-2-3") && !replaced.contains("Self=1-0-0"),
            "{replaced}"
        );

        let rooted = trace(Some("CalledFrom=app"));
        assert!(
            rooted.starts_with("Root=1-") && rooted.ends_with(";CalledFrom=app"),
            "{rooted}"
        );
    }
}
