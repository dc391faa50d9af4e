//! What writes cost in memory.

use std::thread;

use serde_json::json;

use crate::{writable, write};

/// Bytes of the record that is edited.
const RECORD: usize = 4 * 1024 * 1024;

/// Edits that arrive together.
const EDITS: usize = 24;

#[test]
fn many_edits_of_a_large_record_take_the_memory_of_few() {
    let ballast = "x".repeat(RECORD);
    let large = json!({"id": 1, "username": "finn", "name": "F", "bio": "", "ballast": ballast});
    let task = writable()
        .db(json!({"users": [large]}).to_string())
        .env("MAX_COLLECTION_BYTES", "100000000")
        .start();
    let edit = |number: usize| write("PATCH", "/api/users/1", &json!({"bio": number.to_string()}));
    assert_eq!(task.ask(&edit(EDITS)).status, 200);
    let one = task.memory_peak_bytes();
    thread::scope(|scope| {
        for number in 0..EDITS {
            let mut connection = task.connect();
            scope.spawn(move || assert_eq!(connection.ask(&edit(number)).status, 200));
        }
    });
    let many = task.memory_peak_bytes();
    println!(
        "one edit: {} MiB, {EDITS} edits: {} MiB",
        one >> 20,
        many >> 20
    );
    assert!(
        many < 2 * one,
        "{one} bytes for one edit, {many} for {EDITS}"
    );
}
