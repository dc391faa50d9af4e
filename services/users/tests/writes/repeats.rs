//! Requests that a client sends again with the same `Idempotency-Key`.

use std::{fs, thread};

use serde_json::{Value, json};
use testkit::{Binary, Request, Response, Signal, Task, eventually};

use crate::{authorized, problem, user, usernames, writable, write};

/// A request for a new user with this key.
fn keyed(key: &str, body: &Value) -> Request {
    write("POST", "/api/users", body).header("Idempotency-Key", key)
}

/// The status, the place of the record, and whether it is a replay.
fn outcome(response: &Response) -> (u16, String, bool) {
    let replayed = response.headers.get("idempotency-replayed");
    if let Some(value) = replayed {
        assert_eq!(value, "true");
    }
    let location = response.header("location").to_owned();
    (response.status, location, replayed.is_some())
}

fn created(id: u64) -> (u16, String, bool) {
    (201, format!("/api/users/{id}"), false)
}

fn replayed(id: u64) -> (u16, String, bool) {
    (201, format!("/api/users/{id}"), true)
}

#[test]
fn a_request_that_is_sent_again_gets_the_record_that_there_is() {
    let task = writable().start();
    let first = task.ask(&keyed("k", &user("finn")));
    assert_eq!(outcome(&first), created(1));
    // As another client may write the same body, and another library the same key.
    let body = r#"{ "bio": "", "name": "N", "username": "\u0066inn" }"#;
    let again = authorized("POST", "/api/users").header("Idempotency-Key", "\"k\"");
    let again = task.ask(&again.body("application/json", body));
    assert_eq!(outcome(&again), replayed(1));
    assert_eq!(again.json(), first.json());
    assert_eq!(again.header("etag"), first.header("etag"));

    let renamed = task.ask(&write(
        "PATCH",
        "/api/users/1",
        &json!({"username": "jake"}),
    ));
    assert_eq!(outcome(&task.ask(&keyed("l", &user("finn")))), created(2));
    let again = task.ask(&keyed("k", &user("finn")));
    assert_eq!(outcome(&again), replayed(1));
    assert_eq!(again.json(), renamed.json());
    assert_eq!(again.header("etag"), renamed.header("etag"));
    assert_eq!(usernames(&task), ["jake", "finn"]);
}

#[test]
fn what_a_key_cannot_mean_is_refused() {
    let task = writable().start();
    assert_eq!(outcome(&task.ask(&keyed("k", &user("finn")))), created(1));
    for body in [user("jake"), json!({})] {
        let refused = task.ask(&keyed("k", &body));
        assert_eq!(refused.status, 422);
        assert_eq!(problem(&refused).0, "idempotency-key-reused");
        let detail = refused.json()["detail"].to_string();
        assert!(detail.contains("made user 1"), "{detail}");
    }
    let deleted = task.ask(&authorized("DELETE", "/api/users/1"));
    assert_eq!(deleted.status, 204);
    let refused = task.ask(&keyed("k", &user("finn")));
    assert_eq!(problem(&refused).0, "conflict");
    let detail = refused.json()["detail"].to_string();
    assert!(
        detail.contains("user 1, which has been deleted"),
        "{detail}"
    );

    // What was refused may be mended, and sent again with the same key.
    for (body, status) in [(json!({}), 422), (user("finn"), 201)] {
        assert_eq!(task.ask(&keyed("m", &body)).status, status);
    }
}

#[test]
fn a_bad_key_is_refused_with_the_rule() {
    let task = writable().start();
    let long = "k".repeat(256);
    for values in [&[""][..], &["a b"], &["\"a"], &[&long], &["a", "a"]] {
        let mut request = write("POST", "/api/users", &user("finn"));
        for value in values {
            request = request.header("Idempotency-Key", value);
        }
        let refused = task.ask(&request);
        assert_eq!(refused.status, 400, "{values:?}");
        assert_eq!(problem(&refused).0, "invalid-parameter");
        let detail = refused.json()["detail"].to_string();
        assert!(detail.contains("Idempotency-Key: expected the header once"));
    }
    let anonymous = Request::new("POST", "/api/users").header("Idempotency-Key", "");
    assert_eq!(task.ask(&anonymous).status, 401);
    assert_eq!(usernames(&task), [""; 0]);
    let longest = "k".repeat(255);
    assert_eq!(
        outcome(&task.ask(&keyed(&longest, &user("finn")))),
        created(1)
    );
}

#[test]
fn of_64_equal_requests_at_once_one_creates_a_record() {
    let task = writable().start();
    let together: Vec<_> = (0..64).map(|_| task.connect()).collect();
    let request = &keyed("k", &user("finn"));
    let outcomes: Vec<_> = thread::scope(|scope| {
        let asking: Vec<_> = together
            .into_iter()
            .map(|mut connection| scope.spawn(move || outcome(&connection.ask(request))))
            .collect();
        let answers = asking.into_iter().map(|asking| asking.join().unwrap());
        answers.collect()
    });
    let firsts = outcomes.iter().filter(|outcome| **outcome == created(1));
    let repeats = outcomes.iter().filter(|outcome| **outcome == replayed(1));
    assert_eq!((firsts.count(), repeats.count()), (1, 63));
    assert_eq!(usernames(&task), ["finn"]);
}

