//! Requests that no browser sends.

use testkit::Request;

use crate::{ORIGINS, about_pages, for_pages, headers};

fn asking(origin: &str) -> Request {
    Request::new("OPTIONS", "/api/users")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
}

#[test]
fn two_origins_are_none() {
    let task = for_pages().start();
    for second in [ORIGINS[0], ORIGINS[1], "https://b.example"] {
        for request in [
            Request::get("/api/users").header("Origin", ORIGINS[0]),
            asking(ORIGINS[0]),
        ] {
            let response = task.ask(&request.header("Origin", second));
            assert_eq!(about_pages(&response), headers(&[("vary", "Origin")]));
        }
    }
}

#[test]
fn an_origin_that_would_break_the_head_is_refused() {
    let task = for_pages().start();
    for origin in ["https://a.example\rX: y", "https://a.example\0", "\x7f"] {
        let response = task.ask(&asking(origin));
        assert_eq!(response.status, 400, "{origin:?}");
        assert_eq!(about_pages(&response), []);
    }
}

#[test]
fn what_a_page_wants_to_send_is_not_repeated() {
    let task = for_pages().start();
    let long = format!("x-{}", "x".repeat(60 * 1024));
    let request = asking(ORIGINS[0]).header("Access-Control-Request-Headers", long);
    let response = task.ask(&request);
    assert_eq!(response.status, 204);
    let bytes: usize = response.headers.iter().map(|(_, value)| value.len()).sum();
    assert!(bytes < 1024, "{:?}", response.headers);
    // The next request of the connection is answered as well.
    let mut connection = task.connect();
    assert_eq!(connection.ask(&request).status, 204);
    assert_eq!(connection.get("/api/users").status, 200);
}

#[test]
fn many_origins_are_each_known() {
    let origins: Vec<_> = (0..2000).map(|n| format!("https://{n}.example")).collect();
    let task = crate::service()
        .env("CORS_ORIGINS", origins.join(","))
        .start();
    let mut connection = task.connect();
    for origin in &origins {
        let request = Request::get("/api/users/3").header("Origin", origin);
        let response = connection.ask(&request);
        assert_eq!(response.header("access-control-allow-origin"), origin);
    }
    for other in (2000..4000).map(|n| format!("https://{n}.example")) {
        let response = connection.ask(&asking(&other));
        assert_eq!(about_pages(&response), headers(&[("vary", "Origin")]));
    }
}
