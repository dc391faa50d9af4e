//! The next start reads whatever a 2xx accepted, and keeps what a file brought.

use serde_json::json;
use testkit::{Binary, Signal, Task};

use crate::{authorized, create, problem, user, writable, write};

/// A user with a member that only the file knows.
fn with_badge(badge: &str) -> Binary {
    writable().db(format!(
        r#"{{"users":[{{"id":1,"username":"a","name":"A","bio":"","badge":{badge}}}]}}"#
    ))
}

fn send(task: &Task, method: &str, target: &str, body: &str) -> testkit::Response {
    task.ask(&authorized(method, target).body("application/json", body))
}

fn verify(binary: &Binary) -> testkit::Ended {
    binary.clone().arg("verify").run()
}

/// Kills the service with `kill -9`. `verify` must then find the files sound, and two starts must
/// serve what was served before.
fn survives_kill_9(binary: &Binary, task: Task) {
    let served = task.get("/api/users").text().to_owned();
    task.signal(Signal::KILL);
    drop(task.wait());
    for _ in 0..2 {
        let verified = verify(binary);
        assert!(verified.status.success(), "{}", verified.stderr);
        let task = binary.start();
        assert_eq!(task.get("/api/users").text(), served);
        assert!(task.stop().status.success());
    }
}

#[test]
fn names_that_mean_something_to_serde_json_are_refused_at_any_depth() {
    let binary = with_badge("{}");
    let task = binary.start();
    let before = task.get("/api/users").text().to_owned();
    for (method, target, body) in [
        (
            "PATCH",
            "/api/users/1",
            r#"{"badge":{"x":null,"$serde_json::private::Number":"abc"}}"#,
        ),
        (
            "PATCH",
            "/api/users/1",
            r#"{"badge":[{"a":{"\u0024serde_json::private::Number":"1"}}]}"#,
        ),
        (
            "PUT",
            "/api/users/1",
            r#"{"username":"a","name":"A","bio":{"$serde_json::private::RawValue":"\"\""}}"#,
        ),
        (
            "POST",
            "/api/users",
            r#"{"$serde_json::private::RawValue":"{\"username\":\"raw2\",\"name\":\"R\",\"name\":\"S\",\"bio\":\"\"}"}"#,
        ),
        (
            "POST",
            "/api/users",
            r#"{"$serde_json::private::Number":"7"}"#,
        ),
    ] {
        let refused = send(&task, method, target, body);
        assert_eq!(problem(&refused).0, "malformed-json", "{body}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.starts_with("line 1, column ") && detail.contains("$serde_json::private::"),
            "{detail}"
        );
    }
    assert_eq!(task.get("/api/users").text(), before);
    assert!(task.stop().status.success());
    let task = binary.start();
    assert_eq!(task.get("/api/users").text(), before);
    assert_eq!(create(&task, "jake").status, 201);
    survives_kill_9(&binary, task);
}

