//! Preflights: a browser asks with `OPTIONS` before it sends a page's request.

use testkit::{Request, Response, Task};

use crate::{DB, ORIGINS, about_pages, for_pages, headers, service};

const REQUEST_HEADERS: &str = "Authorization, Content-Type, If-Match, If-None-Match, \
                               Idempotency-Key, Cache-Control, X-Request-Id";

fn preflight(task: &Task, origin: &str, target: &str) -> Response {
    let request = Request::new("OPTIONS", target)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "PATCH")
        .header("Access-Control-Request-Headers", "authorization,if-match");
    task.ask(&request)
}

/// The methods that a page may use, from an answer that allows a preflight.
fn methods(response: &Response) -> &str {
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-origin"), ORIGINS[0]);
    assert_eq!(response.header("vary"), "Origin");
    let allowed = response.header("access-control-allow-headers");
    assert_eq!(allowed, REQUEST_HEADERS);
    assert_eq!(response.header("access-control-max-age"), "7200");
    // Tokens travel in `Authorization`, and nothing by itself.
    let credentials = "access-control-allow-credentials";
    assert_eq!(response.headers.get(credentials), None);
    assert!(response.body.is_empty());
    response.header("access-control-allow-methods")
}

#[test]
fn a_preflight_says_what_a_page_may_send_without_a_token() {
    let task = for_pages().start();
    let record = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
    for (target, expected) in [
        ("/api/users", "GET, HEAD, POST, OPTIONS"),
        ("/api/users/", "GET, HEAD, POST, OPTIONS"),
        ("/api/users?limit=1", "GET, HEAD, POST, OPTIONS"),
        ("/api/users/3", record),
        ("/api/users/9", record),
        ("/api/users/openapi.json", "GET, HEAD, OPTIONS"),
    ] {
        let response = preflight(&task, ORIGINS[0], target);
        assert_eq!(methods(&response), expected, "{target}");
        assert_eq!(response.header("allow"), expected, "{target}");
    }
}

#[test]
fn a_service_that_only_reads_allows_no_write() {
    let reading = testkit::Binary::new(env!("CARGO_BIN_EXE_users")).db(DB);
    let task = reading.env("CORS_ORIGINS", ORIGINS[0]).start();
    for target in ["/api/users", "/api/users/3"] {
        let response = preflight(&task, ORIGINS[0], target);
        assert_eq!(methods(&response), "GET, HEAD, OPTIONS", "{target}");
    }
}

#[test]
fn a_page_may_ask_for_what_is_not_there_and_reads_that() {
    let task = for_pages().start();
    let response = preflight(&task, ORIGINS[0], "/nothing/here");
    let all = "GET, HEAD, POST, PUT, PATCH, DELETE";
    assert_eq!(methods(&response), all);
    assert_eq!(response.headers.get("allow"), None);
    let missing = Request::new("PATCH", "/nothing/here").header("Origin", ORIGINS[0]);
    let missing = task.ask(&missing);
    assert_eq!(missing.status, 404);
    let origin = missing.header("access-control-allow-origin");
    assert_eq!(origin, ORIGINS[0]);
}

#[test]
fn a_preflight_of_another_origin_is_a_plain_request_to_options() {
    let task = for_pages().start();
    for target in ["/api/users", "/api/users/3", "/nothing/here"] {
        let response = preflight(&task, "https://b.example", target);
        let plain = task.ask(&Request::new("OPTIONS", target));
        assert_eq!(response.status, plain.status);
        assert_eq!(response.headers.get("allow"), plain.headers.get("allow"));
        assert_eq!(about_pages(&response), headers(&[("vary", "Origin")]));
    }
}

#[test]
fn any_origin_may_ask_with_an_asterisk() {
    let task = service().env("CORS_ORIGINS", "*").start();
    let response = preflight(&task, "null", "/api/users");
    assert_eq!(response.header("access-control-allow-origin"), "*");
    let methods = response.header("access-control-allow-methods");
    assert_eq!(methods, "GET, HEAD, POST, OPTIONS");
    assert_eq!(response.headers.get("vary"), None);
}

#[test]
fn a_preflight_is_logged_and_counted_as_any_request_to_options() {
    let task = for_pages().start();
    assert_eq!(preflight(&task, ORIGINS[0], "/api/users/3").status, 204);
    let line = task.logged("request");
    let members: Vec<_> = line.as_object().unwrap().keys().collect();
    let request = Request::new("OPTIONS", "/api/users/4");
    assert_eq!(task.ask(&request).status, 204);
    let plain = task.logged_where("the other request", |line| line["path"] == "/api/users/4");
    let plain: Vec<_> = plain.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, plain.iter().collect::<Vec<_>>());
    assert_eq!(line["method"], "OPTIONS");
    assert_eq!(line["status"], 204);
    assert_eq!(line["caller"], "anonymous");
    let count = r#"http_requests_total{method="OTHER",route="/api/users/{id}",status="204"} 2"#;
    let metrics = task.get("/metrics");
    assert!(metrics.text().contains(count), "{}", metrics.text());
}
