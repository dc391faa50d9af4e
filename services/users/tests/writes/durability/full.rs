//! A collection that is as large as it may be.

use serde_json::json;
use testkit::{Binary, Task};

use crate::{authorized, create, problem, usernames, writable, write};

/// The value of a metric.
fn metric(task: &Task, name: &str) -> u64 {
    let metrics = task.get("/metrics");
    let mut lines = metrics.text().lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap().parse().unwrap()
}

#[test]
fn a_full_collection_takes_what_does_not_make_it_larger_and_starts_again() {
    const MAX: u64 = 2000;
    let binary = writable().env("MAX_COLLECTION_BYTES", MAX.to_string());
    let task = binary.start();
    let mut created = 0;
    let full = loop {
        let answer = create(&task, &format!("user-{created}"));
        if answer.status != 201 {
            break answer;
        }
        created += 1;
    };
    assert_eq!(
        (full.status, problem(&full).0.as_str()),
        (507, "collection-full")
    );
    assert!(created > 5, "{created}");
    let bytes = metric(&task, "store_collection_bytes");
    assert_eq!(task.get("/api/users").body.len() as u64, bytes);
    assert_eq!(metric(&task, "store_collection_bytes_max"), MAX);
    assert!(bytes <= MAX && bytes > MAX - 200, "{bytes}");

    let patch = |bio: usize| write("PATCH", "/api/users/2", &json!({"bio": "x".repeat(bio)}));
    assert_eq!(task.ask(&patch(500)).status, 507);
    assert_eq!(task.ask(&authorized("DELETE", "/api/users/1")).status, 204);
    assert_eq!(task.ask(&patch(50)).status, 200);
    assert_eq!(task.ask(&patch(500)).status, 507);
    assert_eq!(task.ask(&patch(10)).status, 200);
    let users = usernames(&task);
    assert!(task.stop().status.success());

    // A service starts with a collection of exactly the bound. It refuses a larger one, and leaves
    // the file as it is.
    let task = binary.start();
    assert_eq!(usernames(&task), users);
    assert!(task.stop().status.success());
    let mut before = std::fs::read(binary.db_path()).unwrap();
    let reader = Binary::new(env!("CARGO_BIN_EXE_users")).env("DB_PATH", binary.db_path());
    // The file is too large once it is read. With the white space it is too large to be read at all.
    for (small, space) in [&binary, &reader]
        .into_iter()
        .flat_map(|of| [(of, 0), (of, 2_000_000)])
    {
        before.truncate(before.trim_ascii_end().len());
        before.resize(before.len() + space, b' ');
        std::fs::write(binary.db_path(), &before).unwrap();
        let small = small.clone().env("MAX_COLLECTION_BYTES", "1000");
        // `verify` refuses what a start refuses.
        for refused in [small.run(), small.clone().arg("verify").run()] {
            assert!(!refused.status.success());
            let said = refused.stderr;
            assert!(
                said.contains("MAX_COLLECTION_BYTES") && said.contains("db.json has"),
                "{said}"
            );
        }
    }
    assert_eq!(std::fs::read(binary.db_path()).unwrap(), before);
}

#[test]
fn without_a_setting_the_bound_is_a_sixth_of_the_memory() {
    const KIB: u64 = 400_000;
    let task = Binary::new("/bin/sh")
        .db(r#"{"users":[]}"#)
        .args(["-c", &format!("ulimit -v {KIB} && exec \"$0\"")])
        .arg(env!("CARGO_BIN_EXE_users"))
        .start();
    let max = metric(&task, "store_collection_bytes_max");
    assert_eq!(max, KIB * 1024 / 6);
}
