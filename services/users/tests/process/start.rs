//! Starting.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;
use testkit::Binary;

use crate::{service, with_users};

#[test]
fn it_says_where_it_listens_and_what_it_serves() {
    let service = with_users(3);
    let task = service.start();
    assert_eq!(task.get("/").text(), "Ready to receive requests");
    let ended = task.stop();
    assert!(ended.status.success());
    let log = ended.log();
    let messages: Vec<_> = log
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        messages,
        ["listening", "ready", "request", "draining", "stopped"]
    );
    assert_eq!(
        (&log[1]["records"], &log[1]["mode"]),
        (&json!(3), &json!("read-only"))
    );
    assert_eq!(log[1]["db"], "db.json");
    assert_eq!(ended.stderr, "");
}

#[test]
fn flags_win_over_the_environment() {
    let other = tempfile::NamedTempFile::new().unwrap();
    fs::write(other.path(), r#"{"users": []}"#).unwrap();
    let service = with_users(3).env("DB_PATH", "/nowhere/db.json");
    let task = service
        .arg("--db")
        .arg(other.path())
        .arg("--port=0")
        .start();
    assert_eq!(task.get("/api/users").text(), "[]");
}

#[test]
fn tasks_on_one_file_are_all_the_same() {
    let service = with_users(50);
    let tasks = [service.start(), service.start()];
    let targets = ["/api/users", "/api/users/7", "/api/users?limit=5&sort=-id"];
    let answers = || {
        let of = |task: &testkit::Task| targets.map(|target| task.get(target));
        let tags = |task| of(task).map(|response| response.header("etag").to_owned());
        tasks.iter().map(tags).collect::<Vec<_>>()
    };
    let tags = answers();
    assert_eq!(tags[0], tags[1]);
    let [one, other] = tasks;
    assert!(one.stop().status.success());
    let restarted = service.start();
    for (target, tag) in targets.iter().zip(&tags[0]) {
        assert_eq!(restarted.get(target).header("etag"), tag, "{target}");
        assert_eq!(other.get(target).header("etag"), tag, "{target}");
    }
}

#[test]
fn the_file_of_the_monolith_will_do() {
    let users =
        json!([{"id": 1, "username": "marceline", "name": "Marceline", "bio": "", "age": 1000}]);
    let monolith = json!({
        "users": users,
        "threads": [{"id": 1, "title": "What's up", "createdBy": 1}],
        "posts": [{"thread": 1, "text": "The Nightosphere", "user": 1}]
    });
    let task = service().db(monolith.to_string()).start();
    assert_eq!(task.get("/api/users").json(), users);
    assert_eq!(task.get("/api/threads").status, 404);
}

#[test]
fn a_port_in_use_is_refused_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let ended = with_users(1).env("PORT", port.to_string()).run();
    assert_eq!(ended.status.code(), Some(1));
    let expected = format!(
        "users: cannot listen on 127.0.0.1:{port}; choose another port with --port or PORT: Address already in use"
    );
    assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
    assert_eq!(ended.stdout, [""; 0]);
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn neither_root_nor_a_writable_directory_is_needed() {
    // A copy, since the other user may have no access to the directory of the original.
    let home = tempfile::tempdir().unwrap();
    let copy = home.path().join("users");
    fs::copy(env!("CARGO_BIN_EXE_users"), &copy).unwrap();
    let service = Binary::new(copy).db(r#"{"users": []}"#).unprivileged();
    chmod(home.path(), 0o555);
    chmod(&service.db_path(), 0o444);
    chmod(service.dir(), 0o555);
    let task = service.start();
    assert_eq!(task.get("/api/users").text(), "[]");
    assert!(task.stop().status.success());
    let names: Vec<_> = fs::read_dir(service.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["db.json"]);
    // Otherwise they could not be removed.
    chmod(home.path(), 0o755);
    chmod(service.dir(), 0o755);
}
