//! What is logged, and what is not.

use std::io::BufRead;

use serde_json::{Value, json};
use testkit::Request;

use crate::with_users;

/// The access log's lines for these requests.
fn access_log(requests: &[Request]) -> Vec<Value> {
    let task = with_users(3).start();
    for request in requests {
        let _ = task.ask(request);
    }
    let log = task.stop().log();
    log.into_iter()
        .filter(|line| line["message"] == "request")
        .collect()
}

#[test]
fn a_request_is_one_line_with_these_members() {
    let request = Request::get("/api/users/2?x=y")
        .header("X-Request-Id", "from-the-client")
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .header(
            "X-Amzn-Trace-Id",
            "Root=1-67891233-abcdef012345678912345678",
        );
    let mut lines = access_log(&[request]);
    assert_eq!(lines.len(), 1);
    let line = lines[0].as_object_mut().unwrap();
    let time = line.remove("time").unwrap();
    assert!(
        time.as_str().unwrap().ends_with('Z') && time.as_str().unwrap().len() == 24,
        "{time}"
    );
    assert!(line.remove("durationMs").unwrap().as_f64().unwrap() > 0.0);
    let body = r#"{"id":2,"username":"user-2","name":"N","bio":""}"#;
    let expected = json!({
        "level": "INFO",
        "service": "users",
        "message": "request",
        "requestId": "from-the-client",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "amznTraceId": "Root=1-67891233-abcdef012345678912345678",
        "client": "127.0.0.1",
        "caller": "anonymous",
        "method": "GET",
        "route": "/api/users/{id}",
        "path": "/api/users/2",
        "status": 200,
        "bytes": body.len()
    });
    assert_eq!(lines[0], expected);
}

#[test]
fn the_client_is_whom_the_load_balancer_saw() {
    let plain = Request::get("/");
    let lines = access_log(&[
        plain.clone().header("X-Forwarded-For", "192.0.2.7"),
        plain
            .clone()
            .header("X-Forwarded-For", "10.0.0.1, 203.0.113.9 ,  2001:db8::1"),
        plain
            .header("X-Forwarded-For", "10.0.0.1")
            .header("X-Forwarded-For", "10.0.0.2,198.51.100.3"),
    ]);
    let clients: Vec<_> = lines
        .iter()
        .map(|line| line["client"].as_str().unwrap())
        .collect();
    assert_eq!(clients, ["192.0.2.7", "2001:db8::1", "198.51.100.3"]);
}

#[test]
fn every_line_of_a_run_is_one_json_object_whatever_clients_send() {
    let nasty = "\"}\u{e9}\t\\{\"level\":\"x\"";
    let lines = access_log(&[
        Request::get("/api/users/%22%0A%7B?a=%22%0A"),
        Request::get("/").header("X-Forwarded-For", nasty),
        Request::get("/")
            .header("traceparent", nasty)
            .header("X-Amzn-Trace-Id", "x".repeat(5000)),
        Request::get("/").header("X-Request-Id", nasty),
        Request::new("BREW", "/api/users"),
    ]);
    let statuses: Vec<_> = lines
        .iter()
        .map(|line| line["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [400, 200, 200, 200, 405]);
    assert_eq!(lines[0]["path"], "/api/users/%22%0A%7B");
    assert_eq!(lines[1]["client"], nasty);
    assert!(lines[2]["amznTraceId"].as_str().unwrap().len() < 1000);
    assert_ne!(lines[3]["requestId"], nasty);
}

#[test]
fn secrets_bodies_and_queries_are_not_logged() {
    let task = with_users(1).env("RUST_LOG", "trace").start();
    let request = Request::new("POST", "/api/users?key=hidden-query")
        .header("Authorization", "Bearer hidden-token")
        .header("Cookie", "session=hidden-cookie")
        .body("application/json", r#"{"username": "hidden-body"}"#);
    assert_eq!(task.ask(&request).status, 405);
    let ended = task.stop();
    assert!(ended.log().iter().any(|line| line["status"] == 405));
    let hidden: Vec<_> = ended
        .stdout
        .iter()
        .filter(|line| line.contains("hidden"))
        .collect();
    assert_eq!(hidden, [""; 0]);
}

#[test]
fn health_checks_and_scrapes_are_logged_at_debug() {
    for (filter, expected) in [("info", 0), ("debug", 3)] {
        let task = with_users(1).env("RUST_LOG", filter).start();
        for path in ["/health/live", "/health/ready", "/metrics"] {
            assert_eq!(task.get(path).status, 200);
        }
        let log = task.stop().log();
        let requests: Vec<_> = log
            .iter()
            .filter(|line| line["message"] == "request")
            .collect();
        assert_eq!(requests.len(), expected);
        assert!(requests.iter().all(|line| line["level"] == "DEBUG"));
    }
}

#[test]
fn a_client_that_leaves_is_logged_with_what_it_got() {
    let task = crate::with_much().start();
    let connection = task.unread("/api/users");
    drop(connection);
    let line = task.logged_where("the request", |line| line["path"] == "/api/users");
    assert_eq!(line["status"], 200);
    assert!(
        line["bytes"].as_u64().unwrap() < crate::MUCH_BYTES as u64,
        "{line}"
    );
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_request() {
    let (stdout, theirs) = std::io::pipe().unwrap();
    let (task, log) = with_users(1).start_onto(theirs, stdout);
    let mut connection = task.connect();

    let burst = Request::get("/api/users/1").to_bytes().repeat(100);
    let mut dropped = 0;
    // About 300 bytes a line. The pipe holds 64 KiB and the buffer 1 MiB.
    for _ in 0..200 {
        connection.send(&burst);
        for _ in 0..100 {
            assert_eq!(connection.response("GET").status, 200);
        }
        let metrics = connection.get("/metrics");
        let count = metrics
            .text()
            .lines()
            .find_map(|line| line.strip_prefix("log_lines_dropped_total "));
        dropped = count.unwrap().parse().unwrap();
        if dropped > 0 {
            break;
        }
    }
    assert!(dropped > 0);

    // Every line is complete, except the last one if the end of the process cut it off.
    drop(task);
    let lines: Vec<_> = log.lines().map(Result::unwrap).collect();
    let parsed: Vec<Value> = lines
        .iter()
        .map_while(|line| serde_json::from_str(line).ok())
        .collect();
    assert!(
        parsed.len() > 100 && parsed.len() + 1 >= lines.len(),
        "{} of {}",
        parsed.len(),
        lines.len()
    );
}
