//! Which pages may read an answer.

use testkit::Request;

use crate::{EXPOSED, ORIGINS, about_pages, for_pages, headers, requests, service};

#[test]
fn a_page_of_a_listed_origin_may_read_every_answer() {
    for origin in ORIGINS {
        let task = for_pages().start();
        for (status, request) in requests::all().into_iter().chain(requests::writes()) {
            let response = task.ask(&request.clone().header("Origin", origin));
            assert_eq!(response.status, status, "{request:?}");
            let expected = headers(&[
                ("access-control-allow-origin", origin),
                ("access-control-expose-headers", EXPOSED),
                ("vary", "Origin"),
            ]);
            assert_eq!(about_pages(&response), expected, "{request:?}");
        }
    }
}

#[test]
fn a_page_of_another_origin_learns_nothing() {
    for origin in [
        "https://b.example",
        "null",
        "*",
        "",
        "http://a.example",
        "https://a.example:444",
        "https://a.example/",
        "https://a.example.b.example",
        "https://b.a.example",
        "HTTPS://a.example",
        "https://a.example, https://a.example",
        "https://a.example https://b.example",
        "http://localhost",
    ] {
        let task = for_pages().start();
        for (status, request) in requests::all().into_iter().chain(requests::writes()) {
            let response = task.ask(&request.clone().header("Origin", origin));
            assert_eq!(response.status, status, "{request:?}");
            let expected = headers(&[("vary", "Origin")]);
            assert_eq!(about_pages(&response), expected, "{origin} {request:?}");
        }
    }
}

#[test]
fn an_answer_to_no_page_depends_on_the_origin_all_the_same() {
    let task = for_pages().start();
    for (_, request) in requests::all() {
        let expected = headers(&[("vary", "Origin")]);
        assert_eq!(about_pages(&task.ask(&request)), expected, "{request:?}");
    }
}

#[test]
fn with_an_asterisk_every_page_may_read_and_the_answer_does_not_depend_on_it() {
    let task = service().env("CORS_ORIGINS", "*").start();
    for (_, request) in requests::all() {
        let expected = headers(&[
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", EXPOSED),
        ]);
        let with = request.clone().header("Origin", "null");
        for request in [request, with] {
            assert_eq!(about_pages(&task.ask(&request)), expected, "{request:?}");
        }
    }
}

#[test]
fn pages_are_not_for_monitoring() {
    for origins in ["*", ORIGINS[0]] {
        let task = service().env("CORS_ORIGINS", origins).start();
        for path in ["/health/live", "/health/ready", "/metrics"] {
            for method in ["GET", "HEAD", "OPTIONS", "POST"] {
                let request = Request::new(method, path)
                    .header("Origin", ORIGINS[0])
                    .header("Access-Control-Request-Method", "GET");
                let response = task.ask(&request);
                assert_eq!(about_pages(&response), [], "{method} {path}");
            }
        }
    }
}
