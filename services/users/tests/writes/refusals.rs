//! Starts that are refused, each with what to do.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use testkit::Binary;

use crate::{create, writable};

fn refused(binary: &Binary) -> String {
    let ended = binary.run();
    assert!(!ended.status.success(), "it started");
    ended.stderr
}

#[test]
fn a_token_has_one_source_and_visible_characters() {
    let plain = || Binary::new(env!("CARGO_BIN_EXE_users"));
    for bad in ["two words", "tab\t", "ümlaut"] {
        let said = refused(&plain().env("WRITE_TOKEN", bad));
        assert!(
            said.contains("WRITE_TOKEN") && !said.contains(bad),
            "{said}"
        );
    }
    let binary = plain();
    let token = binary.dir().join("token");
    let binary = binary.env("WRITE_TOKEN_FILE", &token);
    assert!(refused(&binary).contains("WRITE_TOKEN_FILE"));
    fs::write(&token, "\n").unwrap();
    assert!(refused(&binary).contains("WRITE_TOKEN_FILE"));
    fs::write(&token, "s3cret\n").unwrap();
    assert_eq!(create(&binary.start(), "finn").status, 201);
    assert!(refused(&binary.env("WRITE_TOKEN", "s3cret")).contains("keep one"));
}

#[test]
fn in_a_task_a_file_without_a_volume_is_refused() {
    for name in [
        "ECS_CONTAINER_METADATA_URI_V4",
        "ECS_CONTAINER_METADATA_URI",
    ] {
        // The root file system is the task's own; a temporary directory may be a mount.
        let db = format!("/forum-test-{}.json", std::process::id());
        let said = refused(
            &writable()
                .env(name, "http://169.254.170.2/v4/x")
                .env("DB_PATH", &db),
        );
        let _ = fs::remove_file(format!("{db}.lock"));
        assert!(
            said.contains("mount a volume") && said.contains("read-only"),
            "{said}"
        );
    }
}

#[test]
fn in_a_task_the_volume_is_named_before_permissions() {
    let binary = writable()
        .env("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x")
        .env("DB_PATH", "/forum-test-not-permitted.json")
        .unprivileged();
    let said = refused(&binary);
    assert!(said.contains("mount a volume"), "{said}");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let binary = writable().db(r#"{"users":[]}"#).unprivileged();
    fs::set_permissions(binary.dir(), Permissions::from_mode(0o555)).unwrap();
    let said = refused(&binary);
    // So that it can be removed.
    fs::set_permissions(binary.dir(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(said.matches("give this user the directory").count(), 1);
    assert_eq!(said.matches("ermission denied").count(), 1, "{said}");
}
