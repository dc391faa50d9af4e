//! A service that can open no file.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use testkit::{Task, eventually};

use crate::{user, writable, write};

/// Limits the task to this many descriptors. Descriptors that are open stay open.
fn allow(task: &Task, descriptors: u64) {
    let pid = Pid::from_raw(task.id().try_into().unwrap());
    let old = prlimit(
        pid,
        Resource::Nofile,
        Rlimit {
            current: Some(descriptors),
            maximum: rustix::process::getrlimit(Resource::Nofile).maximum,
        },
    );
    old.unwrap();
}

#[test]
fn without_descriptors_writes_go_on_and_the_fold_is_made_up_for() {
    let binary = writable();
    let task = binary.start();
    let mut connection = task.connect();
    let mut create = |number: usize| {
        // About 4 KiB, after which the journal is folded.
        let mut user = user(&format!("user-{number}"));
        user["bio"] = "𝄞".repeat(1000).into();
        connection.ask(&write("POST", "/api/users", &user)).status
    };
    assert_eq!(create(0), 201);
    allow(&task, 3);
    for number in 1..400 {
        assert_eq!(create(number), 201, "{number}");
    }
    task.logged("the journal grows on: it cannot be folded now");
    allow(&task, 64);
    assert_eq!(create(400), 201);
    let folded = || {
        fs::read_to_string(binary.db_path())
            .unwrap()
            .contains("user-400\"")
    };
    eventually("the journal is folded", folded);
    let metrics = task.get("/metrics");
    assert!(metrics.text().contains("\nstore_writes_refused 0\n"));
}
