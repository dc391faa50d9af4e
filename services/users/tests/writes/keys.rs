//! The service's own keys, of which there are two while one is replaced by the other.

use std::fs;

use testkit::{Binary, Request, Task};

use crate::{TOKEN, problem, user, writable};

const NEXT: &str = "the-token-that-comes-next";

/// The status of a write with this key.
fn writes(task: &Task, key: &str, username: &str) -> u16 {
    let request = Request::new("POST", "/api/users")
        .header("Authorization", format!("Bearer {key}"))
        .body("application/json", user(username).to_string());
    let response = task.ask(&request);
    if response.status == 401 {
        assert_eq!(problem(&response).0, "unauthorized");
    }
    response.status
}

#[test]
fn both_keys_write_while_one_replaces_the_other() {
    let task = writable().env("WRITE_TOKEN_NEXT", NEXT).start();
    assert_eq!(writes(&task, TOKEN, "finn"), 201);
    assert_eq!(writes(&task, NEXT, "jake"), 201);
    assert_eq!(writes(&task, "neither-of-the-two", "bmo"), 401);
    let file = writable();
    let path = file.dir().join("next");
    fs::write(&path, format!("{NEXT}\n")).unwrap();
    let task = file.arg("--write-token-next-file").arg(&path).start();
    assert_eq!(writes(&task, TOKEN, "finn"), 201);
    assert_eq!(writes(&task, NEXT, "jake"), 201);
    let task = writable().start();
    assert_eq!(writes(&task, NEXT, "finn"), 401);
}

#[test]
fn the_second_key_has_rules_like_the_first_and_does_not_stand_alone() {
    let refused = |binary: Binary| {
        let ended = binary.run();
        assert!(!ended.status.success(), "it started");
        ended.stderr
    };
    let said = refused(writable().env("WRITE_TOKEN_NEXT", "short"));
    assert!(said.contains("invalid WRITE_TOKEN_NEXT") && said.contains("16 or more"));
    let both = writable().env("WRITE_TOKEN_NEXT", NEXT);
    let said = refused(both.env("WRITE_TOKEN_NEXT_FILE", "next"));
    assert!(
        said.contains("--write-token-next-file") && said.contains("keep one"),
        "{said}"
    );
    let alone = Binary::new(env!("CARGO_BIN_EXE_users")).env("WRITE_TOKEN_NEXT", NEXT);
    assert!(refused(alone).contains("name it with WRITE_TOKEN"));
}
