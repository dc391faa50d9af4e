//! What is done to the fields of a message.

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
