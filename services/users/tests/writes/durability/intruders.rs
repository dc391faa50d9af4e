//! Somebody removes or replaces files of a running service.

use std::{fs, path::PathBuf, sync::Mutex, thread};

use testkit::{Binary, Task, eventually};

use crate::{create, problem, user, usernames, writable, write};

fn beside(binary: &Binary, ending: &str) -> PathBuf {
    binary.dir().join(format!("db.json{ending}"))
}

/// Asserts that a write is refused, and that the log names the cause and the remedy.
#[track_caller]
fn assert_refused(task: &Task, said: [&str; 2]) {
    assert_eq!(problem(&create(task, "jake")).0, "unavailable");
    let error = |line: &serde_json::Value| {
        let error = line["error"].as_str().unwrap_or_default();
        said.iter().all(|part| error.contains(part))
    };
    task.logged_where(said[0], error);
}

#[test]
fn after_the_lock_was_removed_two_writers_do_not_both_acknowledge() {
    let binary = writable();
    let first = binary.start();
    let acknowledged = Mutex::new(Vec::new());
    let second = thread::scope(|scope| {
        for writer in 0..4 {
            let mut connection = first.connect();
            let acknowledged = &acknowledged;
            scope.spawn(move || {
                for number in 0.. {
                    let name = format!("first-{writer}-{number}");
                    let request = write("POST", "/api/users", &user(&name));
                    match connection.ask(&request).status {
                        201 => acknowledged.lock().unwrap().push(name),
                        status => {
                            assert_eq!(status, 503);
                            return;
                        }
                    }
                }
            });
        }
        eventually("writes are acknowledged", || {
            acknowledged.lock().unwrap().len() >= 50
        });
        fs::remove_file(beside(&binary, ".lock")).unwrap();
        binary.start()
    });
    first.logged("writes are refused; remove the cause, then restart this service");
    assert_eq!(problem(&create(&first, "late")).0, "unavailable");
    for number in 0..5 {
        let name = format!("second-{number}");
        assert_eq!(create(&second, &name).status, 201);
        acknowledged.lock().unwrap().push(name);
    }
    // The refused service does not overwrite the other's file when it stops, either.
    drop(first.stop());
    assert!(second.stop().status.success());
    let users = usernames(&binary.start());
    for name in acknowledged.into_inner().unwrap() {
        assert!(users.contains(&name), "{name} was acknowledged and is lost");
    }
}

#[test]
fn a_removed_journal_loses_nothing_and_is_said() {
    let binary = writable();
    let task = binary.start();
    assert_eq!(create(&task, "finn").status, 201);
    fs::remove_file(beside(&binary, ".journal")).unwrap();
    assert_refused(
        &task,
        ["db.json.journal: was removed", "restart this service"],
    );
    assert_eq!(task.get("/health/ready").json()["writes"], "refused");
    assert!(task.stop().status.success());
    let task = binary.start();
    assert_eq!(usernames(&task), ["finn"]);
    assert_eq!(create(&task, "jake").status, 201);
}

#[test]
fn a_copy_in_the_place_of_the_journal_is_said_at_the_stop() {
    let binary = writable();
    let task = binary.start();
    assert_eq!(create(&task, "finn").status, 201);
    let (copy, journal) = (binary.dir().join("copy"), beside(&binary, ".journal"));
    fs::copy(&journal, &copy).unwrap();
    fs::rename(&copy, &journal).unwrap();
    let ended = task.stop();
    assert!(!ended.status.success(), "the next start refuses");
    let remedy = "move the file that is there now away";
    assert!(ended.stderr.contains(remedy), "{}", ended.stderr);
    fs::remove_file(journal).unwrap();
    assert_eq!(usernames(&binary.start()), ["finn"]);
}

/// Puts another file under the name of one of the service's.
fn replace(binary: &Binary, ending: &str) -> PathBuf {
    let (other, at) = (binary.dir().join("other"), beside(binary, ending));
    fs::write(&other, "precious").unwrap();
    fs::rename(other, &at).unwrap();
    at
}

#[test]
fn a_replaced_journal_loses_nothing_and_is_said() {
    let binary = writable();
    let task = binary.start();
    assert_eq!(create(&task, "finn").status, 201);
    let journal = replace(&binary, ".journal");
    assert_refused(
        &task,
        [
            "db.json.journal: was replaced by someone else; db.json holds all that",
            "move the file that is there now away, then restart",
        ],
    );
    assert_eq!(usernames(&task), ["finn"]);
    let ended = task.stop();
    assert!(!ended.status.success(), "the next start refuses");
    let remedy = "move the file that is there now away before the next start";
    assert!(ended.stderr.contains(remedy), "{}", ended.stderr);
    // What was put there is as precious.
    assert!(binary.run().stderr.contains("db.json.journal"));
    assert_eq!(fs::read_to_string(&journal).unwrap(), "precious");
    fs::rename(journal, binary.dir().join("away")).unwrap();
    let task = binary.start();
    assert_eq!(usernames(&task), ["finn"]);
    assert_eq!(create(&task, "jake").status, 201);
}

#[test]
fn a_replaced_lock_loses_nothing_and_is_said() {
    let binary = writable();
    let task = binary.start();
    assert_eq!(create(&task, "finn").status, 201);
    replace(&binary, ".lock");
    assert_refused(
        &task,
        [
            "db.json.lock: was replaced",
            "stop all that do, and start one",
        ],
    );
    assert_eq!(usernames(&task), ["finn"]);
    drop(task.stop());
    let task = binary.start();
    assert_eq!(usernames(&task), ["finn"]);
    assert_eq!(create(&task, "jake").status, 201);
}

#[test]
fn a_second_writer_without_lock_and_journal_is_the_only_one() {
    let binary = writable();
    let first = binary.start();
    assert_eq!(create(&first, "finn").status, 201);
    assert!(first.get("/health/ready").json()["records"] == 1);
    for ending in [".lock", ".journal"] {
        fs::remove_file(beside(&binary, ending)).unwrap();
    }
    let second = binary.start();
    let answers = [&first, &second].map(|task| create(task, "jake").status);
    assert_eq!(answers, [503, 201]);
    let error = |line: &serde_json::Value| {
        let error = line["error"].as_str().unwrap_or_default();
        error.contains("save what this service answers")
    };
    first.logged_where("what to save before a stop", error);
    let ended = first.stop();
    assert!(!ended.status.success());
    assert!(
        ended.stderr.contains("the 1 batches that it held are lost"),
        "{}",
        ended.stderr
    );
}
