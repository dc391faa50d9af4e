//! The files: one writer, hand edits, backups, and what `verify` says of them.

use std::{fs, path::Path};

use serde_json::{Value, json};
use testkit::{Binary, Signal};

use crate::{create, problem, user, usernames, writable, write};

fn journal(binary: &Binary) -> std::path::PathBuf {
    binary.dir().join("db.json.journal")
}

fn verify(db: &Path) -> testkit::Ended {
    Binary::new(env!("CARGO_BIN_EXE_users"))
        .arg("verify")
        .env("DB_PATH", db)
        .run()
}

#[test]
fn after_a_clean_stop_db_json_alone_is_a_backup() {
    let binary = writable();
    let task = binary.start();
    for name in ["finn", "jake", "pb"] {
        assert_eq!(create(&task, name).status, 201);
    }
    assert_eq!(
        task.ask(&crate::authorized("DELETE", "/api/users/3"))
            .status,
        204
    );
    assert!(task.stop().status.success());
    let elsewhere = writable().db(fs::read(binary.db_path()).unwrap());
    let task = elsewhere.start();
    assert_eq!(usernames(&task), ["finn", "jake"]);
    // The id of the deleted record is not given again, either.
    assert_eq!(create(&task, "pb").header("location"), "/api/users/4");
}

