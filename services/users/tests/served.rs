//! What the service serves: its own `db.json`, over TCP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use testkit::{Binary, Request, Task};

const DB: &str = include_str!("../db.json");

fn start() -> Task {
    Binary::new(env!("CARGO_BIN_EXE_users")).db(DB).start()
}

fn users() -> Vec<Value> {
    let db: Value = serde_json::from_str(DB).unwrap();
    db["users"].as_array().unwrap().clone()
}

#[test]
fn every_route_answers() {
    let task = start();
    let mut connection = task.connect();
    let json = "application/json";
    let problem = "application/problem+json";
    let text = "text/plain; charset=utf-8";
    for (target, status, media_type) in [
        ("/", 200, text),
        ("/api", 200, text),
        ("/api/", 200, text),
        ("/api/users", 200, json),
        ("/api/users/", 200, json),
        ("/api/users/1", 200, json),
        ("/api/users/1/", 200, json),
        ("/api/users/999", 404, problem),
        ("/api/users/abc", 400, problem),
        ("/api/users/openapi.json", 200, json),
        ("/health/live", 200, json),
        ("/health/ready", 200, json),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("/api/threads", 404, problem),
        ("/api/posts/1", 404, problem),
        ("//api/users", 404, problem),
    ] {
        let get = connection.get(target);
        assert_eq!(
            (get.status, get.header("content-type")),
            (status, media_type),
            "{target}"
        );
        let head = connection.ask(&Request::new("HEAD", target));
        assert_eq!(
            (head.status, head.header("content-type")),
            (status, media_type),
            "{target}"
        );
    }
    for target in [
        "/",
        "/api",
        "/api/users",
        "/api/users/999",
        "/health/live",
        "/metrics",
    ] {
        let options = connection.ask(&Request::new("OPTIONS", target));
        assert_eq!(
            (options.status, options.header("allow")),
            (204, "GET, HEAD, OPTIONS"),
            "{target}"
        );
    }
}

#[test]
fn the_users_are_those_of_the_file() {
    let task = start();
    let list = task.get("/api/users");
    assert_eq!(list.json(), Value::from(users()));
    for user in users() {
        let one = task.get(&format!("/api/users/{}", user["id"]));
        assert_eq!(one.json(), user);
        let username = user["username"].as_str().unwrap();
        let found = task.get(&format!("/api/users?username={username}"));
        assert_eq!(found.json(), Value::from(vec![user.clone()]));
    }
}

/// As a front-end asks for the authors of a page of posts.
#[test]
fn several_users_are_one_request() {
    let task = start();
    let mut connection = task.connect();
    let expected = |ids: &[u64]| -> Value {
        let asked = |user: &Value| ids.iter().any(|id| user["id"] == *id);
        users().into_iter().filter(asked).collect()
    };
    for target in [
        "/api/users?id=7,3,999,3",
        "/api/users?id=7&id=3",
        "/api/users?id=7%2C3",
    ] {
        let list = connection.get(target);
        assert_eq!(list.json(), expected(&[3, 7]), "{target}");
        assert_eq!(list.header("x-total-count"), "2", "{target}");
        let head = connection.ask(&Request::new("HEAD", target));
        for name in ["x-total-count", "etag", "content-length"] {
            assert_eq!(head.header(name), list.header(name), "{target}");
        }
        let tag = list.header("etag");
        let again = connection.ask(&Request::get(target).header("If-None-Match", tag));
        assert_eq!((again.status, again.text()), (304, ""), "{target}");
    }
    let first = connection.get("/api/users?id=7,3,5&limit=2&sort=-id");
    assert_eq!(first.json()[1]["id"], 5);
    let link = first.header("link");
    let next = link.strip_prefix('<').unwrap().split_once('>').unwrap().0;
    let second = connection.get(next);
    assert_eq!(second.json(), expected(&[3]), "{next}");
    assert_eq!(second.header("x-total-count"), "3");
    assert!(!second.headers.contains_key("link"));
}

#[test]
fn a_parameter_that_a_list_does_not_know_is_refused() {
    let task = start();
    for (query, detail) in [
        (
            "_page=2&_limit=10",
            "query parameter _page: unknown; expected one of id, limit, after, sort, username",
        ),
        (
            "id=3,,7",
            "query parameter id: expected ids with commas between them, as in 3,7,12",
        ),
    ] {
        let refused = task.get(&format!("/api/users?{query}"));
        let problem = refused.json();
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(problem["type"], "urn:forum:problem:invalid-parameter");
        assert_eq!(problem["detail"], detail);
    }
    assert_eq!(task.get("/api/users/3?_page=2").status, 200);
}

#[test]
fn the_file_is_a_forum_worth_reading() {
    assert!(users().len() >= 8);
}
