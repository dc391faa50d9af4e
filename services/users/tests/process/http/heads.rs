//! Heads that cannot be read.

use testkit::Request;

use crate::with_users;

#[test]
fn unreadable_heads_get_a_bare_answer_and_the_connection_ends() {
    let task = with_users(1).start();
    let long = "x".repeat(200 * 1024);
    for (head, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        (
            "GET /api/users HTTP/1.1\r\nbad header\r\n\r\n".to_owned(),
            400,
        ),
        ("GET /api/users\r\n\r\n".to_owned(), 400),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
            400,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(),
            400,
        ),
        (
            format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(200)),
            431,
        ),
        (format!("GET / HTTP/1.1\r\nA: {long}\r\n\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), 431),
    ] {
        let mut connection = task.connect();
        connection.send(head.as_bytes());
        let response = connection.response("GET");
        let begin = &head[..head.len().min(60)];
        assert_eq!(response.status, status, "{begin:?}");
        assert!(response.body.is_empty(), "{begin:?}");
        connection.wait_closed();
    }
    assert_eq!(task.get("/").status, 200);
}

#[test]
fn odd_requests_are_answered_and_do_no_harm() {
    let task = with_users(1).start();
    let (parameters, ids) = ("&x=1".repeat(10_000), ",1".repeat(10_000));
    for (method, target, status) in [
        ("OPTIONS", "*", 404),
        ("GET", "http://elsewhere.example/api/users/1", 200),
        ("GET", "/api/users/%", 400),
        ("GET", "/api/users/..%2f..%2fetc%2fpasswd", 400),
        ("GET", &format!("/api/users/1?{parameters}"), 200),
        ("GET", &format!("/api/users?{parameters}"), 400),
        ("GET", &format!("/api/users?id=1{ids}"), 400),
        ("M-SEARCH", "/api/users", 405),
    ] {
        let response = task.ask(&Request::new(method, target));
        let begin = &target[..target.len().min(60)];
        assert_eq!(response.status, status, "{method} {begin}");
    }
}

#[test]
fn an_http_1_0_client_is_served() {
    let task = with_users(1).start();
    let mut connection = task.connect();
    connection.send(b"GET /api/users/1 HTTP/1.0\r\n\r\n");
    assert_eq!(connection.response("GET").json()["id"], 1);
    connection.wait_closed();
}
