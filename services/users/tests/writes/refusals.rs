//! Starts that are refused. Each message says what to do.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use testkit::Binary;

use crate::{TOKEN, create, writable};

fn refused(binary: &Binary) -> String {
    let ended = binary.run();
    assert!(!ended.status.success(), "it started");
    ended.stderr
}

#[test]
fn a_token_has_one_source_and_visible_characters() {
    let plain = || Binary::new(env!("CARGO_BIN_EXE_users"));
    for bad in [
        "two words, and long enough",
        "a-tab-at-the-very-end\t",
        "ümlaut-in-a-long-word",
        // One character too short.
        "0123456789abcde",
    ] {
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
    fs::write(&token, "0123456789abcde\n").unwrap();
    let said = refused(&binary);
    assert!(said.contains("WRITE_TOKEN_FILE") && said.contains("16 or more"));
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    assert_eq!(create(&binary.start(), "finn").status, 201);
    assert!(refused(&binary.env("WRITE_TOKEN", TOKEN)).contains("keep one"));
}

#[test]
fn a_token_file_that_is_none_is_refused_in_bounded_time_and_memory() {
    let binary = Binary::new(env!("CARGO_BIN_EXE_users"));
    let pipe = binary.dir().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let file = |path: &Path| binary.clone().env("WRITE_TOKEN_FILE", path);
    for (path, why) in [
        // A file that never ends.
        (Path::new("/dev/zero"), "is it the right file?"),
        // A pipe to which nobody writes.
        (&pipe, "is it a pipe?"),
        (binary.dir(), "s a directory"),
    ] {
        let said = refused(&file(path));
        assert!(
            said.contains("WRITE_TOKEN_FILE") && said.contains(why),
            "{said}"
        );
        assert!(said.contains(path.to_str().unwrap()), "{said}");
    }
    // Here somebody writes to the pipe, as a password manager does.
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, format!("{TOKEN}\n")).unwrap()
    });
    assert_eq!(create(&file(&pipe).start(), "finn").status, 201);
    writer.join().unwrap();
}

#[test]
fn in_a_task_a_file_without_a_volume_is_refused() {
    for name in [
        "ECS_CONTAINER_METADATA_URI_V4",
        "ECS_CONTAINER_METADATA_URI",
    ] {
        // The root file system is the task's own. A temporary directory may be a mount, so it is
        // not used here.
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
    // So that the directory can be removed.
    fs::set_permissions(binary.dir(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(said.matches("give this user the directory").count(), 1);
    assert_eq!(said.matches("ermission denied").count(), 1, "{said}");
}
