//! Hostile bodies: each is refused with its problem, and nothing changes.

use serde_json::json;

use crate::{TOKEN, authorized, create, problem, writable, write};

/// A body, the problem that answers it, and the pointers to its wrong members.
type Hostile<'a> = (&'a str, &'a str, &'a [&'a str]);

/// Sends each body. Expects its problem, and that nothing changes.
fn refused(method: &str, target: &str, hostile: &[Hostile<'_>]) {
    let task = writable().start();
    create(&task, "finn");
    let before = task.get("/api/users").body;
    for (body, kind, pointers) in hostile {
        let response = task.ask(&authorized(method, target).body("application/json", *body));
        let shown: String = body.chars().take(80).collect();
        let pointers = pointers.iter().map(ToString::to_string).collect();
        assert_eq!(
            problem(&response),
            ((*kind).to_owned(), pointers),
            "{shown}"
        );
        if *kind == "malformed-json" {
            let detail = response.json()["detail"].as_str().unwrap().to_owned();
            assert!(
                detail.starts_with("line ") && detail.contains(", column "),
                "{detail}"
            );
        }
    }
    assert_eq!(task.get("/api/users").body, before);
}

#[test]
fn every_hostile_new_record_is_its_own_problem() {
    let nested = format!("{{\"username\": {}{}}}", "[".repeat(500), "]".repeat(500));
    let long = |bytes: usize| {
        let frame = r#"{"username":"x","name":"n","bio":""}"#.len();
        let bio = "x".repeat(bytes - frame);
        format!(r#"{{"username":"x","name":"n","bio":"{bio}"}}"#)
    };
    refused(
        "POST",
        "/api/users",
        &[
            ("", "malformed-json", &[]),
            ("{\"username\": \"x\",\n oops}", "malformed-json", &[]),
            ("\u{feff}{}", "malformed-json", &[]),
            (&nested, "malformed-json", &[]),
            (
                r#"{"username":"x","name":"\ud800","bio":""}"#,
                "malformed-json",
                &[],
            ),
            (
                r#"{"username":"x","username":"y","name":"n","bio":""}"#,
                "malformed-json",
                &[],
            ),
            ("[]", "invalid-record", &[""]),
            ("null", "invalid-record", &[""]),
            (
                r#"{"id":7,"username":"x","name":"n","bio":""}"#,
                "invalid-record",
                &["/id"],
            ),
            (
                r#"{"username":"X","name":1e999,"bio":null,"a/b":1}"#,
                "invalid-record",
                &["/a~1b", "/username", "/name", "/bio"],
            ),
            (&long(64 * 1024), "invalid-record", &["/bio"]),
            (&long(64 * 1024 + 1), "too-large", &[]),
        ],
    );
}

#[test]
fn every_hostile_edit_is_its_own_problem() {
    refused(
        "PATCH",
        "/api/users/1",
        &[
            (r#"{"id":2}"#, "invalid-record", &["/id"]),
            (r#"{"id":1.0}"#, "invalid-record", &["/id"]),
            (
                r#"{"name":null,"bio":{"a":null}}"#,
                "invalid-record",
                &["/name", "/bio"],
            ),
            (r#"{"unknown":null}"#, "invalid-record", &["/unknown"]),
            ("7", "invalid-record", &[""]),
        ],
    );
    refused(
        "PUT",
        "/api/users/1",
        &[
            (
                r#"{"username":"finn"}"#,
                "invalid-record",
                &["/name", "/bio"],
            ),
            ("[1]", "invalid-record", &[""]),
        ],
    );
}

#[test]
fn other_media_types_are_refused_with_those_that_are_not() {
    let task = writable().start();
    create(&task, "finn");
    for (method, target, media_type, header) in [
        ("POST", "/api/users", "text/plain", "accept-post"),
        (
            "POST",
            "/api/users",
            "application/merge-patch+json",
            "accept-post",
        ),
        (
            "PUT",
            "/api/users/1",
            "application/merge-patch+json",
            "accept",
        ),
        (
            "PATCH",
            "/api/users/1",
            "application/json-patch+json",
            "accept-patch",
        ),
    ] {
        let response = task.ask(&authorized(method, target).body(media_type, "{}"));
        assert_eq!(
            problem(&response).0,
            "unsupported-media-type",
            "{method} {media_type}"
        );
        assert!(response.header(header).contains("json"), "{method}");
    }
    let mut connection = task.connect();
    let without = authorized("PATCH", "/api/users/1").header("Content-Length", 2);
    connection.send(&[without.to_bytes(), b"{}".to_vec()].concat());
    assert_eq!(
        problem(&connection.response("PATCH")).0,
        "unsupported-media-type"
    );
}

#[test]
fn a_chunked_body_is_bounded_too() {
    let task = writable().start();
    let mut connection = task.connect();
    let head = format!(
        "POST /api/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    connection.send(head.as_bytes());
    let chunk = [
        format!("{:x}\r\n", 48 * 1024).into_bytes(),
        vec![b' '; 48 * 1024],
        b"\r\n".to_vec(),
    ]
    .concat();
    connection.send(&chunk);
    connection.send(&chunk);
    assert_eq!(problem(&connection.response("POST")).0, "too-large");
}

#[test]
fn numbers_and_unknown_members_of_the_file_stay_as_they_are() {
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
