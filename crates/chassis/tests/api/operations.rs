//! Health and metrics.

use chassis::Phase;
use common::Post;
use serde_json::json;

use crate::fixture::{Api, all, posts};

#[test]
fn a_ready_service_says_so() {
    for api in all() {
        for path in ["/health/live", "/health/ready"] {
            let response = api.get(path);
            assert_eq!(response.status, 200);
            let mut health = response.json();
            let revision = health.as_object_mut().unwrap().remove("revision");
            assert!(revision.is_some_and(|revision| revision.is_string()));
            let expected = json!({
                "status": "ready", "service": api.name, "version": "1.2.3",
                "mode": "read-only", "records": api.records.len()
            });
            assert_eq!(health, expected);
        }
    }
}

#[test]
fn before_the_collection_is_loaded_the_service_is_alive_and_not_ready() {
    let (api, _app) = Api::starting::<Post>(&[], &[], |routes| {
        routes
            .list_by("thread", "in-thread")
            .summary_by(&["user"], "summary")
    });
    assert_eq!(api.get("/health/live").status, 200);
    let ready = api.get("/health/ready");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["status"], "starting");
    assert!(ready.json().get("records").is_none());
    for target in [
        "/api/posts",
        "/api/posts/1",
        "/api/posts/in-thread/1",
        "/api/posts/summary?user=1",
    ] {
        let response = api.get(target);
        assert_eq!(response.status, 503, "{target}");
        assert_eq!(response.problem(), "unavailable");
        assert_eq!(response.header("retry-after"), "1");
    }
    assert_eq!(api.get("/api/posts/abc").status, 400);
    assert_eq!(api.get("/api/posts/openapi.json").status, 200);
}

#[test]
fn a_draining_service_still_serves_and_asks_clients_to_go() {
    for api in all() {
        api.lifecycle.advance(Phase::Draining);
        let ready = api.get("/health/ready");
        assert_eq!(ready.status, 503);
        assert_eq!(ready.json()["status"], "draining");
        assert_eq!(api.get("/health/live").status, 200);
        let response = api.get(&api.collection());
        assert_eq!(response.records(), api.records);
        assert_eq!(response.header("connection"), "close");
        api.lifecycle.advance(Phase::Ready);
        assert_eq!(api.get("/health/ready").status, 503, "there is no way back");
    }
}

/// The value of a counter with these labels; 0 when it has none yet.
fn count(text: &str, name: &str) -> usize {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

#[test]
fn metrics_count_by_route_method_and_status() {
    let api = posts();
    let etag = api.get("/api/posts/2").header("etag").to_owned();
    let responses = [
        api.get("/api/posts"),
        api.get("/api/posts/1?x"),
        api.get("/api/posts/2/"),
        api.ask("GET", "/api/posts/2", &[("if-none-match", &etag)]),
        api.get("/api/posts/7"),
        api.get("/api/posts/by-user/2"),
        api.get("/api/posts/summary?user=2"),
        api.ask("HEAD", "/api/posts/1", &[]),
        api.ask("BREW", "/api/posts/1", &[]),
        api.get("/some/path"),
        api.get("/some/other/path"),
        api.get("/api/posts/2"),
    ];
    let body_bytes: usize = responses.iter().map(|response| response.body.len()).sum();

    let response = api.get("/metrics");
    let text = std::str::from_utf8(&response.body).unwrap();
    let requests = |route, method, status| {
        let labels = format!(r#"{{method="{method}",route="{route}",status="{status}"}}"#);
        count(text, &format!("http_requests_total{labels}"))
    };
    let counted = [
        requests("/api/posts", "GET", 200),
        requests("/api/posts/{id}", "GET", 200),
        requests("/api/posts/{id}", "GET", 304),
        requests("/api/posts/{id}", "GET", 404),
        requests("/api/posts/{id}", "HEAD", 200),
        requests("/api/posts/{id}", "OTHER", 405),
        requests("/api/posts/by-user/{userId}", "GET", 200),
        requests("/api/posts/summary", "GET", 200),
        requests("none", "GET", 404),
    ];
    assert_eq!(counted, [1, 4, 1, 1, 1, 1, 1, 1, 2]);
    let durations = r#"http_request_duration_seconds_count{route="/api/posts/{id}"}"#;
    assert_eq!(count(text, durations), 8);
    let first = responses.last().map_or(0, |again| again.body.len());
    // The fixture has read the document, too.
    let document = api.get("/api/posts/openapi.json").body.len();
    assert_eq!(
        count(text, "http_response_body_bytes_total"),
        body_bytes + first + document
    );
    assert_eq!(count(text, "store_records"), api.records.len());
    assert_eq!(count(text, "http_requests_in_flight"), 1, "this one");
    assert!(text.contains("log_lines_dropped_total 0\n"));
}

#[test]
fn metrics_are_prometheus_text() {
    for api in all() {
        for (path, _) in api.paths() {
            api.get(&path);
        }
        let response = api.get("/metrics");
        let text = std::str::from_utf8(&response.body).unwrap();
        assert!(text.ends_with('\n'));
        let mut described = "";
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.split(' ');
                assert!(matches!(words.next(), Some("HELP" | "TYPE")), "{line}");
                described = words.next().unwrap();
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(series.starts_with(described), "{line}");
            let labels = &series[described.len()..];
            assert!(
                labels.is_empty() || labels.ends_with('}') || labels.starts_with('_'),
                "{line}"
            );
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
