//! Clients that read a list slowly while its records are changed.

use std::{io::Read, thread};

use serde_json::json;
use testkit::{Binary, Task};

use crate::{writable, write};

/// Users of the collection, and bytes of each: the list is longer than what the system buffers
/// of a connection whose client does not read.
const USERS: usize = 64;
const USER_BYTES: usize = 128 * 1024;
const COLLECTION: usize = USERS * USER_BYTES;

/// Lists that nobody reads to the end. All users are changed after each of them.
const LISTS: usize = 6;

fn large() -> Binary {
    let ballast = "x".repeat(USER_BYTES);
    let user = |id| json!({"id": id, "username": format!("user-{id}"), "name": "N", "bio": "", "ballast": ballast});
    let users: Vec<_> = (1..=USERS).map(user).collect();
    writable()
        .db(json!({"users": users}).to_string())
        .env("RUST_LOG", "info,access=off")
}

/// Changes all users.
fn change(task: &Task, bio: &str) {
    let ids: Vec<_> = (1..=USERS).collect();
    thread::scope(|scope| {
        for ids in ids.chunks(USERS / 4) {
            scope.spawn(move || {
                let mut connection = task.connect();
                for id in ids {
                    let target = format!("/api/users/{id}");
                    let changed = connection.ask(&write("PATCH", &target, &json!({"bio": bio})));
                    assert_eq!(changed.status, 200);
                }
            });
        }
    });
}

#[test]
fn slow_readers_hold_little_and_the_oldest_list_is_cut_off() {
    let task = large().start();
    change(&task, "before");
    let before = task.memory_peak_bytes();
    let mut lists = Vec::new();
    for round in 0..LISTS {
        lists.push(task.unread("/api/users"));
        change(&task, &round.to_string());
    }
    let after = task.memory_peak_bytes();
    println!(
        "{LISTS} lists: from {} to {} KiB",
        before >> 10,
        after >> 10
    );
    assert!(
        after < before + 2 * COLLECTION,
        "from {before} to {after} bytes"
    );
    let newest = lists.pop().unwrap().response("GET").json();
    let newest = newest.as_array().unwrap();
    let bio = (LISTS - 2).to_string();
    assert_eq!(newest.len(), USERS);
    assert!(newest.iter().all(|user| user["bio"] == *bio));
    // Its head has promised more bytes than come.
    let mut oldest = Vec::new();
    // An end or a reset is the same here.
    let _ = lists[0].stream().read_to_end(&mut oldest);
    assert!(oldest.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(oldest.len() < COLLECTION, "{} bytes", oldest.len());
    task.logged_where("lists that were cut off", |line| line["lists"].is_u64());
}
