//! A journal that cannot be folded into `db.json`.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use testkit::{Binary, Ended, Task, eventually};

use crate::{create, problem, usernames, writable, write};

/// Puts a directory where the next `db.json` would be written.
fn in_the_way(binary: &Binary) -> PathBuf {
    let directory = binary.dir().join("db.json.new");
    fs::create_dir(&directory).unwrap();
    directory
}

fn metric(task: &Task, line: &str) -> bool {
    task.get("/metrics").text().contains(&format!("\n{line}\n"))
}

/// Asserts that a service has said at its end that the journal belongs to a backup.
#[track_caller]
pub(super) fn assert_unfolded(ended: Ended) {
    assert_eq!(ended.status.code(), Some(1));
    let said = ended.stderr;
    let complete = "db.json alone is no complete backup, keep ";
    assert!(
        said.contains(complete) && said.contains("db.json.journal beside it"),
        "{said}"
    );
}

#[test]
fn an_empty_directory_in_the_way_of_db_json_is_removed() {
    let binary = writable();
    let task = binary.start();
    let directory = in_the_way(&binary);
    assert_eq!(create(&task, "finn").status, 201);
    assert!(task.stop().status.success());
    assert!(!directory.exists());
    assert!(
        fs::read_to_string(binary.db_path())
            .unwrap()
            .contains("finn")
    );
}

#[test]
fn a_directory_in_the_way_of_db_json_is_named_and_a_stop_says_what_else_to_back_up() {
    let binary = writable();
    let task = binary.start();
    let precious = in_the_way(&binary).join("precious");
    fs::write(&precious, "precious").unwrap();
    assert_eq!(create(&task, "finn").status, 201);
    let named = |line: &Value| {
        let error = line["error"].as_str().unwrap_or_default();
        error.contains("db.json.new: it is a directory and in the way; move it elsewhere")
    };
    task.logged_where("which directory it is", named);
    assert_eq!(create(&task, "jake").status, 201);
    let health = task.get("/health/ready").json();
    assert_eq!(
        (&health["writes"], &health["folding"]),
        (&"accepted".into(), &"failing".into())
    );
    assert!(metric(&task, "store_folds_failing 1"));
    let ended = task.stop();
    let said = ended.log().into_iter().filter(named).count();
    assert_eq!(said, 1, "once, though it was tried again and again");
    assert_unfolded(ended);
    let refused = binary.run();
    assert!(
        refused.stderr.contains("move it elsewhere"),
        "{}",
        refused.stderr
    );

    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    fs::remove_dir_all(precious.parent().unwrap()).unwrap();
    let task = binary.start();
    assert_eq!(usernames(&task), ["finn", "jake"]);
    assert!(task.stop().status.success());
}

#[test]
fn while_it_cannot_be_folded_the_journal_grows_only_so_far() {
    const NOTES: usize = 1024 * 1024;
    let user =
        json!({"id": 1, "username": "finn", "name": "F", "bio": "", "notes": "x".repeat(NOTES)});
    let binary = writable().db(json!({"users": [user]}).to_string());
    let task = binary.start();
    let directory = in_the_way(&binary);
    fs::write(directory.join("precious"), "precious").unwrap();
    let patch = |bio: usize| {
        task.ask(&write(
            "PATCH",
            "/api/users/1",
            &json!({"bio": bio.to_string()}),
        ))
    };
    let mut written = 0;
    let refused = loop {
        let answer = patch(written);
        if answer.status != 200 {
            break answer;
        }
        written += 1;
        assert!(written < 20, "it grows without bound");
    };
    assert!(written >= 8, "{written}");
    assert_eq!(
        (refused.status, problem(&refused).0.as_str()),
        (503, "unavailable")
    );
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(task.get("/health/ready").json()["writes"], "put off");
    // Nothing has latched.
    fs::remove_dir_all(directory).unwrap();
    eventually("it writes again", || patch(written).status == 200);
    task.logged("the journal is folded again");
    assert!(metric(&task, "store_folds_failing 0"));
    assert_eq!(task.get("/health/ready").json()["writes"], "accepted");
    assert!(task.stop().status.success());
    let bio = &binary.start().get("/api/users/1").json()["bio"];
    assert_eq!(*bio, written.to_string());
}
