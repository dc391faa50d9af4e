//! Clients that read a list slowly while its records are changed.

use std::{io::Read, thread};

use serde_json::json;
use testkit::Task;

use crate::{writable, write};

/// Users of the small collection, and bytes of each: the list is longer than what the system
/// buffers of a connection whose client does not read.
const USERS: usize = 64;
const USER_BYTES: usize = 128 * 1024;

/// Lists that nobody reads to the end. Users are changed after each of them.
const LISTS: usize = 6;

/// A service with this many users of this many bytes, and the bytes of its file.
fn started(users: usize, bytes: usize) -> (Task, usize) {
    let ballast = "x".repeat(bytes);
    let user = |id| json!({"id": id, "username": format!("user-{id}"), "name": "N", "bio": "", "ballast": ballast});
    let users: Vec<_> = (1..=users).map(|id| user(id).to_string()).collect();
    let db = format!("{{\"users\":[{}]}}", users.join(","));
    let collection = db.len();
    let task = writable()
        .db(db)
        .env("MAX_COLLECTION_BYTES", "100000000")
        .env("RUST_LOG", "info,access=off")
        .start();
    (task, collection)
}

/// Changes the users with these ids.
fn change(task: &Task, ids: &[usize], bio: &str) {
    thread::scope(|scope| {
        for ids in ids.chunks(ids.len().div_ceil(4)) {
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

/// Checks that lists took less memory than two collections.
fn check_memory(lists: usize, before: usize, after: usize, collection: usize) {
    let kibibytes = [before, after].map(|bytes| bytes >> 10);
    println!(
        "{lists} lists: from {} to {} KiB",
        kibibytes[0], kibibytes[1]
    );
    assert!(
        after < before + 2 * collection,
        "from {before} to {after} bytes"
    );
}

#[test]
fn slow_readers_hold_little_and_the_oldest_list_is_cut_off() {
    let (task, collection) = started(USERS, USER_BYTES);
    let all: Vec<_> = (1..=USERS).collect();
    change(&task, &all, "before");
    let before = task.memory_peak_bytes();
    let mut lists = Vec::new();
    for round in 0..LISTS {
        lists.push(task.unread("/api/users"));
        change(&task, &all, &round.to_string());
    }
    check_memory(LISTS, before, task.memory_peak_bytes(), collection);
    let newest = lists.pop().unwrap().response("GET").json();
    let newest = newest.as_array().unwrap();
    let bio = (LISTS - 2).to_string();
    assert_eq!(newest.len(), USERS);
    assert!(newest.iter().all(|user| user["bio"] == *bio));
    // Fewer bytes arrive than the head has promised.
    let mut oldest = Vec::new();
    // The connection may end or be reset.
    let _ = lists[0].stream().read_to_end(&mut oldest);
    assert!(oldest.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(oldest.len() < collection, "{} bytes", oldest.len());
    task.logged_where("lists that were cut off", |line| line["lists"].is_u64());
}

mod long {
    use super::{change, check_memory, started};

    const USERS: usize = 200_000;

    const LISTS: usize = 24;

    /// Users that are changed behind each list, far apart.
    const CHANGES: usize = 500;

    /// Times as many before.
    const WARM_UP: usize = 8;

    #[test]
    #[ignore = "takes minutes: changes thousands of users among 200,000"]
    fn slow_readers_of_a_large_collection_hold_no_more_than_it_has() {
        let (task, collection) = started(USERS, 100);
        let change_some = |round: usize| {
            let numbers = round * CHANGES..(round + 1) * CHANGES;
            let ids: Vec<_> = numbers.map(|number| number * 7919 % USERS + 1).collect();
            change(&task, &ids, &round.to_string());
        };
        // Until all pages were replaced once: those of the start were another thread's, whose
        // memory the writer does not take again.
        (0..WARM_UP).for_each(change_some);
        let before = task.memory_bytes();
        let mut lists = Vec::new();
        for round in WARM_UP..WARM_UP + LISTS {
            lists.push(task.unread("/api/users"));
            change_some(round);
        }
        check_memory(LISTS, before, task.memory_bytes(), collection);
    }
}
