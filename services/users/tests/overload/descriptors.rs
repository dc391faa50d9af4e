//! A limit on descriptors that is below the number of connections.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use testkit::{Binary, Connection, Request, Task, eventually};

use crate::{TOKEN, allow_descriptors, polite, with_list};

/// The service under `ulimit` with these arguments, and with the default number of connections.
fn limited(ulimit: &str) -> Binary {
    let shell = Binary::new("/bin/sh")
        .arg("-c")
        .arg(format!("ulimit {ulimit} && exec \"$0\""))
        .arg(env!("CARGO_BIN_EXE_users"));
    shell.env("RUST_LOG", "info,access=off")
}

#[test]
fn with_fewer_descriptors_than_connections_the_idle_ones_make_room_too() {
    let task = with_list(limited("-n 100")).start();
    let idle: Vec<_> = (0..300)
        .map(|_| Connection::open(task.addr()).unwrap())
        .collect();
    let asked = polite::ask_until(task.addr(), |met| met.answers.len() == 200);
    assert!(asked.turned_away <= 1, "{asked:?}");
    drop(idle);
}

#[test]
fn while_none_can_be_accepted_the_log_stays_short() {
    let task = limited("-n 100").db(r#"{"users":[]}"#).start();
    let none = Rlimit {
        current: Some(3),
        maximum: Some(100),
    };
    let pid = Pid::from_raw(task.id().try_into().unwrap());
    prlimit(pid, Resource::Nofile, none).unwrap();
    let waiting = Connection::open(task.addr()).unwrap();
    let many = |line: &serde_json::Value| {
        let failures = line["failures"].as_u64();
        line["message"] == "cannot accept a connection" && failures.is_some_and(|many| many > 1)
    };
    task.logged_where("several failures in one line", many);
    drop(waiting);
}

#[test]
fn the_limit_on_open_files_is_raised_to_what_the_connections_need() {
    allow_descriptors();
    let task = limited("-Sn 64").env("WRITE_TOKEN", TOKEN).start();
    let idle: Vec<_> = (0..1000)
        .map(|_| Connection::open(task.addr()).unwrap())
        .collect();
    eventually("all are open", || task.descriptors() > 1000);
    drop(idle);
}

fn write(task: &Task, username: &str) -> u16 {
    let body = format!(r#"{{"username": "{username}", "name": "N", "bio": ""}}"#);
    let request =
        Request::new("POST", "/api/users").header("Authorization", format!("Bearer {TOKEN}"));
    task.ask(&request.body("application/json", body)).status
}

#[test]
fn silent_connections_cannot_keep_the_store_from_its_files() {
    allow_descriptors();
    let service = limited("-n 1024").env("WRITE_TOKEN", TOKEN);
    let task = service.start();
    let lowered = task.logged_where("that there are fewer connections", |line| {
        line["max_connections"].is_number()
    });
    assert_eq!(lowered["max_connections"], 992, "{lowered}");
    assert_eq!(write(&task, "before"), 201);
    let silent: Vec<_> = (0..1084)
        .map(|_| Connection::open(task.addr()).unwrap())
        .collect();
    // A second after the last write the store folds the journal, for which it opens files.
    let folded = |username: &str| {
        let text = fs::read_to_string(service.db_path()).unwrap_or_default();
        text.contains(username)
    };
    eventually("the journal is folded", || folded("before"));
    assert_eq!(write(&task, "after"), 201);
    eventually("the journal is folded again", || folded("after"));
    drop(silent);
}