#[test]
fn a_monoliths_file_keeps_its_other_collections() {
    let text = r#"{"threads": [{"id": 1, "odd":  true}], "users": [], "posts": [{"thread":1}]}"#;
    let binary = writable().db(text);
    let task = binary.start();
    assert_eq!(create(&task, "finn").status, 201);
    assert!(task.stop().status.success());
    let file = fs::read_to_string(binary.db_path()).unwrap();
    assert!(
        file.contains(r#""threads": [{"id": 1, "odd":  true}]"#),
        "{file}"
    );
    let file: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(file["posts"], json!([{"thread": 1}]));
    assert_eq!(file["users"][0]["username"], "finn");
}

#[test]
fn a_file_has_one_writer_and_any_number_of_readers() {
    let binary = writable();
    let task = binary.start();
    assert_eq!(create(&task, "finn").status, 201);
    let second = writable().env("DB_PATH", binary.db_path()).run();
    assert!(!second.status.success());
    assert!(
        second.stderr.contains("another process writes"),
        "{}",
        second.stderr
    );
    let reader = Binary::new(env!("CARGO_BIN_EXE_users")).env("DB_PATH", binary.db_path());
    assert_eq!(usernames(&reader.start()), ["finn"]);
    drop(task);
    assert_eq!(create(&binary.start(), "jake").status, 201);
}

#[test]
fn a_leftover_journal_is_read_without_being_touched() {
    let binary = writable();
    let task = binary.start();
    assert_eq!(create(&task, "finn").status, 201);
    task.signal(Signal::KILL);
    drop(task.wait());
    let files = || {
        (
            fs::read(binary.db_path()).unwrap(),
            fs::read(journal(&binary)).unwrap(),
        )
    };
    let before = files();
    let found = verify(&binary.db_path());
    assert!(found.status.success());
    assert!(
        found.stdout.join("\n").contains("journal: 1 writes that"),
        "{:?}",
        found.stdout
    );
    let reader = Binary::new(env!("CARGO_BIN_EXE_users")).env("DB_PATH", binary.db_path());
    let task = reader.start();
    assert_eq!(usernames(&task), ["finn"]);
    assert_eq!(create(&task, "jake").status, 405);
    assert!(task.stop().status.success());
    assert_eq!(files(), before);
}

#[test]
fn a_hand_edit_is_never_overwritten() {
    let binary = writable();
    let task = binary.start();
    assert_eq!(create(&task, "finn").status, 201);
    let edited = r#"{"users":[{"id":5,"username":"by-hand","name":"H","bio":""}]}"#;
    fs::write(binary.db_path(), edited).unwrap();
    let refused = create(&task, "jake");
    assert_eq!(problem(&refused).0, "unavailable");
    // Waiting does not help.
    assert_eq!(refused.header("retry-after"), "60");
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("restarted")
    );
    assert_eq!(usernames(&task), ["finn"]);
    let health = task.get("/health/ready").json();
    assert_eq!(health["writes"], "refused");
    let stopped = task.stop();
    assert_eq!(stopped.status.code(), Some(1));
    let said = stopped.stderr;
    assert!(
        said.contains("db.json alone is no complete backup"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(binary.db_path()).unwrap(), edited);
    // Neither version is lost. The operator must choose one.
    for refused in [binary.run(), verify(&binary.db_path())] {
        assert!(!refused.status.success());
        let said = refused.stderr;
        assert!(
            said.contains("is not the file that") && said.contains("mv '"),
            "{said}"
        );
    }
    fs::rename(journal(&binary), binary.dir().join("db.json.journal.old")).unwrap();
    assert_eq!(usernames(&binary.start()), ["by-hand"]);
}

#[test]
fn a_restored_backup_beside_a_journal_is_refused() {
    let binary = writable();
    let task = binary.start();
    assert_eq!(create(&task, "finn").status, 201);
    assert!(task.stop().status.success());
    let backup = fs::read(binary.db_path()).unwrap();
    let task = binary.start();
    assert_eq!(create(&task, "jake").status, 201);
    assert!(task.stop().status.success());
    let task = binary.start();
    assert_eq!(create(&task, "pb").status, 201);
    task.signal(Signal::KILL);
    drop(task.wait());
    fs::write(binary.db_path(), backup).unwrap();
    assert!(binary.run().stderr.contains("is not the file that"));
    fs::remove_file(binary.db_path()).unwrap();
    assert!(
        binary.run().stderr.contains("is not the file that"),
        "a lost db.json is not an empty one"
    );
}

#[test]
fn without_a_file_verify_says_what_the_start_does() {
    let (reader, writer) = (Binary::new(env!("CARGO_BIN_EXE_users")), writable());
    let verify = |binary: &Binary| binary.clone().arg("verify").run();
    for refused in [reader.run(), verify(&reader)] {
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            refused.stderr.contains("db.json does not exist"),
            "{}",
            refused.stderr
        );
    }
    let sound = verify(&writer);
    assert!(sound.status.success(), "{}", sound.stderr);
    let said = sound.stdout.join("\n");
    assert!(
        said.contains("db.json does not exist: a start with this write token begins with no users"),
        "{said}"
    );
    assert!(!writer.db_path().exists());
    let task = writer.start();
    assert!(usernames(&task).is_empty());
    assert_eq!(create(&task, "finn").status, 201);
    task.signal(Signal::KILL);
    drop(task.wait());
    // A journal without its file is something else.
    fs::remove_file(writer.db_path()).unwrap();
    for refused in [writer.run(), verify(&writer)] {
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            refused.stderr.contains("is not the file that"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn damage_is_refused_with_file_and_offset() {
    let binary = writable();
    let task = binary.start();
    assert_eq!(create(&task, "finn").status, 201);
    assert_eq!(create(&task, "jake").status, 201);
    task.signal(Signal::KILL);
    drop(task.wait());
    let mut bytes = fs::read(journal(&binary)).unwrap();
    let at = bytes
        .windows(4)
        .position(|window| window == b"finn")
        .unwrap();
    bytes[at] ^= 1;
    fs::write(journal(&binary), &bytes).unwrap();
    for refused in [binary.run(), verify(&binary.db_path())] {
        assert!(!refused.status.success());
        let line = bytes[..at].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        assert!(
            refused
                .stderr
                .contains(&format!("db.json.journal, byte {line}: ")),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(
        fs::read(journal(&binary)).unwrap(),
        bytes,
        "nothing was changed"
    );
}

#[test]
fn a_link_to_the_file_stays_a_link() {
    let binary = writable();
    let real = binary.dir().join("real.json");
    fs::write(&real, json!({"users": []}).to_string()).unwrap();
    std::os::unix::fs::symlink(&real, binary.db_path()).unwrap();
    let task = binary.start();
    assert_eq!(
        task.ask(&write("POST", "/api/users", &user("finn"))).status,
        201
    );
    assert!(task.stop().status.success());
    assert!(binary.db_path().is_symlink());
    assert!(fs::read_to_string(real).unwrap().contains("finn"));
}