#[test]
fn a_file_that_has_such_names_is_served_and_edited_as_it_is() {
    for badge in [
        r#"{"$serde_json::private::Number":"abc"}"#,
        r#"{"$serde_json::private::RawValue":"{\"a\":1,\"a\":2}"}"#,
        r#"{"x":null,"$serde_json::private::Number":["3"]}"#,
    ] {
        let binary = with_badge(badge);
        let task = binary.start();
        let member = format!(r#""badge":{badge}"#);
        assert!(task.get("/api/users/1").text().contains(&member));
        for bio in ["b", "c"] {
            let patched = task.ask(&write("PATCH", "/api/users/1", &json!({ "bio": bio })));
            assert_eq!(patched.status, 200, "{}", patched.text());
            assert!(patched.text().contains(&member), "{}", patched.text());
        }
        assert!(task.stop().status.success());
        let task = binary.start();
        let replaced = task.ask(&write("PUT", "/api/users/1", &user("b")));
        assert!(replaced.text().contains(&member), "{}", replaced.text());
        survives_kill_9(&binary, task);
    }
}

#[test]
fn odd_values_that_were_accepted_are_read_by_the_next_start() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let binary = with_badge(r#"{"a":1E5,"b":null}"#);
    let task = binary.start();
    for badge in [
        r#"{"a":1e999999,"c":-0,"d":18446744073709551616,"e":1.00}"#.to_owned(),
        r#"{"":"\u0000\ud83d\ude00\u2028","é":{"A":1,"\u0061":2}}"#.to_owned(),
        r#"{"x":"{\"a\":1,\"a\":2}","$serde_json":1,"private::Number":"3"}"#.to_owned(),
        format!(r#"{{"deep":{}}}"#, nested(98)),
        nested(99),
    ] {
        let body = format!(r#"{{"badge":{badge}}}"#);
        let patched = send(&task, "PATCH", "/api/users/1", &body);
        assert_eq!(patched.status, 200, "{body}: {}", patched.text());
        let body = format!(r#"{{"badge":{}}}"#, nested(100));
        let refused = send(&task, "PATCH", "/api/users/1", &body);
        assert_eq!(
            problem(&refused),
            ("invalid-record".into(), vec!["/badge".into()])
        );
    }
    survives_kill_9(&binary, task);
}

#[test]
fn after_the_last_id_a_post_is_a_conflict() {
    let binary = writable().db(r#"{"users":[],"lastIds":{"users":9007199254740990}}"#);
    let task = binary.start();
    let last = create(&task, "finn");
    assert_eq!(last.header("location"), "/api/users/9007199254740991");
    assert!(task.stop().status.success());
    for _ in 0..2 {
        let task = binary.start();
        let refused = create(&task, "jake");
        assert_eq!(problem(&refused).0, "conflict");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.starts_with("all ids up to 9007199254740991"),
            "{detail}"
        );
        assert!(task.stop().status.success());
    }
}

/// What an earlier release took from clients is still read.
#[test]
fn blank_names_are_refused_and_those_of_a_file_are_served() {
    let binary = writable().db(r#"{"users":[{"id":1,"username":"a","name":" \u0000","bio":""}]}"#);
    let task = binary.start();
    assert_eq!(task.get("/api/users/1").json()["name"], " \u{0}");
    for name in [" ", "\u{0}", "\u{a0}\u{200b}", "\u{e000}"] {
        for (method, target) in [("POST", "/api/users"), ("PATCH", "/api/users/1")] {
            let body = json!({"username": "b", "name": name, "bio": ""});
            let refused = task.ask(&write(method, target, &body));
            let expected = ("invalid-record".to_owned(), vec!["/name".to_owned()]);
            assert_eq!(problem(&refused), expected, "{method} {name:?}");
        }
    }
    // A change of another member is accepted.
    let bio = task.ask(&write("PATCH", "/api/users/1", &json!({"bio": "b"})));
    assert_eq!(bio.json()["name"], " \u{0}", "{}", bio.text());
    let shown = json!({"name": "A\u{0}", "bio": " \u{0}"});
    assert_eq!(
        task.ask(&write("PATCH", "/api/users/1", &shown)).status,
        200
    );
    survives_kill_9(&binary, task);
}

#[test]
fn numbers_and_unknown_members_of_the_file_are_written_as_they_are() {
    let text = r#"{"version": 1.50, "users": [{"id": 1, "username": "finn", "name": "F", "bio": "", "score": 12345678901234567890123.10}]}"#;
    let binary = writable().db(text);
    let task = binary.start();
    let score = "\"score\":12345678901234567890123.10";
    assert!(task.get("/api/users/1").text().contains(score));
    for change in [
        write("PATCH", "/api/users/1", &json!({"bio": "b"})),
        write(
            "PUT",
            "/api/users/1",
            &json!({"username": "finn", "name": "G", "bio": ""}),
        ),
    ] {
        assert!(task.ask(&change).text().contains(score));
    }
    assert!(task.stop().status.success());
    let file = std::fs::read_to_string(binary.db_path()).unwrap();
    assert!(
        file.contains(score) && file.contains("\"version\": 1.50"),
        "{file}"
    );
}
