//! More writes than may be under way.

use std::time::Instant;

use testkit::{Connection, Request, Response, Task};

use crate::{TOKEN, polite, service};

/// How many writes may wait for their body or for the disk.
const WRITES_MAX: usize = 512;

/// Seconds that a client may take to send its body.
const BODY_SECONDS: u64 = 20;

/// A write, and the index of its last byte.
fn write(number: usize) -> (Vec<u8>, usize) {
    let body = format!(r#"{{"username": "new-{number}", "name": "N", "bio": ""}}"#);
    let bytes = Request::new("POST", "/api/users")
        .header("Authorization", format!("Bearer {TOKEN}"))
        .body("application/json", body)
        .to_bytes();
    let last = bytes.len() - 1;
    (bytes, last)
}

/// Clients that have sent all but the last byte of a write. The service has begun to read all of
/// them.
fn half_written(task: &Task) -> Vec<Connection> {
    let mut held = Vec::new();
    for number in 0..WRITES_MAX {
        let (bytes, last) = write(number);
        let mut connection = task.connect();
        connection.send(&bytes[..last]);
        held.push(connection);
    }
    // The service reads them in the order of their arrival, before later requests.
    assert_eq!(task.get("/").status, 200);
    held
}

fn written(task: &Task, number: usize) -> Response {
    let mut connection = task.connect();
    connection.send(&write(number).0);
    connection.response("POST")
}

#[test]
fn more_writes_than_may_wait_are_refused_and_room_returns_at_once() {
    let task = service(2000).env("WRITE_TOKEN", TOKEN).start();
    let mut held = half_written(&task);
    for number in 0..20 {
        let refused = written(&task, 1000 + number);
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("retry-after"), "1");
        let detail = "too many writes are waiting for the disk";
        assert_eq!(refused.json()["detail"], detail);
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let target = ["/api/users/1", "/api/users"][usize::from(method == "POST")];
        let request = Request::new(method, target).body("application/json", "{}");
        for request in [request.clone(), request.header("Authorization", "Bearer x")] {
            assert_eq!(task.ask(&request).status, 401, "{method}");
        }
    }
    let reads = polite::ask_until(task.addr(), |met| met.answers.len() == 100);
    assert_eq!(reads.turned_away, 0, "reads go on");

    for (number, connection) in held.iter_mut().enumerate() {
        let (bytes, last) = write(number);
        connection.send(&bytes[last..]);
    }
    for connection in &mut held {
        assert_eq!(connection.response("POST").status, 201);
    }
    assert_eq!(written(&task, 2000).status, 201);
    // The refused writes changed nothing.
    let of = |number| task.get(&format!("/api/users?username=new-{number}"));
    assert_eq!(of(1000).text(), "[]");
    assert_eq!(of(511).json().as_array().unwrap().len(), 1);
}

#[test]
fn a_preflight_takes_no_place_among_the_writes() {
    let origin = "https://forum.example";
    let task = service(2000)
        .env("WRITE_TOKEN", TOKEN)
        .env("CORS_ORIGINS", origin)
        .start();
    let held = half_written(&task);
    let create = Request::new("POST", "/api/users").header("Origin", origin);
    let create = create.header("Authorization", format!("Bearer {TOKEN}"));
    let preflight = Request::new("OPTIONS", "/api/users")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST");
    for _ in 0..20 {
        let refused = task.ask(&create);
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("access-control-allow-origin"), origin);
        let allowed = task.ask(&preflight);
        assert_eq!(allowed.status, 204);
        assert!(allowed.headers.contains_key("access-control-allow-methods"));
    }
    drop(held);
}

#[test]
fn half_a_body_gives_its_room_back_when_its_time_is_over() {
    let task = service(2000).env("WRITE_TOKEN", TOKEN).start();
    let began = Instant::now();
    let mut held = half_written(&task);
    assert_eq!(written(&task, 1000).status, 503);
    for connection in &mut held {
        assert_eq!(connection.response("POST").status, 408);
    }
    assert!(began.elapsed().as_secs() >= BODY_SECONDS - 1);
    assert_eq!(written(&task, 1000).status, 201);
}
