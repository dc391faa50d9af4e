//! What the service serves: its own `db.json`, over TCP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use testkit::{Binary, Request, Task};

const DB: &str = include_str!("../db.json");

fn start() -> Task {
    Binary::new(env!("CARGO_BIN_EXE_threads")).db(DB).start()
}

fn threads() -> Vec<Value> {
    let db: Value = serde_json::from_str(DB).unwrap();
    db["threads"].as_array().unwrap().clone()
}

#[test]
fn every_route_answers() {
    let task = start();
    let mut connection = task.connect();
    for (target, status) in [
        ("/", 200),
        ("/api", 200),
        ("/api/", 200),
        ("/api/threads", 200),
        ("/api/threads/", 200),
        ("/api/threads/1", 200),
        ("/api/threads/999", 404),
        ("/api/threads/1abc", 400),
        ("/api/threads/openapi.json", 200),
        ("/health/live", 200),
        ("/health/ready", 200),
        ("/metrics", 200),
        ("/api/users", 404),
        ("/api/posts", 404),
    ] {
        assert_eq!(connection.get(target).status, status, "{target}");
        let head = connection.ask(&Request::new("HEAD", target));
        assert_eq!(head.status, status, "{target}");
    }
    let delete = connection.ask(&Request::new("DELETE", "/api/threads/1"));
    assert_eq!(
        (delete.status, delete.header("allow")),
        (405, "GET, HEAD, OPTIONS")
    );
}

#[test]
fn the_threads_are_those_of_the_file() {
    let task = start();
    assert_eq!(task.get("/api/threads").json(), Value::from(threads()));
    for thread in threads() {
        let one = task.get(&format!("/api/threads/{}", thread["id"]));
        assert_eq!(one.json(), thread);
        let by_author = task.get(&format!("/api/threads?createdBy={}", thread["createdBy"]));
        let same = |other: &Value| other["createdBy"] == thread["createdBy"];
        let expected: Vec<_> = threads().into_iter().filter(same).collect();
        assert_eq!(by_author.json(), Value::from(expected));
    }
}

#[test]
fn the_file_is_a_forum_worth_reading() {
    assert!(threads().len() >= 15);
}
