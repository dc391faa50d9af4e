//! What writes cost in memory, and that their answers arrive whole however long they are.

use std::{sync::Barrier, thread, time::Duration};

use serde_json::{Value, json};
use testkit::{Request, Task};

use crate::{writable, write};

/// Bytes of a record that is longer than what all connections together may buffer on a machine
/// of 64 MiB.
const LONG: usize = 8 * 1024 * 1024;

/// A service with a short record and one that has this many bytes of ballast.
fn started(record: usize) -> Task {
    let ballast = "x".repeat(record);
    let long = json!({"id": 1, "username": "finn", "name": "F", "bio": "", "ballast": ballast});
    let short = json!({"id": 2, "username": "jake", "name": "J", "bio": ""});
    writable()
        .db(json!({"users": [long, short]}).to_string())
        .env("MAX_COLLECTION_BYTES", "100000000")
        .start()
}

/// A short edit of it. Members that only the file has stay in either case.
fn edit(method: &str, number: usize) -> Request {
    let bio = format!("{number:9}");
    let members = match method {
        "PATCH" => json!({"bio": bio}),
        _ => json!({"username": "finn", "name": "F", "bio": bio}),
    };
    write(method, "/api/users/1", &members)
}

/// Checks that this is all of the record, as the edit left it.
fn check(body: &[u8], number: usize, record: usize) {
    let mut edited: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(edited["bio"], format!("{number:9}"));
    let ballast = edited["ballast"].take();
    assert!(
        ballast
            .as_str()
            .is_some_and(|ballast| ballast.len() == record)
    );
}

/// Makes so many short edits of a record of so many bytes at a time.
fn edit_at_a_time(edits: usize, record: usize) {
    let task = started(record);
    for number in 0..2 {
        let response = task.ask(&edit("PATCH", number));
        assert_eq!(response.status, 200);
        check(&response.body, number, record);
    }
    let few = task.memory_peak_bytes();
    let all = Barrier::new(edits);
    thread::scope(|scope| {
        for number in 0..edits {
            let (mut connection, all) = (task.connect(), &all);
            scope.spawn(move || {
                // A debug build needs about a second for each edit.
                let patience = Some(Duration::from_mins(5));
                connection.stream().set_read_timeout(patience).unwrap();
                all.wait();
                let response = connection.ask(&edit("PATCH", number));
                assert_eq!(response.status, 200);
                // Parsing all these records would take long.
                assert!(response.body.len() > record && response.body.ends_with(b"}"));
            });
        }
    });
    let many = task.memory_peak_bytes();
    println!(
        "one at a time: {} MiB, {edits} together: {} MiB",
        few >> 20,
        many >> 20
    );
    assert!(many < 2 * few, "{few} bytes one at a time, {many} together");
}

#[test]
fn edits_of_a_long_record_are_answered_whole_in_the_memory_of_few() {
    edit_at_a_time(16, LONG);
}

#[test]
fn an_edit_of_a_long_record_waits_until_the_answer_before_it_is_sent() {
    let task = started(LONG);
    for (round, method) in (1..).zip(["PATCH", "PUT"]) {
        let mut connections = [task.connect(), task.connect()];
        for (number, connection) in connections.iter_mut().enumerate() {
            connection.send(&edit(method, number).to_bytes());
            if number == 0 {
                // Waits for the beginning of the answer.
                connection.stream().peek(&mut [0]).unwrap();
            }
        }
        // The writer takes writes in turn: if the second edit did not wait, it would be done.
        let short = write("PATCH", "/api/users/2", &json!({"bio": method}));
        assert_eq!(task.ask(&short).status, 200);
        let metrics = task.get("/metrics");
        let writes = format!("\nstore_writes_total {}\n", 3 * round - 1);
        assert!(metrics.text().contains(&writes), "{method}");
        for (number, connection) in connections.iter_mut().enumerate() {
            check(&connection.response(method).body, number, LONG);
        }
    }
}

mod long {
    #[test]
    #[ignore = "takes minutes"]
    fn many_edits_of_a_long_record_are_answered_whole_in_the_memory_of_few() {
        super::edit_at_a_time(48, 12 * 1024 * 1024);
    }
}

#[test]
fn lists_of_a_long_record_arrive_whole() {
    let task = started(LONG);
    thread::scope(|scope| {
        for target in [
            "/api/users?limit=1",
            "/api/users?username=finn",
            "/api/users/1",
        ] {
            for _ in 0..2 {
                scope.spawn(|| {
                    let response = task.get(target);
                    assert_eq!(response.status, 200);
                    assert!(response.body.len() > LONG);
                });
            }
        }
    });
}
