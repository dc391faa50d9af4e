//! Connections: kept alive, pipelined, and at the limit of their number.

use testkit::{Connection, Request, Task};

use crate::{MUCH_BYTES, with_much, with_users};

#[test]
fn a_connection_serves_many_requests() {
    let task = with_users(5).start();
    let mut connection = task.connect();
    for _ in 0..3 {
        assert_eq!(connection.get("/api/users/5").json()["id"], 5);
        assert_eq!(connection.get("/api/users/6").status, 404);
        let head = connection.ask(&Request::new("HEAD", "/api/users"));
        assert_eq!(head.header("x-total-count"), "5");
        assert_ne!(head.header("content-length"), "0");
        // An answer to HEAD has no body even when it is a problem. A body would be read as the next response.
        assert_eq!(connection.ask(&Request::new("HEAD", "/none")).status, 404);
        assert_eq!(connection.ask(&Request::new("OPTIONS", "/")).status, 204);
        let etag = connection.get("/api/users").header("etag").to_owned();
        let unchanged = Request::get("/api/users").header("If-None-Match", etag);
        assert_eq!(connection.ask(&unchanged).status, 304);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let task = with_users(9).start();
    let mut connection = task.connect();
    let requests = (1..=9).map(|id| Request::get(&format!("/api/users/{id}")).to_bytes());
    connection.send(&requests.collect::<Vec<_>>().concat());
    for id in 1..=9 {
        assert_eq!(connection.response("GET").json()["id"], id);
    }
}

#[test]
fn a_client_may_ask_to_close() {
    let task = with_users(1).start();
    let mut connection = task.connect();
    let response = connection.ask(&Request::get("/").header("Connection", "close"));
    assert_eq!(response.header("connection"), "close");
    connection.wait_closed();
}

#[test]
fn a_refused_body_does_not_spoil_the_connection() {
    let task = with_users(1).start();
    let mut connection = task.connect();
    let write = Request::new("POST", "/api/users").body("application/json", "{\"a\": 1}");
    assert_eq!(connection.ask(&write).status, 405);
    assert_eq!(connection.get("/api/users/1").status, 200);
}

/// A connection that has been used.
fn used(task: &Task) -> Connection {
    let mut connection = task.connect();
    assert_eq!(connection.get("/").status, 200);
    connection
}

#[test]
fn at_the_limit_the_longest_idle_connection_makes_room() {
    let task = with_users(1).arg("--max-connections=3").start();
    let mut connections: Vec<_> = (0..3).map(|_| used(&task)).collect();
    // The oldest connection is no longer the one that has been idle longest.
    assert_eq!(connections[0].get("/").status, 200);
    let mut fourth = used(&task);
    connections[1].wait_closed();
    let mut fifth = used(&task);
    connections[2].wait_closed();
    for connection in [&mut connections[0], &mut fourth, &mut fifth] {
        assert_eq!(connection.get("/").status, 200);
    }
}

#[test]
fn half_a_head_does_not_keep_its_place() {
    let task = with_users(1).env("MAX_CONNECTIONS", "1").start();
    let mut half = task.connect();
    half.send(b"GET / HTTP/1.1\r\nHost: ");
    let _newcomer = used(&task);
    half.wait_closed();
}

#[test]
fn a_connection_in_use_keeps_its_place() {
    let task = with_much().arg("--max-connections=1").start();
    let mut busy = task.unread("/api/users");
    let turned_away = task.connect().get("/");
    assert_eq!(turned_away.status, 503);
    assert_eq!(turned_away.header("retry-after"), "1");
    assert_eq!(turned_away.header("connection"), "close");
    let list = busy.response("GET");
    assert!(list.body.len() > MUCH_BYTES);
    assert_eq!(
        list.json().as_array().unwrap().len().to_string(),
        list.header("x-total-count")
    );
    // Now it is idle, so it is the one to be closed.
    let _newcomer = used(&task);
    busy.wait_closed();
}