/// Starts the service, sends a request and kills it as soon as the record is in the journal. The
/// client reads no answer.
fn kill_before_the_answer(binary: &Binary, request: &Request, username: &str) {
    let task = binary.start();
    let mut connection = task.connect();
    connection.send(&request.to_bytes());
    let journal = binary.dir().join("db.json.journal");
    eventually("the record is in the journal", || {
        let written = fs::read(&journal).unwrap_or_default();
        String::from_utf8_lossy(&written).contains(username)
    });
    task.signal(Signal::KILL);
    let _ = task.wait();
}

#[test]
fn a_request_whose_answer_was_lost_to_kill_9_creates_one_record() {
    let binary = writable();
    for round in 0..10_u64 {
        let (key, username) = (format!("k-{round}"), format!("user-{round}"));
        let request = keyed(&key, &user(&username));
        kill_before_the_answer(&binary, &request, &username);
        let task = binary.start();
        assert_eq!(outcome(&task.ask(&request)), replayed(round + 1));
        assert_eq!(usernames(&task).len() as u64, round + 1);
        task.signal(Signal::KILL);
        let _ = task.wait();
    }
}

#[test]
fn keys_survive_a_stop_and_a_kill_and_verify_reads_them() {
    let binary = writable();
    let file = || fs::read_to_string(binary.db_path()).unwrap();
    let repeat = |task: &Task| outcome(&task.ask(&keyed("k", &user("finn"))));
    let task = binary.start();
    assert_eq!(
        task.ask(&write("POST", "/api/users", &user("jake"))).status,
        201
    );
    assert!(task.stop().status.success());
    assert!(!file().contains("idempotencyKeys"), "{}", file());
    let task = binary.start();
    assert_eq!(repeat(&task), created(2));
    assert!(task.stop().status.success());
    assert!(
        file().contains("\"idempotencyKeys\": {\"users\": [\n"),
        "{}",
        file()
    );
    let verified = binary.clone().arg("verify").run();
    assert!(verified.status.success(), "{}", verified.stderr);
    let task = binary.start();
    assert_eq!(repeat(&task), replayed(2));
    task.signal(Signal::KILL);
    let _ = task.wait();
    let task = binary.start();
    assert_eq!(repeat(&task), replayed(2));
    // The journal is folded a second after the last write.
    assert_eq!(outcome(&task.ask(&keyed("l", &user("bmo")))), created(3));
    eventually("the journal is folded", || file().contains("bmo"));
    assert_eq!(repeat(&task), replayed(2));
}

#[test]
fn a_key_is_forgotten_after_24_hours_by_its_own_time() {
    let binary = writable();
    let task = binary.start();
    for (key, username) in [("k", "finn"), ("l", "jake")] {
        assert_eq!(task.ask(&keyed(key, &user(username))).status, 201);
    }
    assert!(task.stop().status.success());
    // The file as it would be if the first of the two had been made long ago.
    let mut file: Value = serde_json::from_slice(&fs::read(binary.db_path()).unwrap()).unwrap();
    file["idempotencyKeys"]["users"][0]["at"] = json!("2026-01-01T00:00:00.000Z");
    fs::write(binary.db_path(), file.to_string()).unwrap();
    let task = binary.start();
    assert_eq!(outcome(&task.ask(&keyed("l", &user("jake")))), replayed(2));
    // It is a new request, which meets the user of the old one.
    let refused = task.ask(&keyed("k", &user("finn")));
    assert_eq!(problem(&refused).0, "conflict");
    assert_eq!(outcome(&task.ask(&keyed("k", &user("bmo")))), created(3));
    assert!(task.stop().status.success());
    let file = fs::read_to_string(binary.db_path()).unwrap();
    assert!(!file.contains("2026-01-01"), "{file}");
}

#[test]
fn bad_keys_in_a_file_are_refused_with_their_place() {
    let text = "{\"users\":[],\n\"idempotencyKeys\":{\"users\":[{\"key\":\"x\"}]}}";
    let ended = writable().db(text).arg("verify").run();
    assert!(!ended.status.success());
    let expected = "line 2, column 39: expected 32 hexadecimal digits";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

#[test]
fn a_service_that_only_reads_takes_no_request_with_a_key() {
    let task = Binary::new(env!("CARGO_BIN_EXE_users"))
        .db(r#"{"users":[]}"#)
        .start();
    let request = keyed("k", &user("finn"));
    assert_eq!(problem(&task.ask(&request)).0, "method-not-allowed");
}
